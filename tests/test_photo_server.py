"""Photos behind the real server: bodies in chunks, and paths as no client library sends them."""

import json
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import PASSWORD
from tests.images import files, form, jpeg, photo
from tests.servers import Gunicorn

pytestmark = pytest.mark.slow

DONE = {"detail": "Успешно."}
NOT_FOUND = {"detail": "Страница не найдена."}
TOO_LARGE = {"detail": "Фотография слишком большая."}
UNREADABLE_BODY = {"detail": "Не удалось прочитать тело запроса.", "errors": {}}
MAX_BYTES = 20_000


@pytest.fixture
def server(migrated_sqlite: Path, tmp_path: Path, uploads: Path) -> Iterator[Gunicorn]:
    database = tmp_path / "served.db"
    shutil.copy(migrated_sqlite, database)
    settings = {
        "DATABASE_URL": f"sqlite:///{database}",
        "UPLOAD_FOLDER": str(uploads),
        "MAX_UPLOAD_BYTES": str(MAX_BYTES),
    }
    with Gunicorn(settings, tmp_path) as server:
        yield server


def test_bodies_in_chunks_have_the_same_limits(server: Gunicorn, uploads: Path) -> None:
    person = {"email": "ann@example.com", "name": "Ann", "password": PASSWORD}
    bodies = [
        photo(jpeg()),
        photo(jpeg().ljust(MAX_BYTES, b"\0")),
        photo(jpeg().ljust(MAX_BYTES + 1, b"\0")),
        form(('name="photo"; filename="a"', jpeg()), ('name="more"', bytes(MAX_BYTES + 65_536))),
        photo(jpeg().ljust(1_000_000, b"\0")),
        {**photo(jpeg()), "data": photo(jpeg())["data"][:-300]},
        photo(jpeg()),
    ]

    with httpx.Client(base_url=server.url, timeout=30) as http:
        http.post("/auth/register", json=person)
        token = http.post("/auth/login", json=person).json()["access_token"]

        def upload(body: dict[str, Any]) -> tuple[int, Any]:
            content = body["data"]
            chunks = (content[start : start + 1000] for start in range(0, len(content), 1000))
            headers = {"Authorization": f"Bearer {token}", "Content-Type": body["content_type"]}
            answer = http.patch("/auth/photo", content=chunks, headers=headers)
            return answer.status_code, answer.json()

        answers = [upload(body) for body in bodies]

    assert answers == [
        (200, DONE),
        (200, DONE),
        (413, TOO_LARGE),
        (413, TOO_LARGE),
        (413, TOO_LARGE),
        (422, UNREADABLE_BODY),
        (200, DONE),
    ]
    assert len(files(uploads)) == 1


def test_no_path_leads_out_of_the_folder(server: Gunicorn, uploads: Path) -> None:
    (uploads / "../secret.txt").write_text("private")
    paths = [
        "/uploads/../secret.txt",
        "/uploads/./../secret.txt",
        "/uploads/%2e%2e/secret.txt",
        "/uploads/%2e%2e%2fsecret.txt",
        "/uploads/..\\secret.txt",
        "/uploads/",
        "//uploads/../secret.txt",
    ]

    answers = {}
    for path in paths:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        answers[path] = answer.status, answer.getheader("Location"), json.loads(answer.read())
        connection.close()

    assert answers == dict.fromkeys(paths, (404, None, NOT_FOUND))
