"""Negotiation: a client may have an error as RFC 9457 has it, and in English."""

from typing import Any

import pytest

from tests.clients import Client
from tests.servers import SECRETS
from workhub import create_app

DOCUMENTED = "application/json"
PROBLEM_JSON = "application/problem+json"
NOT_FOUND = {"detail": "Страница не найдена."}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """Of an application whose database nobody has made: these calls never ask it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('no-database')}/none.db"
    settings = {"DATABASE_URL": url, "PUBLIC_URL": "https://workhub.example/"}
    return Client(create_app({**SECRETS, **settings}))


def test_problem_has_the_members_of_the_rfc(client: Client) -> None:
    answer = client.get("/nothing", headers={"Accept": PROBLEM_JSON})

    assert answer.status_code == 404
    assert answer.content_type == PROBLEM_JSON
    assert answer.json == {
        "type": "https://workhub.example/problems#not_found",
        "title": "Страница не найдена.",
        "status": 404,
        "detail": "Страница не найдена.",
        "code": "not_found",
        "request_id": answer.headers["X-Request-ID"],
    }


def test_problem_names_the_fields_in_the_language_of_its_detail(client: Client) -> None:
    answer = client.post(
        "/auth/register",
        json={"email": "ann", "name": 5},
        headers={"Accept": PROBLEM_JSON, "Accept-Language": "en"},
    )

    assert answer.status_code == 422
    assert answer.json == {
        "type": "https://workhub.example/problems#validation_failed",
        "title": "Some fields are not valid.",
        "status": 422,
        "detail": "Some fields are not valid.",
        "errors": {
            "email": ["This is no e-mail address."],
            "name": ["This has to be a string."],
            "password": ["This field is required."],
        },
        "code": "validation_failed",
        "request_id": answer.headers["X-Request-ID"],
    }


def test_documented_error_is_russian_whatever_the_client_speaks(client: Client) -> None:
    answer = client.post("/auth/register", json={}, headers={"Accept-Language": "en"})

    assert answer.status_code == 422
    assert answer.json == {
        "detail": "Проверьте введённые данные.",
        "errors": {
            "email": ["Обязательное поле."],
            "password": ["Обязательное поле."],
            "name": ["Обязательное поле."],
        },
    }


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, DOCUMENTED),
        ("", DOCUMENTED),
        ("*/*", DOCUMENTED),
        ("application/*", DOCUMENTED),
        ("application/json", DOCUMENTED),
        ("text/html", DOCUMENTED),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", DOCUMENTED),
        (PROBLEM_JSON, PROBLEM_JSON),
        ("Application/Problem+JSON", PROBLEM_JSON),
        (f"{PROBLEM_JSON}; charset=utf-8", PROBLEM_JSON),
        (f"{PROBLEM_JSON};q=0.1", PROBLEM_JSON),
        (f"{PROBLEM_JSON};q=0", DOCUMENTED),
        (f"{PROBLEM_JSON};q=nonsense", DOCUMENTED),
        (f"{PROBLEM_JSON};q=0.5, */*", PROBLEM_JSON),
        (f"text/html, {PROBLEM_JSON}", PROBLEM_JSON),
        (f"{PROBLEM_JSON}, application/json", PROBLEM_JSON),
        (f"application/json, {PROBLEM_JSON}", PROBLEM_JSON),
        (f"application/json;q=0.5, {PROBLEM_JSON};q=0.5", PROBLEM_JSON),
        (f"application/json;q=0.9, {PROBLEM_JSON};q=0.8", DOCUMENTED),
        (f"application/json;q=0.8, {PROBLEM_JSON};q=0.9", PROBLEM_JSON),
        (f"Application/JSON, {PROBLEM_JSON};q=0.9", DOCUMENTED),
        (f"application/json;q=0, {PROBLEM_JSON};q=0.1", PROBLEM_JSON),
    ],
)
def test_client_chooses_the_form_by_accept(
    client: Client, accept: str | None, content_type: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}

    answer = client.get("/nothing", headers=headers)

    assert answer.status_code == 404
    assert answer.content_type == content_type
    assert (answer.json == NOT_FOUND) is (content_type == DOCUMENTED)


RUSSIAN = "Страница не найдена."
ENGLISH = "There is nothing at this address."


@pytest.mark.parametrize(
    ("accept_language", "detail"),
    [
        (None, RUSSIAN),
        ("", RUSSIAN),
        ("*", RUSSIAN),
        ("de", RUSSIAN),
        ("de, *;q=0.5", RUSSIAN),
        ("english", RUSSIAN),
        ("ru", RUSSIAN),
        ("en", ENGLISH),
        ("EN", ENGLISH),
        ("en-US", ENGLISH),
        ("en-GB-oxendict", ENGLISH),
        ("ru-RU, en;q=0.9", RUSSIAN),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", RUSSIAN),
        ("en-US,en;q=0.9,ru;q=0.8", ENGLISH),
        ("uk, en;q=0.1", ENGLISH),
        ("ru, en", RUSSIAN),
        ("en, ru", RUSSIAN),
        ("ru;q=0.4, en;q=0.5", ENGLISH),
        ("ru;q=0.5, en;q=0.4", RUSSIAN),
        ("en;q=0", RUSSIAN),
        ("en;q=nonsense", RUSSIAN),
        ("ru;q=0, *", ENGLISH),
    ],
)
def test_client_chooses_the_language_of_a_problem(
    client: Client, accept_language: str | None, detail: str
) -> None:
    headers = {"Accept": PROBLEM_JSON}
    if accept_language is not None:
        headers["Accept-Language"] = accept_language

    problem: Any = client.get("/nothing", headers=headers).json

    assert (problem["title"], problem["detail"]) == (detail, detail)
