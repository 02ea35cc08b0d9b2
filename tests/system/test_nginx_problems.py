"""The catalogue as nginx has it: its texts, and the form of RFC 9457 for who asks for it."""

import re
from typing import Final

import httpx
import pytest

import config
from tests.system.webserver import CONFIGURATION, Site
from workhub.problems import ProblemType


@pytest.mark.parametrize(("variable", "language"), [("russian", "ru"), ("english", "en")])
def test_the_texts_are_those_of_the_catalogue(variable: str, language: str) -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    block = re.search(rf"map \$code \${variable} \{{(.*?)\}}", text, re.S)
    assert block

    texts = dict(re.findall(r'(\w+) "(.+)";', block[1]))

    assert texts == {code: ProblemType[code.upper()].text[language] for code in texts}
    assert texts.keys() == {
        *("body_too_large", "https_required", "internal_error", "method_not_allowed"),
        *("not_found", "photo_too_large", "request_invalid", "unavailable"),
    }


def test_the_limit_of_a_body_is_that_of_the_application_and_64_kib() -> None:
    limit = config.load({})["MAX_UPLOAD_BYTES"] + 64 * 1024

    assert f"client_max_body_size {limit};" in CONFIGURATION.read_text(encoding="utf-8")


ACCEPTS: Final = [
    "application/problem+json",
    "Application/Problem+JSON",
    "application/problem+json, application/json",
    "application/json, application/problem+json",
    "application/json;q=0.5, application/problem+json",
    "application/problem+json;q=1.0, */*",
    "application/problem+json; q=0.5, application/json",
    "application/problem+json;q=0.5",
    "application/problem+json;q=0",
    "application/json",
    "*/*",
    "text/application/problem+json",
    "",
]
LANGUAGES: Final = [
    "en",
    "ru",
    "en-GB, en;q=0.9",
    "ru-RU, ru;q=0.9, en;q=0.8",
    "en-US, en;q=0.9, ru;q=0.8",
    "en, ru",
    "de, en;q=0.1",
    "en;q=0",
    "de",
    "*",
    "",
]


@pytest.mark.system
@pytest.mark.parametrize(
    ("accept", "language"),
    [(accept, "en") for accept in ACCEPTS]
    + [("application/problem+json", language) for language in LANGUAGES]
    + [("application/json", "en")],
)
def test_the_form_and_the_language_are_those_of_the_application(
    site: Site, accept: str, language: str
) -> None:
    headers = {"Accept": accept, "Accept-Language": language}
    with site.client() as client:
        by_nginx = client.get("/uploads/nothing", headers=headers)
    by_gunicorn = httpx.get(f"{site.service.url}/uploads/nothing", headers=headers)

    assert by_nginx.headers["Content-Type"] == by_gunicorn.headers["Content-Type"]
    if "request_id" in by_nginx.json():
        assert by_nginx.json()["request_id"] == by_nginx.headers["X-Request-ID"]
    assert {**by_nginx.json(), "request_id": ""} == {**by_gunicorn.json(), "request_id": ""}
    assert list(by_nginx.json()) == list(by_gunicorn.json())
