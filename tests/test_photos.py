"""The calls on a photo: who sets, replaces and removes one, and what is answered."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.clients import Account, Client
from tests.database import rows
from tests.images import body_of_size, files, form, jpeg, of_size, path_of, photo, send
from workhub.accounts.models import User

DONE = {"detail": "Успешно."}
NOT_FOUND = {"detail": "Страница не найдена."}
MAX_BYTES = 20_000
FILE = 'name="photo"; filename="photo.jpg"'


@pytest.fixture
def token(account: Account) -> str:
    return account.log_in().access_token


def test_an_upload_becomes_the_photo(app: Flask, client: Client, token: str, uploads: Path) -> None:
    answer = send(client, token, jpeg())

    assert answer.status_code == 200
    assert answer.json == DONE
    [name] = files(uploads)
    assert rows(app, User.photo) == [(name,)]
    assert path_of(client, token) == f"/uploads/{name}"
    served = client.get(f"/uploads/{name}", buffered=True)
    assert served.data == files(uploads)[name]


def test_an_upload_takes_the_place_of_the_photo_before(
    client: Client, token: str, uploads: Path
) -> None:
    send(client, token, jpeg())
    before = path_of(client, token)

    answer = send(client, token, jpeg())

    assert answer.status_code == 200
    assert answer.json == DONE
    after = path_of(client, token)
    assert after != before
    assert list(files(uploads)) == [after.removeprefix("/uploads/")]
    assert client.get(before).status_code == 404


def test_one_upload_does_not_touch_the_photo_of_another(
    client: Client, token: str, uploads: Path
) -> None:
    client.register("bob@example.com")
    bob = client.log_in("bob@example.com").access_token
    send(client, bob, jpeg(color="navy"))
    bobs = path_of(client, bob)

    send(client, token, jpeg())
    send(client, token, jpeg())
    client.delete("/auth/photo", token=token)

    assert path_of(client, bob) == bobs
    assert list(files(uploads)) == [bobs.removeprefix("/uploads/")]


@pytest.mark.parametrize(
    "name",
    [
        "photo.jpg",
        "",
        "../../../tmp/evil.jpg",
        "/etc/passwd",
        "..\\\\evil.jpg",
        "shell.php",
        "фото.jpg",
        "a%0D%0ASet-Cookie: b=c.jpg",
        "a;b=c.jpg",
        "nul\0.jpg",
        "x" * 300,
    ],
)
def test_the_name_of_a_file_never_comes_from_the_client(
    client: Client, token: str, uploads: Path, name: str
) -> None:
    answer = send(client, token, jpeg(), name)

    assert (answer.status_code, answer.json) == (200, DONE)
    [kept] = files(uploads)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}\.webp", kept)
    served = client.get(path_of(client, token), buffered=True)
    assert served.headers["Content-Disposition"] == "inline"
    assert "Set-Cookie" not in served.headers


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(form((FILE + "\r\nContent-Type: text/html", jpeg())), id="type of the part"),
        pytest.param(form(('name="photo"; filename="a.exe"', jpeg())), id="name of the part"),
        pytest.param(form(('name="more"', b"x"), (FILE, jpeg())), id="other fields"),
        pytest.param(form(('name="more"; filename="a"', b"x"), (FILE, jpeg())), id="other files"),
        pytest.param(form((FILE, of_size(MAX_BYTES))), id="a photo at the limit of bytes"),
        pytest.param(body_of_size(MAX_BYTES + 64 * 1024), id="a body at its limit"),
        pytest.param(
            {**photo(jpeg()), "content_type": 'Multipart/Form-Data; boundary="limit"'},
            id="another spelling of the content type",
        ),
    ],
)
def test_what_does_not_matter_is_not_looked_at(
    make_app: Callable[..., Flask], uploads: Path, body: dict[str, Any]
) -> None:
    client = Client(make_app(MAX_UPLOAD_BYTES=str(MAX_BYTES)))
    client.register()
    token = client.log_in().access_token

    answer = client.patch("/auth/photo", token=token, **body)

    assert answer.status_code == 200
    assert answer.json == DONE
    assert len(files(uploads)) == 1


def test_delete_leaves_the_account_without_a_photo(
    app: Flask, client: Client, token: str, uploads: Path
) -> None:
    send(client, token, jpeg())
    path = path_of(client, token)

    answer = client.delete("/auth/photo", token=token)

    assert answer.status_code == 200
    assert answer.text == "null\n"
    assert answer.content_type == "application/json"
    assert rows(app, User.photo) == [(None,)]
    assert files(uploads) == {}
    gone = client.get(path)
    assert (gone.status_code, gone.json) == (404, NOT_FOUND)


def test_delete_without_a_photo_is_no_mistake(client: Client, token: str) -> None:
    answer = client.delete("/auth/photo", token=token)

    assert answer.status_code == 200
    assert answer.text == "null\n"


def test_delete_ignores_a_body(client: Client, token: str, uploads: Path) -> None:
    send(client, token, jpeg())

    answer = client.delete("/auth/photo", token=token, data=b"{", content_type="text/plain")

    assert (answer.status_code, answer.text) == (200, "null\n")
    assert files(uploads) == {}


def test_delete_does_not_mind_that_the_file_is_gone(
    client: Client, token: str, uploads: Path
) -> None:
    send(client, token, jpeg())
    for file in uploads.iterdir():
        file.unlink()

    answer = client.delete("/auth/photo", token=token)

    assert (answer.status_code, answer.text) == (200, "null\n")
    assert path_of(client, token) is None


def test_the_photo_goes_with_the_account(client: Client, token: str, uploads: Path) -> None:
    send(client, token, jpeg())
    path = path_of(client, token)

    client.delete("/auth/me", token=token)

    assert files(uploads) == {}
    assert client.get(path).status_code == 404
