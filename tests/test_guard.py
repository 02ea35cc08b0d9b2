"""The order of the guard: what each guarded call answers, before it looks at anything else."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import update

from tests.clients import Account, Client, Clock, Tokens
from tests.forgery import claims_of, forge_both
from tests.guarded import (
    EXPIRED,
    NO_TOKEN,
    NO_USER,
    REFUSED,
    Asking,
    Call,
    answers,
    carrying,
    everywhere,
    responses,
)
from workhub.accounts.models import Session, User
from workhub.extensions import db


def as_issued(tokens: Tokens, _now: int) -> Tokens:
    return tokens


def expired(tokens: Tokens, now: int) -> Tokens:
    return forge_both(tokens, exp=now)


def wrongly_signed(tokens: Tokens, _now: int) -> Tokens:
    return forge_both(tokens, secret="a-secret-of-somebody-else-0123456789")


def expired_and_wrongly_signed(tokens: Tokens, now: int) -> Tokens:
    return forge_both(tokens, secret="a-secret-of-somebody-else-0123456789", exp=now)


def of_the_other_kind(tokens: Tokens, _now: int) -> Tokens:
    return Tokens(access_token=tokens.refresh_token, refresh_token=tokens.access_token)


def expired_and_of_the_other_kind(tokens: Tokens, now: int) -> Tokens:
    return of_the_other_kind(forge_both(tokens, exp=now), now)


def live(_app: Flask, _tokens: Tokens, _clock: Clock) -> None:
    pass


def logged_out(app: Flask, tokens: Tokens, _clock: Clock) -> None:
    assert Client(app).get("/auth/logout", token=tokens.access_token).status_code == 200


def deleted(app: Flask, tokens: Tokens, _clock: Clock) -> None:
    assert Client(app).delete("/auth/me", token=tokens.access_token).status_code == 200


def disabled(app: Flask, _tokens: Tokens, clock: Clock) -> None:
    """As an operator does it: the account, and with it its sessions."""
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(update(User).values(disabled_at=clock()))
        connection.execute(update(Session).values(ended_at=clock(), end_reason="disabled"))


Change = Callable[[Tokens, int], Tokens]
Happening = Callable[[Flask, Tokens, Clock], None]


@pytest.mark.parametrize(
    ("happening", "change", "answer"),
    [
        (logged_out, as_issued, REFUSED),
        (deleted, as_issued, NO_USER),
        (disabled, as_issued, REFUSED),
        *((happening, expired, EXPIRED) for happening in (live, logged_out, deleted, disabled)),
        *(
            (happening, change, REFUSED)
            for happening in (live, logged_out, deleted, disabled)
            for change in (
                wrongly_signed,
                expired_and_wrongly_signed,
                of_the_other_kind,
                expired_and_of_the_other_kind,
            )
        ),
    ],
    ids=lambda case: case.__name__ if callable(case) else str(case[0]),
)
def test_the_first_that_is_wrong_is_answered(
    app: Flask,
    account: Account,
    clock: Clock,
    happening: Happening,
    change: Change,
    answer: tuple[int, object],
) -> None:
    tokens = account.log_in()
    happening(app, tokens, clock)

    presented = change(tokens, int(clock().timestamp()))

    assert answers(app, carrying(presented)) == everywhere(answer)


def test_an_account_that_is_disabled_is_refused_at_once(
    app: Flask, client: Client, account: Account, clock: Clock
) -> None:
    tokens = account.log_in()
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(update(User).values(disabled_at=clock()))

    me = client.get("/auth/me", token=tokens.access_token)

    assert (me.status_code, me.json) == REFUSED


def test_the_tokens_of_one_user_do_not_open_the_session_of_another(
    app: Flask, client: Client, account: Account
) -> None:
    ann = account.log_in()
    client.register(email="bob@example.com", name="Bob")
    bob = client.log_in("bob@example.com")

    mixed = forge_both(ann, sid=claims_of(bob.access_token)["sid"])

    assert answers(app, carrying(mixed)) == everywhere(REFUSED)
    assert client.get("/auth/me", token=ann.access_token).status_code == 200
    assert client.get("/auth/me", token=bob.access_token).status_code == 200
    assert client.refresh(bob.refresh_token)


@pytest.mark.parametrize(
    ("claim", "answer"), [("sid", REFUSED), ("sub", NO_USER)], ids=["session", "user"]
)
def test_a_session_or_a_user_that_never_was_is_not_found(
    app: Flask, account: Account, claim: str, answer: tuple[int, object]
) -> None:
    forged = forge_both(account.log_in(), **{claim: str(uuid4())})

    assert answers(app, carrying(forged)) == everywhere(answer)


@pytest.mark.parametrize(
    ("settings", "lifetime"),
    [
        pytest.param({"REFRESH_TOKEN_SECONDS": "3600"}, timedelta(hours=1), id="idle"),
        pytest.param({"SESSION_MAX_DAYS": "1"}, timedelta(days=1), id="absolute end"),
    ],
)
def test_a_session_that_is_over_opens_to_no_token_however_late_its_exp(
    make_app: Callable[..., Flask], clock: Clock, settings: dict[str, str], lifetime: timedelta
) -> None:
    client = Client(app := make_app(**settings))
    client.register()
    tokens = client.log_in()
    later = forge_both(tokens, exp=int((clock() + timedelta(days=400)).timestamp()))

    clock.shift(lifetime - timedelta(microseconds=1))
    last_moment = client.get("/auth/me", token=later.access_token)
    clock.shift(timedelta(microseconds=1))

    assert last_moment.status_code == 200
    assert answers(app, carrying(later)) == everywhere(REFUSED)
    assert answers(app, carrying(tokens)) == everywhere(EXPIRED)


BODIES: dict[str, Asking] = {
    "nothing": {},
    "broken JSON": {"data": b"{", "content_type": "application/json"},
    "wrong shape": {"json": ["name"]},
    "wrong type": {"data": b"<a/>", "content_type": "application/xml"},
    "no boundary": {"data": b"--x", "content_type": "multipart/form-data"},
    "too large": {"data": b" " * 70_000, "content_type": "application/json"},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_token_is_answered_before_the_body(
    app: Flask, client: Client, account: Account, clock: Clock, body: Asking
) -> None:
    now = int(clock().timestamp())
    tokens = account.log_in()

    missing = answers(app, lambda _: body)
    late = answers(app, carrying(expired(tokens, now), **body))
    bad = answers(app, carrying(wrongly_signed(tokens, now), **body))
    client.delete("/auth/me", token=tokens.access_token)
    orphaned = answers(app, carrying(tokens, **body))

    assert missing == everywhere(NO_TOKEN)
    assert late == everywhere(EXPIRED)
    assert bad == everywhere(REFUSED)
    assert orphaned == everywhere(NO_USER)


def test_a_refused_call_changes_nothing(
    app: Flask, client: Client, account: Account, clock: Clock
) -> None:
    tokens = account.log_in()
    before = client.get("/auth/me", token=tokens.access_token).json
    now = int(clock().timestamp())

    answers(app, lambda _: {"json": {"name": "Eve"}})
    for change in (expired, wrongly_signed, of_the_other_kind):
        answers(app, carrying(change(tokens, now), json={"name": "Eve"}))

    assert client.get("/auth/me", token=tokens.access_token).json == before
    assert client.refresh(tokens.refresh_token)


def test_only_the_401_names_a_scheme(
    app: Flask, client: Client, account: Account, clock: Clock
) -> None:
    now = int(clock().timestamp())
    tokens = account.log_in()

    def challenges(asking: Callable[[Call], Asking]) -> set[tuple[int, str | None]]:
        return {
            (it.status_code, it.headers.get("WWW-Authenticate"))
            for it in responses(app, asking).values()
        }

    missing = challenges(lambda _: {})
    late = challenges(carrying(expired(tokens, now)))
    bad = challenges(carrying(wrongly_signed(tokens, now)))
    client.delete("/auth/me", token=tokens.access_token)
    orphaned = challenges(carrying(tokens))

    assert missing == {(400, None)}
    assert late == {(401, 'Bearer error="invalid_token"')}
    assert bad == {(403, None)}
    assert orphaned == {(404, None)}


def test_head_is_guarded_too(client: Client, account: Account) -> None:
    tokens = account.log_in()

    without = client.request("HEAD", "/auth/me")
    refused = client.request("HEAD", "/auth/me", token=tokens.refresh_token)
    let_in = client.request("HEAD", "/auth/me", token=tokens.access_token)

    assert (without.status_code, without.data) == (400, b"")
    assert (refused.status_code, refused.data) == (403, b"")
    assert (let_in.status_code, let_in.data) == (200, b"")
