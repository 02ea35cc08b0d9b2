"""What each call asks of the database, statement by statement, so that none slips in."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.clients import PASSWORD, Account, Client, Clock, Tokens
from tests.database import statements
from tests.images import jpeg

LOOK_UP = "SELECT users LEFT OUTER JOIN sessions"


def told(texts: list[str]) -> list[str]:
    """Each statement as its verb and its tables."""
    return [_told(" ".join(text.split())) for text in texts]


def _told(words: str) -> str:
    verb = words.split()[0]
    tables = re.findall(
        r"(?:FROM|INTO|UPDATE|LEFT OUTER JOIN) (users|sessions)", words.split(" SET ")[0]
    )
    if verb == "INSERT" and " SELECT " in words:
        return f"{verb} {tables[0]} SELECT {tables[1]}"
    return f"{verb} {' LEFT OUTER JOIN '.join(tables)}".strip()


def photo_form() -> dict[str, Any]:
    return {"data": {"photo": (io.BytesIO(jpeg()), "me.jpg")}}


Call = Callable[[Client, Tokens], Any]
CALLS: dict[str, tuple[Call, list[str]]] = {
    "register": (lambda c, t: c.register("bob@example.com"), ["INSERT users"]),
    "register, taken": (lambda c, t: c.register(), ["INSERT users"]),
    "login": (lambda c, t: c.log_in(), ["SELECT users", "INSERT sessions SELECT users"]),
    "login, wrong password": (
        lambda c, t: c.post(
            "/auth/login", json={"email": "ann@example.com", "password": PASSWORD + "!"}
        ),
        ["SELECT users"],
    ),
    "login, unknown address": (
        lambda c, t: c.post("/auth/login", json={"email": "eve@example.com", "password": PASSWORD}),
        ["SELECT users"],
    ),
    "login, a password that can't be anyone's": (
        lambda c, t: c.post("/auth/login", json={"email": "ann@example.com", "password": "x"}),
        [],
    ),
    "refresh": (lambda c, t: c.refresh(t.refresh_token), ["UPDATE sessions"]),
    "me": (lambda c, t: c.get("/auth/me", token=t.access_token), [LOOK_UP]),
    "me, no token": (lambda c, t: c.get("/auth/me"), []),
    "me, refresh token": (lambda c, t: c.get("/auth/me", token=t.refresh_token), []),
    "rename": (
        lambda c, t: c.patch("/auth/me", token=t.access_token, json={"name": "Anna"}),
        [LOOK_UP, "UPDATE users"],
    ),
    "rename, invalid": (
        lambda c, t: c.patch("/auth/me", token=t.access_token, json={"name": ""}),
        [LOOK_UP],
    ),
    "delete": (
        lambda c, t: c.delete("/auth/me", token=t.access_token),
        [LOOK_UP, "DELETE users"],
    ),
    "logout": (
        lambda c, t: c.get("/auth/logout", token=t.access_token),
        [LOOK_UP, "UPDATE sessions"],
    ),
    "photo": (
        lambda c, t: c.patch("/auth/photo", token=t.access_token, **photo_form()),
        [LOOK_UP, "UPDATE users"],
    ),
    "photo, none to delete": (
        lambda c, t: c.delete("/auth/photo", token=t.access_token),
        [LOOK_UP],
    ),
}


@pytest.mark.parametrize(("call", "expected"), CALLS.values(), ids=CALLS)
def test_a_call_runs_these_statements_and_no_other(
    app: Flask, client: Client, account: Account, call: Call, expected: list[str]
) -> None:
    tokens = account.log_in()

    with statements(app) as seen:
        call(client, tokens)

    assert told(seen) == expected


def test_deleting_a_photo_is_one_update(app: Flask, client: Client, account: Account) -> None:
    tokens = account.log_in()
    client.patch("/auth/photo", token=tokens.access_token, **photo_form())

    with statements(app) as seen:
        client.delete("/auth/photo", token=tokens.access_token)

    assert told(seen) == [LOOK_UP, "UPDATE users"]


def test_a_repeated_refresh_reads_once_more_and_does_not_write(
    app: Flask, client: Client, account: Account
) -> None:
    tokens = account.log_in()
    client.refresh(tokens.refresh_token)

    with statements(app) as seen:
        client.refresh(tokens.refresh_token)

    assert told(seen) == ["UPDATE sessions", LOOK_UP]


def test_reuse_is_one_more_update(
    app: Flask, client: Client, account: Account, clock: Clock
) -> None:
    tokens = account.log_in()
    client.refresh(tokens.refresh_token)
    clock.shift(timedelta(seconds=10))

    with statements(app) as seen:
        client.post("/auth/refresh", token=tokens.refresh_token)

    assert told(seen) == ["UPDATE sessions", LOOK_UP, "UPDATE sessions"]


def test_a_log_in_that_replaces_the_hash_does_both_writes_in_one_transaction(
    make_app: Callable[..., Flask],
) -> None:
    Client(make_app()).register()
    app = make_app(BCRYPT_ROUNDS="5")

    with statements(app) as seen:
        Client(app).log_in()

    assert told(seen) == [
        "SELECT users",
        "BEGIN",
        "UPDATE users",
        "INSERT sessions SELECT users",
        "COMMIT",
    ]
