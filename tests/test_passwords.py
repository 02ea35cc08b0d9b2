"""Passwords: the four documented rules, and every character counts."""

from collections.abc import Callable

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from tests.clients import Account, Client
from tests.database import before, crash, rows
from workhub.accounts import passwords
from workhub.accounts.models import User

REGISTERED = {"detail": "Пользователь был успешно добавлен."}
FAILED = {"detail": "Неверно введена почта или пароль."}
TOO_SHORT = {"detail": "Пароль должен содержать минимум 8 символов."}
BOTH_CASES = {"detail": "Пароль должен содержать минимум 2 буквы разных регистров."}
SPECIAL = {"detail": "Пароль должен содержать минимум 1 специальный символ."}
DIGIT = {"detail": "Пароль должен содержать минимум 1 цифру."}
TOO_LONG = {
    "detail": "Проверьте введённые данные.",
    "errors": {"password": ["Длина пароля: не более 1024 символов."]},
}


def register_and_log_in(client: Client, password: str) -> list[TestResponse]:
    body = {"email": "ann@example.com", "name": "Ann", "password": password}
    return [client.post(path, json=body) for path in ("/auth/register", "/auth/login")]


REFUSED: dict[str, tuple[str, dict[str, str]]] = {
    "all four broken": ("", TOO_SHORT),
    "7 characters, and nothing else broken": ("Pass1!x", TOO_SHORT),
    "7 characters in 12 bytes": ("Парол1!", TOO_SHORT),
    "7 characters in 28 bytes and 14 UTF-16 units": ("\U0001d7d8" * 7, TOO_SHORT),
    "7 characters in NFC, 8 as they were typed": ("Pass1!e\u0301", TOO_SHORT),
    "the last three broken": (" " * 8, BOTH_CASES),
    "no upper case, and nothing else broken": ("password1!", BOTH_CASES),
    "no lower case, and nothing else broken": ("PASSWORD1!", BOTH_CASES),
    "no case, nor special, nor digit": ("passwords", BOTH_CASES),
    "letters of no case": ("密码密码密码密码1!", BOTH_CASES),
    "a title case letter is not an upper one": ("ǅassword1!", BOTH_CASES),
    "the last two broken": ("Password", SPECIAL),
    "no special, and nothing else broken": ("Passw0rds", SPECIAL),
    "no special but white space": ("Pass w0rd\t\n\u00a0\u2003", SPECIAL),
    "no special but letters of another alphabet": ("Passw0rdЖ密ßあ", SPECIAL),
    "no special but digits of another alphabet": ("Passw0rd٣३", SPECIAL),
    "no digit": ("Password!", DIGIT),
    "no digit but a Roman one": ("Password!Ⅷ", DIGIT),
    "no digit but a fraction": ("Password!½", DIGIT),
}


@pytest.mark.parametrize(("password", "expected"), REFUSED.values(), ids=REFUSED)
def test_the_first_broken_rule_is_answered(
    app: Flask, client: Client, password: str, expected: dict[str, str]
) -> None:
    answers = register_and_log_in(client, password)

    for answer in answers:
        assert answer.status_code == 400
        assert answer.json == expected
    assert rows(app, User.id) == []


@pytest.mark.parametrize(
    "password",
    [
        "Passw0r!",
        "Пароль1!",
        "Κωδικός1!",
        "Գաղտնաբառ1!",
        "\U0001e900\U0001e922\U0001e922\U0001e922\U0001e922\U0001e9221!",
        "Password٣!",
        "Password1№",
        "Password1—",
        "Password1_",
        "Password1\U0001f600",
        "Password1\0",
        "密码密码密码Aa1!",
        " Passw0rd! ",
        "Aa1!\n\t\r ",
    ],
    ids=ascii,
)
def test_a_password_of_any_alphabet_that_keeps_the_rules_registers_and_logs_in(
    client: Client, password: str
) -> None:
    answer = client.register(password=password)

    assert answer.status_code == 201
    assert answer.json == REGISTERED
    assert client.log_in(password=password).access_token


@pytest.mark.parametrize(
    ("registered", "typed"),
    [
        ("Passw0rd!é", "Passw0rd!e\u0301"),
        ("Passw0rd!e\u0301", "Passw0rd!é"),
        ("Пароль1!й", "Пароль1!и\u0306"),
        ("Passw0rd!한", "Passw0rd!\u1112\u1161\u11ab"),
        ("Passw0rd!\u212b", "Passw0rd!Å"),
    ],
    ids=ascii,
)
def test_a_password_is_the_same_however_its_characters_are_composed(
    client: Client, registered: str, typed: str
) -> None:
    client.register(password=registered)

    assert client.log_in(password=typed).access_token


@pytest.mark.parametrize(
    ("registered", "typed"),
    [
        ("Passw0rd!x", "Passw0rd!X"),
        ("Passw0rd!x", "passw0rD!x"),
        ("Passw0rd!x", "Passw0rd!x "),
        ("Passw0rd!x", " Passw0rd!x"),
        (" Passw0rd!x", "Passw0rd!x"),
        ("Passw0rd!x\n", "Passw0rd!x"),
        ("Passw0rd!fi", "Passw0rd!\ufb01"),
        ("Passw0rd!1", "Passw0rd!\uff11"),
        ("Passw0rd!a", "Passw0rd!\u0430"),
        ("Passw0rd!é", "Passw0rd!e"),
        ("Passw0rd!\0a", "Passw0rd!\0b"),
        ("Passw0rd!\0a", "Passw0rd!"),
        ("Passw0rd!", "Passw0rd!\0"),
        ("Aa1!" + "x" * 68 + "a", "Aa1!" + "x" * 68 + "b"),
        ("Aa1!" + "x" * 68, "Aa1!" + "x" * 69),
        ("Aa1!" + "я" * 34 + "а", "Aa1!" + "я" * 34 + "б"),
        ("Aa1!" + "x" * 1019 + "a", "Aa1!" + "x" * 1019 + "b"),
    ],
    ids=lambda password: ascii(password)[:20],
)
def test_a_password_that_differs_in_one_character_is_wrong(
    client: Client, registered: str, typed: str
) -> None:
    client.register(password=registered)

    answer = client.post("/auth/login", json={"email": "ann@example.com", "password": typed})

    assert answer.status_code == 400
    assert answer.json == FAILED
    assert client.log_in(password=registered).access_token


@pytest.mark.parametrize(
    "password",
    ["Aa1!" + "x" * 1020, "Aa1!" + "\U0001f600" * 1020, "Aa1!" + "e\u0301" * 1020],
    ids=["ASCII", "4 bytes each", "1024 in NFC, 2044 as they were typed"],
)
def test_a_password_has_up_to_1024_characters(client: Client, password: str) -> None:
    answer = client.register(password=password)

    assert answer.status_code == 201
    assert answer.json == REGISTERED
    assert client.log_in(password=password).access_token


@pytest.mark.parametrize(
    "password",
    ["Aa1!" + "x" * 1021, "x" * 1025, "Aa1!" + "\ufb2c" * 400],
    ids=["1025", "1025 that break the rules, too", "1204 in NFC, 404 as they were typed"],
)
def test_a_password_above_1024_characters_is_invalid(
    app: Flask, client: Client, password: str
) -> None:
    answers = register_and_log_in(client, password)

    for answer in answers:
        assert answer.status_code == 422
        assert answer.json == TOO_LONG
    assert rows(app, User.id) == []


def test_any_password_verifies_against_its_own_hash_alone(app: Flask) -> None:
    text = st.text(max_size=100)

    @settings(max_examples=50, derandomize=True, database=None, deadline=None)
    @given(text, text)
    def holds(password: str, other: str) -> None:
        password_hash = passwords.hash(password)
        assert passwords.verify(password, password_hash)
        assert passwords.verify(other, password_hash) == (other == password)

    with app.app_context():
        holds()


def test_no_answer_holds_the_password_or_its_hash(
    app: Flask, client: Client, account: Account
) -> None:
    [(password_hash,)] = rows(app, User.password_hash)
    digest = password_hash.rpartition("$")[2]
    tokens = account.log_in()
    body = {"email": account.email, "name": "Ann", "password": account.password}
    calls: list[Callable[[], TestResponse]] = [
        lambda: client.post("/auth/register", json=body),
        lambda: client.post("/auth/register", json={**body, "email": "bob@example.com"}),
        lambda: client.post("/auth/register", json={**body, "email": account.password}),
        lambda: client.post("/auth/register", json={**body, "name": [account.password]}),
        lambda: client.post("/auth/login", json=body),
        lambda: client.post("/auth/login", json={**body, "email": "eve@example.com"}),
        lambda: client.post("/auth/login", json={**body, account.password: 1, "email": 1}),
        lambda: client.post("/auth/login", data=account.password, content_type="text/plain"),
        lambda: client.post("/auth/refresh", token=tokens.refresh_token),
        lambda: client.get("/auth/me", token=tokens.access_token),
        lambda: client.patch("/auth/me", token=tokens.access_token, json=body),
        lambda: client.get("/auth/logout", token=account.log_in().access_token),
        lambda: client.delete("/auth/me", token=tokens.access_token),
    ]

    answers = [call() for call in calls]
    with before(app, "INSERT INTO users", crash):
        answers.append(client.post("/auth/register", json=body))

    assert [answer.status_code for answer in answers] == (
        [400, 201, 422, 422, 200, 400, 422, 415] + [200] * 5 + [500]
    )
    for answer in answers:
        said = f"{answer.headers}{answer.text}"
        assert account.password not in said
        assert password_hash not in said
        assert digest not in said
