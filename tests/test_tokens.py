"""The tokens that a log-in and a refresh answer, as a client reads them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import select

from tests.clients import Account, Client, Clock
from tests.forgery import (
    KINDS,
    SECRET_OF,
    Kind,
    claims_of,
    decode,
    forge,
    header_of,
    of_kind,
    present,
    present_both,
)
from workhub.accounts.models import Session
from workhub.extensions import db

UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
EXPIRED = (401, {"detail": "Срок действия токена истёк."})
REFUSED = (403, {"detail": "Не удалось подтвердить учетные данные."})


def lifetime_of(token: str) -> timedelta:
    claims = claims_of(token)
    return timedelta(seconds=claims["exp"] - claims["iat"])


def end_of(token: str) -> int:
    exp: int = claims_of(token)["exp"]
    return exp


def whole_seconds(time: datetime) -> int:
    return int(time.timestamp())


@pytest.mark.parametrize(("kind", "lifetime"), [("access", 1800), ("refresh", 1_209_600)])
def test_a_token_has_these_claims_and_no_others(
    app: Flask, account: Account, clock: Clock, kind: Kind, lifetime: int
) -> None:
    token = of_kind(account.log_in(), kind)

    claims = claims_of(token)

    with app.app_context(), db.engine.connect() as connection:
        session = connection.execute(select(Session.id, Session.user_id)).one()
    now = whole_seconds(clock())
    jti = claims.pop("jti")
    assert claims == {
        "iss": "workhub",
        "sub": str(session.user_id),
        "sid": str(session.id),
        "type": kind,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
    }
    assert len(decode(jti)) >= 16
    assert UUID_TEXT.fullmatch(claims["sub"])
    assert UUID_TEXT.fullmatch(claims["sid"])


def test_a_header_names_algorithm_type_and_key_and_nothing_else(account: Account) -> None:
    tokens, later = account.log_in(), account.log_in()

    access, refresh = header_of(tokens.access_token), header_of(tokens.refresh_token)

    for header in (access, refresh):
        assert header == {"alg": "HS256", "typ": "JWT", "kid": header["kid"]}
        assert re.fullmatch("[0-9a-f]{8}", header["kid"])
    assert access["kid"] != refresh["kid"]
    assert header_of(later.access_token) == access
    assert header_of(later.refresh_token) == refresh


def test_the_key_id_follows_the_secret(make_app: Callable[..., Flask], client: Client) -> None:
    client.register()
    before = client.log_in()

    after = Client(make_app(SECRET_JWT="another-access-secret-0123456789-abc")).log_in()

    assert header_of(after.access_token)["kid"] != header_of(before.access_token)["kid"]
    assert header_of(after.refresh_token)["kid"] == header_of(before.refresh_token)["kid"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_signed_with_its_own_secret(account: Account, kind: Kind) -> None:
    token = of_kind(account.log_in(), kind)
    other: Kind = "refresh" if kind == "access" else "access"
    # Of another year than the machine's.
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}

    claims = jwt.decode(token, SECRET_OF[kind], ["HS256"], options)

    assert claims["type"] == kind
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, SECRET_OF[other], ["HS256"], options)


def test_no_jti_comes_twice(make_app: Callable[..., Flask]) -> None:
    client = Client(make_app(REFRESH_REUSE_SECONDS="0"))
    client.register()
    pairs = [client.log_in(), client.log_in()]

    for _ in range(30):
        pairs.append(client.refresh(pairs[-1].refresh_token))

    issued = [claims_of(of_kind(pair, kind)) for pair in pairs for kind in KINDS]
    assert len({claims["jti"] for claims in issued}) == 64
    assert len({claims["sid"] for claims in issued}) == 2
    assert min(len(decode(claims["jti"])) for claims in issued) >= 16


def test_each_log_in_is_a_session_of_its_own(account: Account) -> None:
    laptop, phone = account.log_in(), account.log_in()

    sids = [claims_of(of_kind(tokens, kind))["sid"] for tokens in (laptop, phone) for kind in KINDS]

    assert sids[0] == sids[1]
    assert sids[2] == sids[3]
    assert sids[0] != sids[2]


def test_a_refresh_stays_in_its_session_and_starts_its_lifetimes_anew(
    client: Client, account: Account, clock: Clock
) -> None:
    first = account.log_in()
    clock.shift(timedelta(minutes=20))

    second = client.refresh(first.refresh_token)

    for kind, lifetime in zip(KINDS, (1800, 1_209_600), strict=True):
        old, new = claims_of(of_kind(first, kind)), claims_of(of_kind(second, kind))
        now = whole_seconds(clock())
        assert new["jti"] != old["jti"]
        assert new == {**old, "jti": new["jti"], "iat": now, "nbf": now, "exp": now + lifetime}


def test_lifetimes_and_issuer_follow_the_settings(make_app: Callable[..., Flask]) -> None:
    client = Client(
        make_app(
            ACCESS_TOKEN_SECONDS="60", REFRESH_TOKEN_SECONDS="7200", JWT_ISSUER="accounts.example"
        )
    )
    client.register()

    tokens = client.log_in()

    assert lifetime_of(tokens.access_token) == timedelta(minutes=1)
    assert lifetime_of(tokens.refresh_token) == timedelta(hours=2)
    assert claims_of(tokens.access_token)["iss"] == "accounts.example"
    assert claims_of(tokens.refresh_token)["iss"] == "accounts.example"
    assert present(client, "access", tokens.access_token)[0] == 200


def test_an_access_token_does_not_outlive_an_idle_session(make_app: Callable[..., Flask]) -> None:
    client = Client(make_app(ACCESS_TOKEN_SECONDS="3600", REFRESH_TOKEN_SECONDS="60"))
    client.register()

    tokens = client.log_in()

    assert lifetime_of(tokens.access_token) == timedelta(minutes=1)
    assert lifetime_of(tokens.refresh_token) == timedelta(minutes=1)


def test_no_token_outlives_the_absolute_end_of_its_session(
    make_app: Callable[..., Flask], clock: Clock
) -> None:
    client = Client(make_app(SESSION_MAX_DAYS="1"))
    client.register()
    end = whole_seconds(clock() + timedelta(days=1))
    first = client.log_in()
    clock.shift(timedelta(hours=23, minutes=50))

    second = client.refresh(first.refresh_token)

    assert end_of(first.refresh_token) == end
    assert end_of(second.refresh_token) == end
    assert end_of(second.access_token) == end


@pytest.mark.parametrize(
    ("kind", "lifetime"),
    [("access", timedelta(minutes=30)), ("refresh", timedelta(days=14))],
    ids=KINDS,
)
def test_a_token_lives_to_the_second(
    client: Client, account: Account, clock: Clock, kind: Kind, lifetime: timedelta
) -> None:
    clock.time = clock.time.replace(microsecond=0)
    token = of_kind(account.log_in(), kind)

    clock.shift(lifetime)
    at_its_end = present(client, kind, token)
    clock.shift(timedelta(seconds=-1))
    a_second_before = present(client, kind, token)

    assert at_its_end == EXPIRED
    assert a_second_before[0] == 200


@pytest.mark.parametrize("kind", KINDS)
def test_another_machine_s_clock_may_be_five_seconds_ahead(
    client: Client, account: Account, clock: Clock, kind: Kind
) -> None:
    clock.time = clock.time.replace(microsecond=0)
    token = of_kind(account.log_in(), kind)
    now = whole_seconds(clock())

    six = present(client, kind, forge(token, kind, nbf=now + 6))
    five = present(client, kind, forge(token, kind, nbf=now + 5))

    assert six == REFUSED
    assert five[0] == 200


@pytest.mark.parametrize("name", ["SECRET_JWT", "SECRET_JWT_REFRESH", "JWT_ISSUER"])
def test_tokens_of_another_secret_or_issuer_are_refused(
    make_app: Callable[..., Flask], client: Client, account: Account, name: str
) -> None:
    tokens = account.log_in()
    other = Client(make_app(**{name: "quite-another-text-of-the-settings-0123"}))

    answers = present_both(other, tokens)

    refused = {"SECRET_JWT": ["access"], "SECRET_JWT_REFRESH": ["refresh"]}.get(name, KINDS)
    assert {kind for kind in KINDS if answers[kind] == REFUSED} == set(refused)
    assert all(answers[kind][0] == 200 for kind in set(KINDS) - set(refused))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_does_not_bring_a_token_back(client: Client, account: Account, kind: Kind) -> None:
    tokens = account.log_in()
    padded = of_kind(tokens, kind) + "="
    client.get("/auth/logout", token=tokens.access_token)

    assert present(client, kind, padded) == REFUSED
