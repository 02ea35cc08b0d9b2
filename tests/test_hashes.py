"""Stored hashes: what a log-in costs, and when it replaces them."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable

import bcrypt
import pytest
from flask import Flask
from sqlalchemy import delete, update

from tests.clients import PASSWORD, Account, Client
from tests.database import before, crash, execute, rows, statements
from workhub.accounts.models import Session, User

FAILED = {"detail": "Неверно введена почта или пароль."}
CREDENTIALS = {"email": "ann@example.com", "password": PASSWORD}


def cost(password_hash: str) -> int:
    """The cost that a hash of our own form names."""
    return int(password_hash.split("r=")[1].split("$")[0])


def only_hash(app: Flask) -> str:
    [(password_hash,)] = rows(app, User.password_hash)
    assert isinstance(password_hash, str)
    return password_hash


@pytest.fixture
def hashings(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Collects the bcrypt settings (kind, cost, salt) of all hashes from now on."""
    seen: list[bytes] = []
    hashpw, checkpw = bcrypt.hashpw, bcrypt.checkpw

    def counted_hashpw(password: bytes, salt: bytes) -> bytes:
        seen.append(salt[:7])
        return hashpw(password, salt)

    def counted_checkpw(password: bytes, hashed: bytes) -> bool:
        seen.append(hashed[:7])
        return checkpw(password, hashed)

    monkeypatch.setattr(bcrypt, "hashpw", counted_hashpw)
    monkeypatch.setattr(bcrypt, "checkpw", counted_checkpw)
    return seen


def test_an_unknown_address_costs_the_same_statements_and_hash_as_a_wrong_password(
    app: Flask, client: Client, account: Account, hashings: list[bytes]
) -> None:
    hashings.clear()
    with statements(app) as of_wrong:
        client.post("/auth/login", json={**CREDENTIALS, "password": PASSWORD + "x"})
    hashes_of_wrong = hashings.copy()
    hashings.clear()

    with statements(app) as of_unknown:
        answer = client.post("/auth/login", json={**CREDENTIALS, "email": "eve@example.com"})

    assert answer.json == FAILED
    assert len(of_wrong) == 1
    assert of_unknown == of_wrong
    assert hashes_of_wrong == [b"$2b$04$"]
    assert hashings == hashes_of_wrong


def test_a_disabled_account_costs_the_same_statements_and_hash_as_a_wrong_password(
    app: Flask, client: Client, account: Account, hashings: list[bytes]
) -> None:
    execute(app, update(User).values(disabled_at=app.extensions["clock"]()))
    hashings.clear()

    with statements(app) as seen:
        answer = client.post("/auth/login", json=CREDENTIALS)

    assert answer.json == FAILED
    assert len(seen) == 1
    assert hashings == [b"$2b$04$"]


def test_an_unknown_address_costs_what_the_setting_says(
    make_app: Callable[..., Flask], hashings: list[bytes]
) -> None:
    client = Client(make_app(BCRYPT_ROUNDS="6"))

    client.post("/auth/login", json=CREDENTIALS)

    assert hashings == [b"$2b$06$"]


@pytest.mark.parametrize("password", ["", "Pass!1x", "password1!", "Password1", "Password!"])
def test_a_password_that_can_not_be_anyones_costs_no_statement_and_no_hash(
    app: Flask, client: Client, account: Account, hashings: list[bytes], password: str
) -> None:
    hashings.clear()

    with statements(app) as seen:
        answer = client.post("/auth/login", json={**CREDENTIALS, "password": password})

    assert answer.status_code == 400
    assert answer.json["detail"].startswith("Пароль должен содержать минимум ")
    assert seen == []
    assert hashings == []


def test_a_hash_of_ours_names_its_form_and_its_cost(app: Flask, account: Account) -> None:
    password_hash = only_hash(app)

    _, _, _, salt, digest = password_hash.split("$")
    keyed = b64encode(hmac.digest(salt.encode(), PASSWORD.encode(), hashlib.sha256))
    plain = bcrypt.hashpw(keyed, b"$2b$04$" + salt.encode()).decode()
    assert password_hash == f"$bcrypt-sha256$v=2,t=2b,r=4${salt}${digest}"
    assert plain == f"$2b$04${salt}{digest}"


def test_the_same_password_has_another_hash_in_each_account(app: Flask, client: Client) -> None:
    client.register("ann@example.com")
    client.register("bob@example.com")

    (ann,), (bob,) = rows(app, User.password_hash)

    assert ann != bob


def test_a_log_in_keeps_a_hash_of_the_cost_that_is_set(
    app: Flask, client: Client, account: Account, hashings: list[bytes]
) -> None:
    before_log_in = only_hash(app)
    hashings.clear()

    account.log_in()

    assert only_hash(app) == before_log_in
    assert hashings == [b"$2b$04$"]


def test_a_log_in_replaces_a_hash_of_a_lower_cost_once(make_app: Callable[..., Flask]) -> None:
    first = Client(make_app())
    first.register()
    old = first.log_in()
    app = make_app(BCRYPT_ROUNDS="5")
    client = Client(app)

    new = client.log_in()

    replaced = only_hash(app)
    assert cost(replaced) == 5
    for tokens in (old, new):
        assert client.get("/auth/me", token=tokens.access_token).status_code == 200
    assert client.log_in().access_token
    assert only_hash(app) == replaced


def test_a_log_in_keeps_a_hash_of_a_higher_cost(make_app: Callable[..., Flask]) -> None:
    Client(make_app(BCRYPT_ROUNDS="5")).register()
    app = make_app(BCRYPT_ROUNDS="4")

    Client(app).log_in()

    assert cost(only_hash(app)) == 5


def test_a_wrong_password_replaces_no_hash(make_app: Callable[..., Flask]) -> None:
    Client(make_app()).register()
    app = make_app(BCRYPT_ROUNDS="5")

    answer = Client(app).post("/auth/login", json={**CREDENTIALS, "password": PASSWORD + "x"})

    assert answer.status_code == 400
    assert answer.json == FAILED
    assert cost(only_hash(app)) == 4


def test_a_log_in_that_crashes_after_the_new_hash_keeps_the_old_one(
    make_app: Callable[..., Flask],
) -> None:
    Client(make_app()).register()
    app = make_app(BCRYPT_ROUNDS="5")
    client = Client(app)
    old = only_hash(app)

    with before(app, "INSERT INTO sessions", crash):
        answer = client.post("/auth/login", json=CREDENTIALS)

    assert answer.status_code == 500
    assert answer.json == {"detail": "Произошла неизвестная ошибка."}
    assert only_hash(app) == old
    assert rows(app, Session.id) == []
    assert client.log_in().access_token


@pytest.mark.parametrize(("rounds", "verb"), [("4", "INSERT INTO sessions"), ("5", "BEGIN")])
def test_a_log_in_whose_hash_is_replaced_meanwhile_works(
    make_app: Callable[..., Flask], rounds: str, verb: str
) -> None:
    other = make_app(BCRYPT_ROUNDS="5")
    Client(make_app()).register()
    app = make_app(BCRYPT_ROUNDS=rounds)

    with before(app, verb, lambda: Client(other).log_in()):
        tokens = Client(app).log_in()

    assert cost(only_hash(app)) == 5
    assert len(rows(app, Session.id)) == 2
    assert Client(app).get("/auth/me", token=tokens.access_token).status_code == 200


@pytest.mark.parametrize(("rounds", "verb"), [("4", "INSERT INTO sessions"), ("5", "BEGIN")])
@pytest.mark.parametrize("meanwhile", ["another password", "disabled", "deleted"])
def test_a_log_in_whose_account_changes_meanwhile_opens_no_session(
    make_app: Callable[..., Flask], rounds: str, verb: str, meanwhile: str
) -> None:
    first = make_app()
    Client(first).register()
    app = make_app(BCRYPT_ROUNDS=rounds)
    another = bcrypt.hashpw(b"Other1!pass", bcrypt.gensalt(4)).decode()
    change = {
        "another password": update(User).values(password_hash=another),
        "disabled": update(User).values(disabled_at=app.extensions["clock"]()),
        "deleted": delete(User),
    }[meanwhile]

    with before(app, verb, lambda: execute(first, change)):
        answer = Client(app).post("/auth/login", json=CREDENTIALS)

    assert answer.status_code == 400
    assert answer.json == FAILED
    assert rows(app, Session.id) == []
