"""Register: an account, or an answer that says why not and nothing half done."""

import json
from typing import Any

import pytest
from flask import Flask

from tests.clients import PASSWORD, Account, Client
from tests.database import before, crash, rows
from workhub.accounts.models import User

REGISTERED = {"detail": "Пользователь был успешно добавлен."}
TAKEN = {"detail": "Пользователь с такой почтой уже существует."}
UNREADABLE = {"detail": "Не удалось прочитать тело запроса.", "errors": {}}
UNSUPPORTED = {"detail": "Тип содержимого не поддерживается."}
BODY = {"email": "ann@example.com", "name": "Ann", "password": PASSWORD}

REQUIRED = ["Обязательное поле."]
NOT_TEXT = ["Должно быть строкой."]
CHARACTERS = ["Недопустимые символы."]
EMAIL_FORM = ["Неверный адрес электронной почты."]
NAME_LENGTH = ["Длина имени: от 1 до 100 символов."]
PASSWORD_LENGTH = ["Длина пароля: не более 1024 символов."]


def invalid(**errors: list[str]) -> dict[str, Any]:
    return {"detail": "Проверьте введённые данные.", "errors": errors}


def test_register_adds_an_account_that_can_log_in(client: Client) -> None:
    answer = client.post("/auth/register", json=BODY)

    assert answer.status_code == 201
    assert answer.json == REGISTERED
    assert client.log_in("ann@example.com", PASSWORD).access_token


def test_register_answers_cyrillic_as_cyrillic(client: Client) -> None:
    answer = client.post("/auth/register", json=BODY)

    assert answer.content_type == "application/json"
    assert "Пользователь был успешно добавлен." in answer.data.decode()


def test_register_takes_json_that_names_its_charset(client: Client) -> None:
    answer = client.post(
        "/auth/register",
        data='{"email": "ann@example.com", "name": "Анна", "password": "Passw0rd!x"}'.encode(),
        content_type="application/json; charset=utf-8",
    )

    assert answer.status_code == 201
    assert answer.json == REGISTERED


def test_register_stores_the_account_once_and_its_password_only_as_a_hash(
    app: Flask, client: Client
) -> None:
    client.post("/auth/register", json=BODY)

    [row] = rows(app, *User.__table__.columns)
    stored = dict(zip(User.__table__.columns.keys(), row, strict=True))
    assert (stored["email"], stored["name"]) == ("ann@example.com", "Ann")
    assert (stored["photo"], stored["disabled_at"]) == (None, None)
    assert stored["password_hash"].startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert PASSWORD not in str(row)


def test_register_of_a_taken_address_is_refused_and_the_first_account_stays(
    app: Flask, client: Client, account: Account
) -> None:
    answer = client.register(account.email, "Eve", "Other1!pass")

    assert answer.status_code == 400
    assert answer.json == TAKEN
    assert rows(app, User.email, User.name) == [("ann@example.com", "Ann")]
    assert account.log_in().access_token


def test_register_of_a_taken_address_tells_of_a_bad_password_first(
    client: Client, account: Account
) -> None:
    answer = client.register(account.email, password="short")

    assert answer.status_code == 400
    assert answer.json == {"detail": "Пароль должен содержать минимум 8 символов."}


def test_register_with_a_bad_password_leaves_the_address_free(app: Flask, client: Client) -> None:
    answer = client.register(password="Password!")

    assert answer.status_code == 400
    assert answer.json == {"detail": "Пароль должен содержать минимум 1 цифру."}
    assert rows(app, User.email) == []
    assert client.register().status_code == 201


def test_register_tells_of_bad_fields_before_a_bad_password(client: Client) -> None:
    answer = client.register("nobody", password="short")

    assert answer.status_code == 422
    assert answer.json == invalid(email=EMAIL_FORM)


INVALID: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "no email": ({"email": ...}, {"email": REQUIRED}),
    "no name": ({"name": ...}, {"name": REQUIRED}),
    "no password": ({"password": ...}, {"password": REQUIRED}),
    "nothing": (
        {"email": ..., "name": ..., "password": ...},
        {"email": REQUIRED, "name": REQUIRED, "password": REQUIRED},
    ),
    "null": (
        {"email": None, "name": None, "password": None},
        {"email": NOT_TEXT, "name": NOT_TEXT, "password": NOT_TEXT},
    ),
    "no strings": (
        {"email": 1, "name": ["Ann"], "password": {"a": "b"}},
        {"email": NOT_TEXT, "name": NOT_TEXT, "password": NOT_TEXT},
    ),
    "a true": ({"name": True}, {"name": NOT_TEXT}),
    "each field wrong in its own way": (
        {"email": "ann", "name": "", "password": "x" * 1025},
        {"email": EMAIL_FORM, "name": NAME_LENGTH, "password": PASSWORD_LENGTH},
    ),
    "an empty email": ({"email": ""}, {"email": EMAIL_FORM}),
    "a NUL in the email": ({"email": "a\0nn@example.com"}, {"email": EMAIL_FORM}),
    "a NUL in the name": ({"name": "A\0nn"}, {"name": CHARACTERS}),
    "half characters": (
        {"email": "a\ud800@example.com", "name": "A\udfff", "password": "Passw0rd!\udc00"},
        {"email": CHARACTERS, "name": CHARACTERS, "password": CHARACTERS},
    ),
}


@pytest.mark.parametrize(("changes", "errors"), INVALID.values(), ids=INVALID)
def test_register_tells_each_field_what_is_wrong_with_it_and_adds_nobody(
    app: Flask, client: Client, changes: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not ...}

    answer = client.post("/auth/register", data=json.dumps(body), content_type="application/json")

    assert answer.status_code == 422
    assert answer.json == invalid(**errors)
    assert rows(app, User.email) == []


@pytest.mark.parametrize("body", ["[]", '"text"', "1", "null", "true", '[{"email": "a"}]'])
def test_register_blames_no_field_of_json_that_is_no_object(client: Client, body: str) -> None:
    answer = client.post("/auth/register", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.json == {"detail": "Проверьте введённые данные.", "errors": {}}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}{}", b"\xff\xfe", b'{"name": NaN}', b'{"name": "a", "name": "b"}', b"[" * 9999],
    ids=["empty", "broken", "two", "no UTF-8", "NaN", "a name twice", "deep"],
)
def test_register_says_that_a_body_can_not_be_read(client: Client, body: bytes) -> None:
    answer = client.post("/auth/register", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.json == UNREADABLE


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"],
)
def test_register_takes_json_alone(app: Flask, client: Client, content_type: str | None) -> None:
    answer = client.post("/auth/register", data=b"{}", content_type=content_type)

    assert answer.status_code == 415
    assert answer.json == UNSUPPORTED
    assert rows(app, User.email) == []


def test_register_refuses_a_body_above_64_kib(app: Flask, client: Client) -> None:
    answer = client.post("/auth/register", json={**BODY, "padding": "x" * 65536})

    assert answer.status_code == 413
    assert answer.json == {"detail": "Тело запроса слишком большое."}
    assert rows(app, User.email) == []


def test_register_that_crashes_adds_nobody_and_leaves_the_address_free(
    app: Flask, client: Client
) -> None:
    with before(app, "INSERT INTO users", crash):
        answer = client.register()

    assert answer.status_code == 500
    assert answer.json == {"detail": "Произошла неизвестная ошибка."}
    assert rows(app, User.id) == []
    assert client.register().status_code == 201
