"""Photos as nginx serves them: what the application would answer, and nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.webserver import Site, answer, use

pytestmark = pytest.mark.system

NOT_FOUND = {"detail": "Страница не найдена."}
# Each server's own, or other at each answer.
OWN = ("Server", "Date", "Connection", "X-Request-ID")


@pytest.fixture
def https(site: Site) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client


@pytest.fixture
def photo(https: httpx.Client) -> str:
    """The address of a photo that somebody has set."""
    return use(https)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_photo_has_the_bytes_and_the_headers_of_the_application(
    site: Site, https: httpx.Client, photo: str, method: str
) -> None:
    by_nginx = https.request(method, photo)
    by_gunicorn = httpx.request(method, f"{site.service.url}{photo}")

    assert by_nginx.status_code == by_gunicorn.status_code == 200
    assert by_nginx.content == by_gunicorn.content
    headers, expected = dict(_headers(by_nginx)), dict(_headers(by_gunicorn))
    assert len(headers) == len(_headers(by_nginx))
    assert headers.pop("Strict-Transport-Security") == "max-age=31536000; includeSubDomains"
    assert headers.pop("ETag") != expected.pop("ETag")  # each makes its own
    assert expected.pop("Accept-Ranges") == "bytes"  # nginx sends photos whole
    assert headers == expected
    assert headers["Content-Type"] == "image/webp"
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def _headers(response: httpx.Response) -> list[tuple[str, str]]:
    if response.request.method == "HEAD":
        response.read()
    return [header for header in answer(response).headers if header[0] not in OWN]


def test_a_photo_is_served_without_gunicorn(site: Site, https: httpx.Client, photo: str) -> None:
    before = len(site.service.lines("request"))

    assert https.get(photo).status_code == 200
    assert len(site.service.lines("request")) == before


def test_a_photo_that_a_client_has_is_not_sent_again(https: httpx.Client, photo: str) -> None:
    known = https.get(photo).headers

    by_tag = https.get(photo, headers={"If-None-Match": known["ETag"]})
    by_date = https.get(photo, headers={"If-Modified-Since": known["Last-Modified"]})

    for told in (by_tag, by_date):
        assert (told.status_code, told.content) == (304, b"")
        assert told.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("range", ["bytes=0-9", "bytes=9999999-", "bytes=0-1,2-3", "nonsense"])
def test_a_photo_is_sent_whole(https: httpx.Client, photo: str, range: str) -> None:
    whole = https.get(photo)

    told = https.get(photo, headers={"Range": range})

    assert (told.status_code, told.content) == (200, whole.content)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_photo_is_read_and_nothing_else(https: httpx.Client, photo: str, method: str) -> None:
    told = https.request(method, photo)

    assert (told.status_code, told.json()) == (405, {"detail": "Метод не поддерживается."})
    assert told.headers["Allow"] == "GET, HEAD"
    assert told.headers["Cache-Control"] == "no-store"
    assert https.get(photo).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/uploads",
        "/uploads/",
        "/uploads/other.txt",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.png",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.webp.tmp",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.webp/",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.webp%0a",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAAA.webp",
        "/uploads/folder/AAAAAAAAAAAAAAAAAAAAAA.webp",
        "/uploads//AAAAAAAAAAAAAAAAAAAAAA.webp",
        "/UPLOADS/AAAAAAAAAAAAAAAAAAAAAA.webp",
        "/uploads/nosuchphotonosuchphoto.webp",
        "/uploads/linklinklinklinklinkli.webp",
        "/uploads/foldfoldfoldfoldfoldfo.webp",
        "/uploads/..%2fnginx.conf",
        "/uploads/%2e%2e%2fnginx.conf",
        "/uploads/..%5cnginx.conf",
        "/uploads/x/../../nginx.conf",
        "/uploads../nginx.conf",
    ],
)
def test_nothing_but_photos_is_served(
    site: Site, https: httpx.Client, tmp_path: Path, path: str
) -> None:
    folder = site.nginx.folder / "uploads"
    for name in ("other.txt", "A" * 22 + ".png", "A" * 22 + ".webp.tmp", "A" * 23 + ".webp"):
        (folder / name).write_text("not to be served")
    (folder / "folder").mkdir(exist_ok=True)
    (folder / "folder" / ("A" * 22 + ".webp")).write_text("not to be served")
    (folder / ("A" * 22 + ".webp")).write_text("a photo")
    (folder / "foldfoldfoldfoldfoldfo.webp").mkdir(exist_ok=True)
    (tmp_path / "outside").write_text("not to be served")
    link = folder / "linklinklinklinklinkli.webp"
    link.unlink(missing_ok=True)
    os.symlink(tmp_path / "outside", link)

    told = https.get(path)

    assert (told.status_code, told.json()) == (404, NOT_FOUND)
    assert "Location" not in told.headers
    assert told.headers["Cache-Control"] == "no-store"
    assert told.headers["Content-Type"] == "application/json"
    assert https.get("/uploads/" + "A" * 22 + ".webp").status_code == 200
