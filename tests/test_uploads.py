"""The address of photos: images for everybody and for ever, and nothing else."""

from pathlib import Path

import pytest

from tests.clients import Account, Client
from tests.images import files, jpeg, path_of, send

NOT_FOUND = {"detail": "Страница не найдена."}
NOT_ALLOWED = {"detail": "Метод не поддерживается."}


@pytest.fixture
def token(account: Account) -> str:
    return account.log_in().access_token


@pytest.fixture
def path(client: Client, token: str) -> str:
    """The path of a photo."""
    send(client, token, jpeg())
    return path_of(client, token)


def test_a_photo_is_served_as_an_image_for_ever_and_to_all_sites(client: Client, path: str) -> None:
    answer = client.get(path, buffered=True)

    assert answer.status_code == 200
    assert answer.data[:4] + answer.data[8:12] == b"RIFFWEBP"
    headers = dict(answer.headers)
    for variable in ("Date", "Last-Modified", "ETag", "X-Request-ID"):
        assert headers.pop(variable)
    assert headers == {
        "Content-Type": "image/webp",
        "Content-Length": str(len(answer.data)),
        "Accept-Ranges": "bytes",
        "Content-Disposition": "inline",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": (
            "default-src 'none'; base-uri 'none'; object-src 'none'; form-action 'none'; "
            "frame-ancestors 'none'; sandbox"
        ),
        "Referrer-Policy": "no-referrer",
    }


def test_head_answers_the_headers_alone(client: Client, path: str) -> None:
    whole = client.get(path, buffered=True)

    answer = client.request("HEAD", path, buffered=True)

    assert answer.status_code == 200
    assert answer.data == b""
    for name in ("Content-Type", "Content-Length", "Cache-Control", "ETag", "Last-Modified"):
        assert answer.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("condition", "validator"), [("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")]
)
def test_a_photo_that_the_client_has_is_not_sent_again(
    client: Client, path: str, condition: str, validator: str
) -> None:
    known = client.get(path, buffered=True).headers[validator]

    answer = client.get(path, headers={condition: known}, buffered=True)

    assert answer.status_code == 304
    assert answer.data == b""
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_a_part_of_a_photo_can_be_asked_for(client: Client, path: str) -> None:
    answer = client.get(path, headers={"Range": "bytes=8-11"}, buffered=True)

    assert answer.status_code == 206
    assert answer.data == b"WEBP"


@pytest.mark.parametrize(
    "path",
    [
        "/uploads",
        "/uploads/",
        "/uploads/.",
        "/uploads/notes.txt",
        "/uploads/.gitkeep",
        "/uploads/.AAAAAAAAAAAAAAAAAAAAAA.webp.tmp",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.webp/",
        "/uploads//AAAAAAAAAAAAAAAAAAAAAA.webp",
        "//uploads/AAAAAAAAAAAAAAAAAAAAAA.webp",
        "/uploads/aaaaaaaaaaaaaaaaaaaaaa.webp",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.WEBP",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.webp%0A",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.webp%00",
        "/uploads/AAAAAAAAAAAAAAAAAAAAAA.webp~",
        "/uploads/BBBBBBBBBBBBBBBBBBBBBB.webp",
        "/uploads/folder",
        "/uploads/folder/AAAAAAAAAAAAAAAAAAAAAA.webp",
        "/uploads/../uploads/notes.txt",
        "/uploads/../secret.txt",
        "/uploads/%2e%2e/secret.txt",
        "/uploads/..%2fsecret.txt",
        "/uploads/..%5csecret.txt",
        "/uploads/%2fetc%2fpasswd",
        "/UPLOADS/AAAAAAAAAAAAAAAAAAAAAA.webp",
    ],
)
def test_nothing_else_is_served(client: Client, uploads: Path, path: str) -> None:
    for name in (
        "notes.txt",
        ".gitkeep",
        ".AAAAAAAAAAAAAAAAAAAAAA.webp.tmp",
        "AAAAAAAAAAAAAAAAAAAAAA.webp",
        "AAAAAAAAAAAAAAAAAAAAAA.webp~",
        "../secret.txt",
    ):
        (uploads / name).write_text("private")
    (uploads / "BBBBBBBBBBBBBBBBBBBBBB.webp").mkdir()
    (uploads / "folder").mkdir()
    (uploads / "folder" / "AAAAAAAAAAAAAAAAAAAAAA.webp").write_text("private")

    answer = client.get(path, buffered=True)

    assert answer.status_code == 404
    assert answer.json == NOT_FOUND
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Location" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_photo_can_only_be_read(client: Client, path: str, uploads: Path, method: str) -> None:
    answer = client.request(method, path)

    assert answer.status_code == 405
    assert answer.json == NOT_ALLOWED
    assert answer.headers["Allow"] == "GET, HEAD"
    assert len(files(uploads)) == 1


@pytest.mark.parametrize(
    "headers",
    [{"Range": "bytes=99999999-"}, {"If-Match": '"another"'}],
    ids=["a range behind the end", "another photo"],
)
def test_what_cannot_be_met_is_refused_and_not_kept(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    answer = client.get(path, headers=headers, buffered=True)

    assert answer.status_code == 400
    assert answer.json == {"detail": "Некорректный запрос."}
    assert answer.headers["Cache-Control"] == "no-store"
