"""Problems: every error has one form, whoever notices it, and a client may choose another."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.exceptions import Conflict, NotImplemented, Unauthorized
from werkzeug.test import TestResponse

from tests.clients import Account, Client, Tokens
from tests.database import before, crash
from tests.servers import SECRETS
from workhub import create_app
from workhub.problems import ProblemType

NOT_FOUND = {"detail": "Страница не найдена."}
NOT_ALLOWED = {"detail": "Метод не поддерживается."}

CATALOGUE = [
    (
        "authorization_missing",
        400,
        "Отсутствует заголовок с токеном.",
        "The header with the token is missing.",
    ),
    ("token_expired", 401, "Срок действия токена истёк.", "The token has expired."),
    (
        "credentials_invalid",
        403,
        "Не удалось подтвердить учетные данные.",
        "The credentials could not be confirmed.",
    ),
    ("user_not_found", 404, "Пользователь не найден.", "There is no such user."),
    (
        "email_taken",
        400,
        "Пользователь с такой почтой уже существует.",
        "This e-mail address is taken.",
    ),
    (
        "login_failed",
        400,
        "Неверно введена почта или пароль.",
        "The e-mail address or the password is wrong.",
    ),
    (
        "password_too_short",
        400,
        "Пароль должен содержать минимум 8 символов.",
        "The password needs at least 8 characters.",
    ),
    (
        "password_needs_both_cases",
        400,
        "Пароль должен содержать минимум 2 буквы разных регистров.",
        "The password needs an upper-case and a lower-case letter.",
    ),
    (
        "password_needs_special",
        400,
        "Пароль должен содержать минимум 1 специальный символ.",
        "The password needs a special character.",
    ),
    (
        "password_needs_digit",
        400,
        "Пароль должен содержать минимум 1 цифру.",
        "The password needs a digit.",
    ),
    ("validation_failed", 422, "Проверьте введённые данные.", "Some fields are not valid."),
    (
        "body_unreadable",
        422,
        "Не удалось прочитать тело запроса.",
        "The body of the request could not be read.",
    ),
    ("photo_unreadable", 422, "Файл не является фотографией.", "The file is not a photo."),
    ("photo_too_large", 413, "Фотография слишком большая.", "The photo is too large."),
    (
        "body_too_large",
        413,
        "Тело запроса слишком большое.",
        "The body of the request is too large.",
    ),
    (
        "content_type_unsupported",
        415,
        "Тип содержимого не поддерживается.",
        "The content type is not supported.",
    ),
    ("not_found", 404, "Страница не найдена.", "There is nothing at this address."),
    ("method_not_allowed", 405, "Метод не поддерживается.", "The method is not supported here."),
    ("request_invalid", 400, "Некорректный запрос.", "The request is not valid."),
    (
        "unavailable",
        503,
        "Сервис временно недоступен. Повторите позже.",
        "The service is unavailable for the moment. Try again later.",
    ),
    ("internal_error", 500, "Произошла неизвестная ошибка.", "An unknown error has happened."),
]


def without_database(folder: Path, **settings: str) -> Flask:
    """The application for calls that never come as far as the database."""
    return create_app({**SECRETS, "DATABASE_URL": f"sqlite:///{folder}/none.db", **settings})


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(without_database(tmp_path_factory.mktemp("no-database")))


@pytest.mark.parametrize(
    ("code", "status", "russian", "english"), CATALOGUE, ids=[row[0] for row in CATALOGUE]
)
def test_row_of_the_catalogue_stays_as_it_was_published(
    code: str, status: int, russian: str, english: str
) -> None:
    row = ProblemType[code.upper()]

    assert (row.code, row.status, row.text) == (code, status, {"ru": russian, "en": english})


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/auth",
        "/auth/",
        "/auth/nothing",
        "/auth/me/",
        "/auth//me",
        "//auth/me",
        "//auth//me//",
        "/auth/%2e%2e/auth/me",
        "/auth/../auth/me",
        "/auth/me%2f",
        "/auth/me;x=1",
        "/auth/%ff",
        "/auth/%ED%A0%80",
        "/%00",
        "/%E0%A4%A",
        "/%",
        "/" + "a" * 10_000,
        "/uploads",
        "/uploads/",
        "/uploads//x.webp",
        "/uploads/../config.py",
        "/uploads/%2e%2e%2fconfig.py",
        "/uploads/%00.webp",
        "/static/x",
        "/favicon.ico",
        "/openapi.json",
        "/.env",
        "/.git/config",
    ],
    ids=lambda path: path[:30],
)
def test_unknown_path_is_not_found_and_never_a_redirect(strangers: Client, path: str) -> None:
    answer = strangers.get(path)

    assert answer.status_code == 404
    assert answer.json == NOT_FOUND
    assert answer.content_type == "application/json"
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/auth/register", "POST"),
        ("/auth/login", "POST"),
        ("/auth/refresh", "POST"),
        ("/auth/me", "DELETE, GET, HEAD, PATCH"),
        ("/auth/logout", "GET"),
        ("/auth/photo", "DELETE, PATCH"),
        ("/uploads/x.webp", "GET, HEAD"),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "CONNECT", "BREW"])
def test_other_method_is_answered_with_those_that_there_are(
    strangers: Client, method: str, path: str, allow: str
) -> None:
    answer = strangers.request(method, path)

    assert answer.status_code == 405
    assert answer.json == NOT_ALLOWED
    assert answer.headers["Allow"] == allow


def test_head_is_answered_as_get_without_the_body(strangers: Client) -> None:
    answer = strangers.request("HEAD", "/auth/me")

    assert answer.status_code == 400
    assert answer.data == b""
    assert answer.content_type == "application/json"


def test_head_does_not_log_out(strangers: Client) -> None:
    answer = strangers.request("HEAD", "/auth/logout")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET"


def test_cyrillic_is_sent_as_cyrillic(strangers: Client) -> None:
    answer = strangers.get("/auth/me")

    assert answer.data == '{"detail":"Отсутствует заголовок с токеном."}\n'.encode()


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (Conflict(), 400, "Некорректный запрос."),
        (Unauthorized(), 400, "Некорректный запрос."),
        (NotImplemented(), 500, "Произошла неизвестная ошибка."),
    ],
    ids=["409", "401", "501"],
)
def test_error_of_a_library_is_told_from_the_catalogue(
    tmp_path: Path, error: Exception, status: int, detail: str
) -> None:
    app = without_database(tmp_path)

    def view() -> str:
        raise error

    app.add_url_rule("/library", view_func=view)

    answer = Client(app).get("/library")

    assert answer.status_code == status
    assert answer.json == {"detail": detail}


def test_unknown_failure_tells_nothing_of_itself(app: Flask, client: Client) -> None:
    with before(app, "SELECT", crash):
        answer = client.post(
            "/auth/login", json={"email": "ann@example.com", "password": "Passw0rd!x"}
        )

    assert answer.status_code == 500
    assert answer.json == {"detail": "Произошла неизвестная ошибка."}
    assert answer.content_type == "application/json"


HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; object-src 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

ANSWERS: dict[str, Callable[[Client, Tokens], TestResponse]] = {
    "200": lambda client, tokens: client.get("/auth/me", token=tokens.access_token),
    "200 of a log-in": lambda client, _: client.post(
        "/auth/login", json={"email": "ann@example.com", "password": "Passw0rd!x"}
    ),
    "201": lambda client, _: client.register(email="bob@example.com"),
    "400": lambda client, _: client.get("/auth/me"),
    "403": lambda client, _: client.get("/auth/me", token="x"),
    "404": lambda client, _: client.get("/nothing"),
    "404 of a photo": lambda client, _: client.get("/uploads/x.webp"),
    "405": lambda client, _: client.request("OPTIONS", "/auth/me"),
    "413": lambda client, _: client.post(
        "/auth/register", data=b" " * 65537, content_type="application/json"
    ),
    "415": lambda client, _: client.post("/auth/register"),
    "422": lambda client, _: client.post("/auth/register", json={}),
}


@pytest.mark.parametrize(("case", "ask"), ANSWERS.items(), ids=ANSWERS)
def test_every_answer_carries_the_headers_that_keep_it_safe(
    client: Client, account: Account, case: str, ask: Callable[[Client, Tokens], TestResponse]
) -> None:
    answer = ask(client, account.log_in())

    assert answer.status_code == int(case[:3])
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-ID"])


def test_each_answer_has_an_id_of_its_own_whatever_the_client_sends(strangers: Client) -> None:
    ids = {
        strangers.get("/nothing", headers={"X-Request-ID": "mine"}).headers["X-Request-ID"]
        for _ in range(20)
    }

    assert len(ids) == 20
    assert "mine" not in ids
