"""The account of the caller: read and renamed."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests import images
from tests.clients import Account, Client, Clock
from tests.database import before, crash

DONE = {"detail": "Успешно."}
MISSING = {"detail": "Отсутствует заголовок с токеном."}
EXPIRED = {"detail": "Срок действия токена истёк."}
REFUSED = {"detail": "Не удалось подтвердить учетные данные."}
NO_USER = {"detail": "Пользователь не найден."}
CRASHED = {"detail": "Произошла неизвестная ошибка."}
ANN = {"name": "Ann", "email": "ann@example.com", "photo": None}
BOB = {"name": "Bob", "email": "bob@example.com", "photo": None}
ME = pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])


def test_me_answers_name_and_address_and_null_for_no_photo(
    client: Client, account: Account
) -> None:
    answer = client.get("/auth/me", token=account.log_in().access_token)

    assert answer.status_code == 200
    assert answer.json == ANN


def test_me_answers_the_path_of_the_photo(client: Client, account: Account, uploads: Path) -> None:
    token = account.log_in().access_token
    images.send(client, token, images.jpeg())

    answer = client.get("/auth/me", token=token)

    [file] = uploads.iterdir()
    assert answer.status_code == 200
    assert answer.json == {**ANN, "photo": f"/uploads/{file.name}"}
    assert client.get(answer.json["photo"], buffered=True).data == file.read_bytes()


def test_me_answers_each_caller_their_own_account(client: Client, account: Account) -> None:
    client.register("bob@example.com", "Bob")
    ann, bob = account.log_in(), client.log_in("bob@example.com")

    answers = [client.get("/auth/me", token=tokens.access_token).json for tokens in (ann, bob)]

    assert answers == [ANN, BOB]


def test_me_ignores_a_body_and_its_type(client: Client, account: Account) -> None:
    token = account.log_in().access_token

    answer = client.get("/auth/me", token=token, data=b"{", content_type="text/plain")

    assert answer.status_code == 200
    assert answer.json == ANN


@ME
def test_me_without_a_token_is_refused(client: Client, account: Account, method: str) -> None:
    answer = client.request(method, "/auth/me", json={"name": "Eve"})

    assert answer.status_code == 400
    assert answer.json == MISSING
    assert client.get("/auth/me", token=account.log_in().access_token).json == ANN


@ME
def test_me_with_an_expired_token_is_refused(
    client: Client, account: Account, clock: Clock, method: str
) -> None:
    token = account.log_in().access_token
    clock.shift(timedelta(minutes=30))

    answer = client.request(method, "/auth/me", token=token, json={"name": "Eve"})

    assert answer.status_code == 401
    assert answer.json == EXPIRED
    assert client.get("/auth/me", token=account.log_in().access_token).json == ANN


@ME
def test_me_with_a_refresh_token_is_refused(client: Client, account: Account, method: str) -> None:
    token = account.log_in().refresh_token

    answer = client.request(method, "/auth/me", token=token, json={"name": "Eve"})

    assert answer.status_code == 403
    assert answer.json == REFUSED
    assert client.get("/auth/me", token=account.log_in().access_token).json == ANN


def test_me_that_crashes_says_so_and_no_more(app: Flask, client: Client, account: Account) -> None:
    token = account.log_in().access_token

    with before(app, "SELECT", crash):
        answer = client.get("/auth/me", token=token)

    assert answer.status_code == 500
    assert answer.json == CRASHED
    assert client.get("/auth/me", token=token).json == ANN


def test_rename_answers_null_and_the_name_is_another_at_once(
    client: Client, account: Account
) -> None:
    laptop, phone = account.log_in(), account.log_in()

    answer = client.patch("/auth/me", token=laptop.access_token, json={"name": "Анна"})

    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.data.strip() == b"null"
    assert client.get("/auth/me", token=phone.access_token).json == {**ANN, "name": "Анна"}


def test_rename_leaves_other_accounts_alone(client: Client, account: Account) -> None:
    client.register("bob@example.com", "Bob")
    bob = client.log_in("bob@example.com")

    client.patch("/auth/me", token=account.log_in().access_token, json={"name": "Anna"})

    assert client.get("/auth/me", token=bob.access_token).json == BOB


INVALID: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "missing": ({}, {"name": ["Обязательное поле."]}),
    "null": ({"name": None}, {"name": ["Должно быть строкой."]}),
    "a number": ({"name": 1}, {"name": ["Должно быть строкой."]}),
    "a list": ({"name": ["Ann"]}, {"name": ["Должно быть строкой."]}),
    "empty": ({"name": ""}, {"name": ["Длина имени: от 1 до 100 символов."]}),
    "blank": ({"name": " \t "}, {"name": ["Длина имени: от 1 до 100 символов."]}),
    "long": ({"name": "x" * 101}, {"name": ["Длина имени: от 1 до 100 символов."]}),
    "a line break": ({"name": "An\nna"}, {"name": ["Недопустимые символы."]}),
    "half a character": ({"name": "An\ud83d"}, {"name": ["Недопустимые символы."]}),
}


@pytest.mark.parametrize(("body", "errors"), INVALID.values(), ids=INVALID)
def test_rename_to_what_is_no_name_is_refused_and_the_name_stays(
    client: Client, account: Account, body: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    token = account.log_in().access_token

    answer = client.patch(
        "/auth/me", token=token, data=json.dumps(body), content_type="application/json"
    )

    assert answer.status_code == 422
    assert answer.json == {"detail": "Проверьте введённые данные.", "errors": errors}
    assert client.get("/auth/me", token=token).json == ANN


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "Не удалось прочитать тело запроса."),
        (b'{"name": "Eve"', "Не удалось прочитать тело запроса."),
        (b'{"name": "\xff"}', "Не удалось прочитать тело запроса."),
        (b'["Eve"]', "Проверьте введённые данные."),
    ],
    ids=["empty", "broken", "no UTF-8", "no object"],
)
def test_rename_blames_no_field_of_a_body_without_fields(
    client: Client, account: Account, body: bytes, detail: str
) -> None:
    token = account.log_in().access_token

    answer = client.patch("/auth/me", token=token, data=body, content_type="application/json")

    assert answer.status_code == 422
    assert answer.json == {"detail": detail, "errors": {}}
    assert client.get("/auth/me", token=token).json == ANN


@pytest.mark.parametrize("content_type", [None, "text/plain", "multipart/form-data; boundary=x"])
def test_rename_takes_json_alone(
    client: Client, account: Account, content_type: str | None
) -> None:
    token = account.log_in().access_token

    answer = client.patch(
        "/auth/me", token=token, data=b'{"name": "Eve"}', content_type=content_type
    )

    assert answer.status_code == 415
    assert answer.json == {"detail": "Тип содержимого не поддерживается."}
    assert client.get("/auth/me", token=token).json == ANN


def test_rename_refuses_a_body_above_64_kib(client: Client, account: Account) -> None:
    token = account.log_in().access_token

    answer = client.patch("/auth/me", token=token, json={"name": "Eve", "padding": "x" * 65536})

    assert answer.status_code == 413
    assert answer.json == {"detail": "Тело запроса слишком большое."}
    assert client.get("/auth/me", token=token).json == ANN


def test_rename_answers_a_bad_token_before_a_bad_body(client: Client) -> None:
    answer = client.patch("/auth/me", token="nonsense", data=b"{", content_type="text/plain")

    assert answer.status_code == 403
    assert answer.json == REFUSED


def test_rename_that_crashes_leaves_the_name(app: Flask, client: Client, account: Account) -> None:
    token = account.log_in().access_token

    with before(app, "UPDATE users", crash):
        answer = client.patch("/auth/me", token=token, json={"name": "Eve"})

    assert answer.status_code == 500
    assert answer.json == CRASHED
    assert client.get("/auth/me", token=token).json == ANN


@pytest.mark.parametrize(("method", "verb"), [("PATCH", "UPDATE users"), ("DELETE", "DELETE")])
def test_me_of_an_account_that_is_deleted_meanwhile_is_not_found(
    app: Flask, client: Client, account: Account, method: str, verb: str
) -> None:
    laptop, phone = account.log_in(), account.log_in()
    answers: list[TestResponse] = []

    with before(
        app,
        verb,
        lambda: answers.append(Client(app).delete("/auth/me", token=phone.access_token)),
    ):
        answer = client.request(method, "/auth/me", token=laptop.access_token, json={"name": "A"})

    assert [(first.status_code, first.json) for first in answers] == [(200, DONE)]
    assert answer.status_code == 404
    assert answer.json == NO_USER
