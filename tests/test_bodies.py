"""Bodies: what is no body of a call is refused, by every call that reads one."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.clients import Client, Tokens
from tests.servers import SECRETS
from workhub import create_app
from workhub.extensions import db

JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=B"
URLENCODED = "application/x-www-form-urlencoded"

UNREADABLE = {"detail": "Не удалось прочитать тело запроса.", "errors": {}}
NO_OBJECT = {"detail": "Проверьте введённые данные.", "errors": {}}
UNSUPPORTED = {"detail": "Тип содержимого не поддерживается."}
TOO_LARGE = {"detail": "Тело запроса слишком большое."}
LIMIT = 64 * 1024


@pytest.fixture(scope="module")
def app(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """On SQLite alone, and once: these bodies never come as far as the database."""
    folder = tmp_path_factory.mktemp("bodies")
    (folder / "workhub.db").write_bytes(migrated_sqlite.read_bytes())
    app = create_app(
        {**SECRETS, "DATABASE_URL": f"sqlite:///{folder}/workhub.db", "BCRYPT_ROUNDS": "4"}
    )
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="module")
def client(app: Flask) -> Client:
    return Client(app)


@pytest.fixture(scope="module")
def ann(client: Client) -> Tokens:
    client.register()
    return client.log_in()


READING_JSON = ["POST /auth/register", "POST /auth/login", "PATCH /auth/me"]
READING = [*READING_JSON, "PATCH /auth/photo"]

NO_JSON = {
    "nothing": b"",
    "white space": b" \n ",
    "broken": b'{"name": "Ann"',
    "two values": b"{} {}",
    "a trailing comma": b'{"name": "Ann",}',
    "single quotes": b"{'name': 'Ann'}",
    "a raw control character": b'{"name": "A\x00nn"}',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": Infinity}',
    "-Infinity": b'{"name": -Infinity}',
    "a number of 5,000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "30,000 brackets": b"[" * 30_000 + b"]" * 30_000,
    "30,000 open brackets": b"[" * 30_000,
    "8,000 objects": b'{"x":' * 8000 + b"1" + b"}" * 8000,
    "a key twice": b'{"name": "Ann", "name": "Bob"}',
    "an unnamed key twice": b'{"x": {"y": 1, "y": 1}}',
    "not UTF-8": b'{"name": "\xff"}',
    "a raw surrogate": b'{"name": "\xed\xa0\x80"}',
    "UTF-16": "{}".encode("utf-16"),
    "UTF-16 without its mark": "{}".encode("utf-16-be"),
    "UTF-32": "{}".encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "compressed": gzip.compress(b"{}"),
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize("call", READING_JSON)
def test_body_that_is_no_json_can_not_be_read(
    client: Client, ann: Tokens, call: str, body: bytes
) -> None:
    answer = client.request(*call.split(), token=ann.access_token, data=body, content_type=JSON)

    assert answer.status_code == 422
    assert answer.json == UNREADABLE


@pytest.mark.parametrize("body", [b"[]", b"null", b'"name"', b"5", b"true", b'[{"name": "Ann"}]'])
@pytest.mark.parametrize("call", READING_JSON)
def test_json_that_is_no_object_is_not_valid(
    client: Client, ann: Tokens, call: str, body: bytes
) -> None:
    answer = client.request(*call.split(), token=ann.access_token, data=body, content_type=JSON)

    assert answer.status_code == 422
    assert answer.json == NO_OBJECT


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (rb'{"name": "\ud800"}', {"name": ["Недопустимые символы."]}),
        (rb'{"name": "A\uDFFFnn"}', {"name": ["Недопустимые символы."]}),
        (rb'{"name": ["\ud800"]}', {"name": ["Недопустимые символы."]}),
        (rb'{"name": "Ann", "x": "\ud800"}', {}),
        (rb'{"name": "Ann", "x": {"\ud800": 1}}', {}),
        (rb'{"name": "Ann", "\udfff": 1}', {}),
    ],
)
def test_half_a_character_is_not_valid_wherever_it_stands(
    client: Client, ann: Tokens, body: bytes, errors: dict[str, list[str]]
) -> None:
    answer = client.patch("/auth/me", token=ann.access_token, data=body, content_type=JSON)

    assert answer.status_code == 422
    assert answer.json == {"detail": "Проверьте введённые данные.", "errors": errors}


def test_character_in_two_escapes_is_one(client: Client, ann: Tokens) -> None:
    renamed = client.patch(
        "/auth/me", token=ann.access_token, data=rb'{"name": "\ud83d\ude00"}', content_type=JSON
    )

    assert (renamed.status_code, renamed.json) == (200, None)
    assert client.get("/auth/me", token=ann.access_token).json["name"] == "😀"


@pytest.mark.parametrize("value", ["5", "1e999", "9" * 4000, "true", "null", "[]", "{}"])
def test_value_that_is_no_string_is_named(client: Client, value: str) -> None:
    body = f'{{"email": {value}, "name": {value}, "password": {value}}}'

    answer = client.post("/auth/register", data=body, content_type=JSON)

    assert answer.status_code == 422
    assert answer.json == {
        "detail": "Проверьте введённые данные.",
        "errors": {
            "email": ["Должно быть строкой."],
            "password": ["Должно быть строкой."],
            "name": ["Должно быть строкой."],
        },
    }


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        ";",
        "json",
        "text/json",
        "text/plain",
        "application/problem+json",
        "application/json, application/json",
        "application/json text/plain",
        "multipart/mixed; boundary=B",
        "application/x-www-form-urlencoded+json",
    ],
)
@pytest.mark.parametrize("call", READING)
def test_content_type_that_the_call_does_not_name_is_not_supported(
    client: Client, ann: Tokens, call: str, content_type: str | None
) -> None:
    answer = client.request(
        *call.split(), token=ann.access_token, data=b"{}", content_type=content_type
    )

    assert answer.status_code == 415
    assert answer.json == UNSUPPORTED


@pytest.mark.parametrize(
    ("call", "content_type"),
    [
        ("POST /auth/register", URLENCODED),
        ("POST /auth/register", MULTIPART),
        ("PATCH /auth/me", URLENCODED),
        ("PATCH /auth/me", MULTIPART),
        ("PATCH /auth/photo", URLENCODED),
        ("PATCH /auth/photo", JSON),
    ],
)
def test_form_or_json_is_not_supported_where_the_other_is_asked_for(
    client: Client, ann: Tokens, call: str, content_type: str
) -> None:
    answer = client.request(
        *call.split(), token=ann.access_token, data=b"name=Ann", content_type=content_type
    )

    assert answer.status_code == 415
    assert answer.json == UNSUPPORTED


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json ; charset=windows-1251",
        "application/json;;",
    ],
)
def test_json_is_utf_8_however_its_type_is_written(
    client: Client, ann: Tokens, content_type: str
) -> None:
    answer = client.patch(
        "/auth/me",
        token=ann.access_token,
        data='{"name": "Анна"}'.encode(),
        content_type=content_type,
    )

    assert (answer.status_code, answer.json) == (200, None)
    assert client.get("/auth/me", token=ann.access_token).json["name"] == "Анна"


LOGIN_FAILED = {"detail": "Неверно введена почта или пароль."}
FORM = (
    b'--B\r\nContent-Disposition: form-data; name="email"\r\n\r\nnobody@example.com\r\n'
    b'--B\r\nContent-Disposition: form-data; name="password"\r\n\r\nPassw0rd!x\r\n--B--\r\n'
)
FITTING: dict[str, tuple[str, str, bytes, int, Any]] = {
    "register": ("POST /auth/register", JSON, b"[]", 422, NO_OBJECT),
    "rename": ("PATCH /auth/me", JSON, b'{"name": "Ann"}', 200, None),
    "log in": ("POST /auth/login", JSON, b"[]", 422, NO_OBJECT),
    "log in, multipart": ("POST /auth/login", MULTIPART, FORM, 400, LOGIN_FAILED),
    "log in, urlencoded": (
        "POST /auth/login",
        URLENCODED,
        b"email=nobody@example.com&password=Passw0rd!x&x=",
        400,
        LOGIN_FAILED,
    ),
}


@pytest.mark.parametrize(
    ("call", "content_type", "body", "status", "expected"), FITTING.values(), ids=FITTING
)
def test_body_of_64_kib_is_read_and_a_byte_more_is_too_large(
    client: Client,
    ann: Tokens,
    call: str,
    content_type: str,
    body: bytes,
    status: int,
    expected: Any,
) -> None:
    answers = [
        client.request(
            *call.split(),
            token=ann.access_token,
            data=body.ljust(size),
            content_type=content_type,
        )
        for size in (LIMIT, LIMIT + 1)
    ]

    assert [(it.status_code, it.json) for it in answers] == [(status, expected), (413, TOO_LARGE)]


def test_hundred_thousand_brackets_are_too_large(client: Client) -> None:
    answer = client.post("/auth/register", data=b"[" * 100_000, content_type=JSON)

    assert answer.status_code == 413
    assert answer.json == TOO_LARGE


@pytest.mark.parametrize("call", ["GET /auth/me", "DELETE /auth/photo", "GET /auth/logout"])
def test_call_without_a_body_ignores_one(client: Client, ann: Tokens, call: str) -> None:
    tokens = client.log_in()

    answer = client.request(
        *call.split(), token=tokens.access_token, data=b"\xff" * LIMIT * 2, content_type=MULTIPART
    )

    assert answer.status_code == 200


def test_refresh_ignores_its_body(client: Client, ann: Tokens) -> None:
    tokens = client.log_in()

    answer = client.post(
        "/auth/refresh", token=tokens.refresh_token, data=b"{", content_type="text/plain"
    )

    assert answer.status_code == 200
    assert sorted(answer.json) == ["access_token", "refresh_token"]


def test_token_is_looked_at_before_the_body(client: Client) -> None:
    bodies = {JSON: b"{", "text/plain": b"", MULTIPART: b" " * (LIMIT + 1)}

    answers = [
        client.patch(path, data=body, content_type=content_type)
        for path in ("/auth/me", "/auth/photo")
        for content_type, body in bodies.items()
    ]

    assert [(it.status_code, it.json) for it in answers] == [
        (400, {"detail": "Отсутствует заголовок с токеном."})
    ] * 6


def test_shape_is_looked_at_before_the_password_rules(client: Client) -> None:
    answer = client.post("/auth/register", json={"email": "ann", "name": "Ann", "password": "x"})

    assert answer.status_code == 422
    assert answer.json == {
        "detail": "Проверьте введённые данные.",
        "errors": {"email": ["Неверный адрес электронной почты."]},
    }
