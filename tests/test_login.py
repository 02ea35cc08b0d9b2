"""Log in: who knows the password gets two tokens, anybody else the same answer."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import update

from tests.clients import PASSWORD, Account, Client
from tests.database import before, crash, execute, rows
from workhub.accounts.models import Session, User

FAILED = {"detail": "Неверно введена почта или пароль."}
REFUSED = {"detail": "Не удалось подтвердить учетные данные."}
UNREADABLE = {"detail": "Не удалось прочитать тело запроса.", "errors": {}}
CREDENTIALS = {"email": "ann@example.com", "password": PASSWORD}
REQUIRED = ["Обязательное поле."]
NOT_TEXT = ["Должно быть строкой."]
CHARACTERS = ["Недопустимые символы."]
REPEATED = ["Поле указано несколько раз."]
EMAIL_FORM = ["Неверный адрес электронной почты."]
PASSWORD_LENGTH = ["Длина пароля: не более 1024 символов."]


def as_multipart(fields: dict[str, str]) -> dict[str, Any]:
    return {"data": fields, "content_type": "multipart/form-data"}


def as_urlencoded(fields: dict[str, str]) -> dict[str, Any]:
    return {"data": urlencode(fields), "content_type": "application/x-www-form-urlencoded"}


def as_json(fields: dict[str, Any]) -> dict[str, Any]:
    return {"data": json.dumps(fields), "content_type": "application/json"}


ENCODINGS = {"multipart": as_multipart, "urlencoded": as_urlencoded, "JSON": as_json}
encodings = pytest.mark.parametrize("encoded", ENCODINGS.values(), ids=ENCODINGS)


def invalid(**errors: list[str]) -> dict[str, Any]:
    return {"detail": "Проверьте введённые данные.", "errors": errors}


def parts(*fields: tuple[str, str]) -> dict[str, Any]:
    """A multipart form, written by hand."""
    body = "".join(f"--x\r\nContent-Disposition: form-data; {f}\r\n\r\n{v}\r\n" for f, v in fields)
    return {"data": f"{body}--x--\r\n", "content_type": "multipart/form-data; boundary=x"}


@encodings
def test_log_in_answers_the_two_tokens_of_a_new_session(
    app: Flask, client: Client, account: Account, encoded: Callable[..., dict[str, Any]]
) -> None:
    answer = client.post("/auth/login", **encoded(CREDENTIALS))

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert sorted(answer.json) == ["access_token", "refresh_token"]
    assert client.get("/auth/me", token=answer.json["access_token"]).status_code == 200
    assert client.refresh(answer.json["refresh_token"]).access_token
    assert len(rows(app, Session.id)) == 1


@encodings
def test_log_in_takes_any_character_in_any_encoding(
    client: Client, encoded: Callable[..., dict[str, Any]]
) -> None:
    password = 'Пароль 1+%41%FF&=;"\\\r\n\0\ufffd\U0001f600'
    client.register("анна+1@пример.рф", password=password)

    answer = client.post(
        "/auth/login", **encoded({"email": "анна+1@пример.рф", "password": password})
    )

    assert answer.status_code == 200


@encodings
def test_log_in_ignores_fields_that_it_does_not_name(
    client: Client, account: Account, encoded: Callable[..., dict[str, Any]]
) -> None:
    answer = client.post(
        "/auth/login", **encoded({**CREDENTIALS, "id": "1", "name": "Eve", "sid": "1"})
    )

    assert answer.status_code == 200
    assert client.get("/auth/me", token=answer.json["access_token"]).json["name"] == "Ann"


@encodings
def test_log_in_with_a_wrong_password_or_an_unknown_address_gets_the_same_answer(
    app: Flask, client: Client, account: Account, encoded: Callable[..., dict[str, Any]]
) -> None:
    wrong = client.post("/auth/login", **encoded({**CREDENTIALS, "password": PASSWORD + "x"}))
    unknown = client.post("/auth/login", **encoded({**CREDENTIALS, "email": "eve@example.com"}))

    assert wrong.status_code == unknown.status_code == 400
    assert wrong.json == FAILED
    assert wrong.data == unknown.data
    assert [name for name, _ in wrong.headers] == [name for name, _ in unknown.headers]
    assert rows(app, Session.id) == []


def test_log_in_to_a_disabled_account_gets_the_same_answer(
    app: Flask, client: Client, account: Account
) -> None:
    live = account.log_in()
    execute(app, update(User).values(disabled_at=app.extensions["clock"]()))

    answer = client.post("/auth/login", json=CREDENTIALS)

    assert answer.status_code == 400
    assert answer.json == FAILED
    assert len(rows(app, Session.id)) == 1
    refused = client.get("/auth/me", token=live.access_token)
    assert refused.status_code == 403
    assert refused.json == REFUSED


def test_log_in_to_an_account_that_is_enabled_again_works(
    app: Flask, client: Client, account: Account
) -> None:
    execute(app, update(User).values(disabled_at=app.extensions["clock"]()))
    assert client.post("/auth/login", json=CREDENTIALS).status_code == 400

    execute(app, update(User).values(disabled_at=None))

    assert account.log_in().access_token


Fields = dict[str, Any]
INVALID: dict[str, tuple[Fields, dict[str, list[str]]]] = {
    "multipart, nothing": (as_multipart({}), {"email": REQUIRED, "password": REQUIRED}),
    "multipart, no password": (as_multipart({"email": "a@b.test"}), {"password": REQUIRED}),
    "multipart, twice": (
        parts(
            ('name="email"', "ann@example.com"),
            ('name="password"', PASSWORD),
            ('name="password"', "Other1!pass"),
        ),
        {"password": REPEATED},
    ),
    "multipart, a file": (
        parts(('name="email"', "ann@example.com"), ('name="password"; filename="p"', PASSWORD)),
        {"password": NOT_TEXT},
    ),
    "urlencoded, nothing": (as_urlencoded({}), {"email": REQUIRED, "password": REQUIRED}),
    "urlencoded, no email": (as_urlencoded({"password": PASSWORD}), {"email": REQUIRED}),
    "urlencoded, twice": (
        {
            "data": "email=a%40b.test&email=ann%40example.com&password=Passw0rd%21x",
            "content_type": "application/x-www-form-urlencoded",
        },
        {"email": REPEATED},
    ),
    "JSON, nothing": (as_json({}), {"email": REQUIRED, "password": REQUIRED}),
    "JSON, null": (
        as_json({"email": None, "password": None}),
        {"email": NOT_TEXT, "password": NOT_TEXT},
    ),
    "JSON, no strings": (
        as_json({"email": ["ann@example.com"], "password": 12345678}),
        {"email": NOT_TEXT, "password": NOT_TEXT},
    ),
    "JSON, half characters": (
        as_json({"email": "\ud800@example.com", "password": "Passw0rd!\udfff"}),
        {"email": CHARACTERS, "password": CHARACTERS},
    ),
    "JSON, no address": (as_json({**CREDENTIALS, "email": "ann"}), {"email": EMAIL_FORM}),
    "JSON, a long password": (
        as_json({**CREDENTIALS, "password": PASSWORD + "x" * 1015}),
        {"password": PASSWORD_LENGTH},
    ),
    "JSON, no address and a password that breaks the rules": (
        as_json({"email": "ann", "password": "short"}),
        {"email": EMAIL_FORM},
    ),
}


@pytest.mark.parametrize(("body", "errors"), INVALID.values(), ids=INVALID)
def test_log_in_tells_each_field_what_is_wrong_with_it(
    app: Flask, client: Client, account: Account, body: Fields, errors: dict[str, list[str]]
) -> None:
    answer = client.post("/auth/login", **body)

    assert answer.status_code == 422
    assert answer.json == invalid(**errors)
    assert rows(app, Session.id) == []


@pytest.mark.parametrize("body", ["[]", '"text"', "1", "null"])
def test_log_in_blames_no_field_of_json_that_is_no_object(client: Client, body: str) -> None:
    answer = client.post("/auth/login", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.json == {"detail": "Проверьте введённые данные.", "errors": {}}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b""),
        ("application/json", b'{"email": '),
        ("application/json", b'{"email": "\xff"}'),
        ("multipart/form-data", b"--x\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\n\xff\r\n--x--\r\n',
        ),
        ("application/x-www-form-urlencoded", b"email=ann%40example.com&password=Passw0rd!\xff"),
        ("application/x-www-form-urlencoded", b"email=ann%40example.com&password=Passw0rd!%FF"),
    ],
    ids=[
        "empty JSON",
        "broken JSON",
        "JSON that is no UTF-8",
        "no boundary",
        "a broken form",
        "a form that is no UTF-8",
        "an urlencoded form that is no UTF-8",
        "an urlencoded form of bytes that are no UTF-8",
    ],
)
def test_log_in_says_that_a_body_can_not_be_read(
    client: Client, content_type: str, body: bytes
) -> None:
    answer = client.post("/auth/login", data=body, content_type=content_type)

    assert answer.status_code == 422
    assert answer.json == UNREADABLE


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml", "image/png"])
def test_log_in_takes_no_other_content_type(
    app: Flask, client: Client, account: Account, content_type: str | None
) -> None:
    answer = client.post(
        "/auth/login", data=json.dumps(CREDENTIALS).encode(), content_type=content_type
    )

    assert answer.status_code == 415
    assert answer.json == {"detail": "Тип содержимого не поддерживается."}
    assert rows(app, Session.id) == []


@encodings
def test_log_in_refuses_a_body_above_64_kib(
    client: Client, account: Account, encoded: Callable[..., dict[str, Any]]
) -> None:
    answer = client.post("/auth/login", **encoded({**CREDENTIALS, "padding": "x" * 65536}))

    assert answer.status_code == 413
    assert answer.json == {"detail": "Тело запроса слишком большое."}


def test_log_in_that_crashes_opens_no_session(app: Flask, client: Client, account: Account) -> None:
    with before(app, "INSERT INTO sessions", crash):
        answer = client.post("/auth/login", json=CREDENTIALS)

    assert answer.status_code == 500
    assert answer.json == {"detail": "Произошла неизвестная ошибка."}
    assert rows(app, Session.id) == []
    assert account.log_in().access_token
