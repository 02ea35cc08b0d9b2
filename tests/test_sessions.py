"""Sessions: one log-in each, rotated, ended, and never alive again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Row, select

from tests.clients import Account, Client, Clock
from workhub.accounts.models import Session
from workhub.extensions import db

REFUSED = {"detail": "Не удалось подтвердить учетные данные."}
DONE = {"detail": "Успешно."}
WINDOW = timedelta(seconds=10)


def session_rows(app: Flask) -> list[Row]:
    with app.app_context(), db.engine.connect() as connection:
        return list(connection.execute(select(Session.__table__).order_by(Session.created_at)))


def test_refresh_answers_a_new_pair(client: Client, account: Account, clock: Clock) -> None:
    tokens = account.log_in()
    clock.shift(timedelta(seconds=1))

    answer = client.post("/auth/refresh", token=tokens.refresh_token)

    assert answer.status_code == 200
    assert list(answer.json) == ["access_token", "refresh_token"]
    assert answer.json["refresh_token"] != tokens.refresh_token
    assert client.get("/auth/me", token=answer.json["access_token"]).status_code == 200


def test_the_access_token_of_before_a_refresh_goes_on_working(
    client: Client, account: Account
) -> None:
    tokens = account.log_in()

    client.refresh(tokens.refresh_token)

    assert client.get("/auth/me", token=tokens.access_token).status_code == 200


def test_a_retry_within_the_window_gets_the_same_refresh_token_byte_for_byte(
    client: Client, account: Account, clock: Clock
) -> None:
    tokens = account.log_in()
    rotated = client.refresh(tokens.refresh_token)
    clock.shift(WINDOW - timedelta(microseconds=1))

    retried = client.refresh(tokens.refresh_token)

    assert retried.refresh_token == rotated.refresh_token
    assert retried.access_token != rotated.access_token
    assert client.get("/auth/me", token=retried.access_token).status_code == 200


def test_the_current_token_does_not_rotate_again_within_the_window(
    client: Client, account: Account, clock: Clock
) -> None:
    rotated = client.refresh(account.log_in().refresh_token)
    clock.shift(WINDOW - timedelta(microseconds=1))

    again = client.refresh(rotated.refresh_token)

    assert again.refresh_token == rotated.refresh_token
    assert again.access_token != rotated.access_token


def test_after_the_window_the_current_token_rotates(
    client: Client, account: Account, clock: Clock
) -> None:
    rotated = client.refresh(account.log_in().refresh_token)
    clock.shift(WINDOW)

    again = client.refresh(rotated.refresh_token)

    assert again.refresh_token != rotated.refresh_token


def test_reused_refresh_token_ends_its_own_session_alone(
    client: Client, account: Account, clock: Clock
) -> None:
    laptop, phone = account.log_in(), account.log_in()
    rotated = client.refresh(laptop.refresh_token)
    clock.shift(WINDOW)

    reuse = client.post("/auth/refresh", token=laptop.refresh_token)

    assert reuse.status_code == 403
    assert reuse.json == REFUSED
    assert client.get("/auth/me", token=rotated.access_token).status_code == 403
    assert client.get("/auth/me", token=phone.access_token).status_code == 200


def test_reuse_ends_the_current_refresh_token_too(
    client: Client, account: Account, clock: Clock
) -> None:
    spent = account.log_in().refresh_token
    current = client.refresh(spent).refresh_token
    clock.shift(WINDOW)
    client.post("/auth/refresh", token=spent)

    answer = client.post("/auth/refresh", token=current)

    assert answer.status_code == 403
    assert answer.json == REFUSED


def test_the_reason_of_an_end_by_reuse_is_kept(
    app: Flask, client: Client, account: Account, clock: Clock
) -> None:
    spent = account.log_in().refresh_token
    client.refresh(spent)
    clock.shift(WINDOW)

    client.post("/auth/refresh", token=spent)

    (row,) = session_rows(app)
    assert (row.ended_at, row.end_reason) == (clock.time, "reuse")


def test_a_token_two_rotations_old_is_reuse_even_within_the_window(
    client: Client, account: Account, clock: Clock
) -> None:
    first = account.log_in()
    second = client.refresh(first.refresh_token)
    clock.shift(WINDOW)
    third = client.refresh(second.refresh_token)

    reuse = client.post("/auth/refresh", token=first.refresh_token)

    assert reuse.status_code == 403
    assert reuse.json == REFUSED
    assert client.post("/auth/refresh", token=third.refresh_token).status_code == 403


def test_without_a_window_every_refresh_rotates_and_every_retry_is_reuse(
    make_app: Callable[..., Flask], clock: Clock
) -> None:
    client = Client(make_app(REFRESH_REUSE_SECONDS="0"))
    client.register()
    first = client.log_in()
    second = client.refresh(first.refresh_token)
    third = client.refresh(second.refresh_token)

    reuse = client.post("/auth/refresh", token=second.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert reuse.status_code == 403
    assert reuse.json == REFUSED
    assert client.get("/auth/me", token=third.access_token).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"refresh_token": "x"}},
        {"data": b"\xff{", "content_type": "application/json"},
        {"data": b"<x/>", "content_type": "text/xml"},
    ],
    ids=["json", "broken json", "xml"],
)
def test_refresh_ignores_its_body(
    client: Client, account: Account, body: dict[str, object]
) -> None:
    tokens = account.log_in()

    answer = client.post("/auth/refresh", token=tokens.refresh_token, **body)

    assert answer.status_code == 200


def test_a_session_that_is_used_goes_on_until_its_absolute_end(
    make_app: Callable[..., Flask], clock: Clock
) -> None:
    client = Client(make_app(SESSION_MAX_DAYS="30"))
    client.register()
    tokens = client.log_in()
    for _ in range(2):
        clock.shift(timedelta(days=13))
        tokens = client.refresh(tokens.refresh_token)
    clock.shift(timedelta(days=4))

    answer = client.post("/auth/refresh", token=tokens.refresh_token)

    assert answer.status_code == 401
    assert answer.json == {"detail": "Срок действия токена истёк."}


def test_a_session_that_is_not_used_expires(client: Client, account: Account, clock: Clock) -> None:
    tokens = account.log_in()
    clock.shift(timedelta(days=14))

    answer = client.post("/auth/refresh", token=tokens.refresh_token)

    assert answer.status_code == 401
    assert answer.json == {"detail": "Срок действия токена истёк."}


def test_a_session_remembers_its_latest_use(
    app: Flask, client: Client, account: Account, clock: Clock
) -> None:
    opened = clock.time
    answer = client.post(
        "/auth/login",
        json={"email": account.email, "password": account.password},
        headers={"User-Agent": "Phone/1 " + "x" * 300},
    )
    clock.shift(timedelta(hours=1))

    client.post(
        "/auth/refresh",
        token=answer.json["refresh_token"],
        headers={"User-Agent": "Phone/2"},
        environ_overrides={"REMOTE_ADDR": "2001:db8::7"},
    )

    (row,) = session_rows(app)
    assert row.created_at == opened
    assert row.last_used_at == row.rotated_at == clock.time
    assert row.expires_at == clock.time + timedelta(days=14)
    assert row.ends_at == opened + timedelta(days=90)
    assert (row.ip, row.user_agent) == ("2001:db8::7", "Phone/2")


def test_a_repeated_answer_writes_nothing(
    app: Flask, client: Client, account: Account, clock: Clock
) -> None:
    tokens = account.log_in()
    client.refresh(tokens.refresh_token)
    before = session_rows(app)
    clock.shift(timedelta(seconds=5))

    client.refresh(tokens.refresh_token)

    assert session_rows(app) == before


def test_log_out_ends_that_log_in_alone(client: Client, account: Account) -> None:
    laptop, phone = account.log_in(), account.log_in()

    answer = client.get("/auth/logout", token=laptop.access_token)

    assert answer.status_code == 200
    assert answer.json == DONE
    for refused in (
        client.get("/auth/me", token=laptop.access_token),
        client.post("/auth/refresh", token=laptop.refresh_token),
    ):
        assert refused.status_code == 403
        assert refused.json == REFUSED
    assert client.get("/auth/me", token=phone.access_token).status_code == 200
    assert client.post("/auth/refresh", token=phone.refresh_token).status_code == 200


def test_log_out_ends_every_access_token_of_that_log_in(client: Client, account: Account) -> None:
    first = account.log_in()
    second = client.refresh(first.refresh_token)

    client.get("/auth/logout", token=second.access_token)

    assert client.get("/auth/me", token=first.access_token).status_code == 403
    assert client.post("/auth/refresh", token=first.refresh_token).status_code == 403
    assert client.post("/auth/refresh", token=second.refresh_token).status_code == 403


def test_log_out_twice_is_refused(client: Client, account: Account) -> None:
    tokens = account.log_in()
    client.get("/auth/logout", token=tokens.access_token)

    answer = client.get("/auth/logout", token=tokens.access_token)

    assert answer.status_code == 403
    assert answer.json == REFUSED


def test_head_does_not_log_out(client: Client, account: Account) -> None:
    tokens = account.log_in()

    answer = client.request("HEAD", "/auth/logout", token=tokens.access_token)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"
    assert client.get("/auth/me", token=tokens.access_token).status_code == 200


def test_the_reason_of_a_log_out_is_kept(
    app: Flask, client: Client, account: Account, clock: Clock
) -> None:
    tokens = account.log_in()

    client.get("/auth/logout", token=tokens.access_token)

    (row,) = session_rows(app)
    assert (row.ended_at, row.end_reason) == (clock.time, "logout")


def test_a_log_in_works_in_another_process_with_the_same_settings(
    make_app: Callable[..., Flask],
) -> None:
    one, other = Client(make_app()), Client(make_app())
    one.register()
    tokens = one.log_in()

    assert other.get("/auth/me", token=tokens.access_token).status_code == 200
    other.get("/auth/logout", token=tokens.access_token)
    assert one.get("/auth/me", token=tokens.access_token).status_code == 403
