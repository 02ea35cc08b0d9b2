"""Uploads that something outside breaks or meets: whole or not at all, and no file is left over."""

import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask import Flask
from sqlalchemy import update

from tests.clients import Account, Client
from tests.database import before
from tests.images import encoded, files, form, jpeg, noise, path_of, photo, send
from workhub.accounts import photos
from workhub.accounts.models import User
from workhub.extensions import transaction

DONE = {"detail": "Успешно."}
NO_USER = {"detail": "Пользователь не найден."}
UNAVAILABLE = {"detail": "Сервис временно недоступен. Повторите позже."}
CRASHED = {"detail": "Произошла неизвестная ошибка."}


@pytest.fixture
def token(account: Account) -> str:
    return account.log_in().access_token


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond 16 KiB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 * 1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def missing(folder: Path) -> Iterator[None]:
    """The folder is not where it was."""
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    try:
        yield
    finally:
        elsewhere.rename(folder)


@pytest.mark.parametrize(
    "broken", [lambda _: full_disk(), missing], ids=["a full disk", "a folder that is missing"]
)
def test_an_upload_that_cannot_be_written_leaves_the_photo_as_it_was(
    client: Client, token: str, uploads: Path, broken: Callable[[Path], Any]
) -> None:
    detailed = encoded(noise(256))
    send(client, token, jpeg())
    path, kept = path_of(client, token), files(uploads)

    with broken(uploads):
        answer = send(client, token, detailed)

    assert answer.status_code == 500
    assert answer.json == CRASHED
    assert path_of(client, token) == path
    assert files(uploads) == kept
    assert send(client, token, detailed).json == DONE


@pytest.mark.slow
def test_an_upload_that_the_database_does_not_take_leaves_the_photo_as_it_was(
    app: Flask, client: Client, token: str, uploads: Path
) -> None:
    send(client, token, jpeg())
    path, kept = path_of(client, token), files(uploads)

    with app.app_context(), transaction() as connection:
        connection.execute(update(User).values(name="Somebody else is writing"))
        answer = send(client, token, jpeg())

    assert answer.status_code == 503
    assert answer.json == UNAVAILABLE
    assert answer.headers["Retry-After"] == "5"
    assert path_of(client, token) == path
    assert files(uploads) == kept


def test_who_waits_too_long_for_other_photos_is_told_to_come_again(
    client: Client, token: str, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(client, token, jpeg())
    path, kept = path_of(client, token), files(uploads)
    monkeypatch.setattr(photos, "WAIT_SECONDS", 0.01)

    with photos._decoder:
        answer = send(client, token, jpeg())

    assert answer.status_code == 503
    assert answer.json == UNAVAILABLE
    assert answer.headers["Retry-After"] == "5"
    assert path_of(client, token) == path
    assert files(uploads) == kept
    assert send(client, token, jpeg()).json == DONE


def test_a_file_that_cannot_be_removed_does_not_fail_the_call(
    client: Client, token: str, uploads: Path
) -> None:
    send(client, token, jpeg())
    [before] = uploads.iterdir()
    before.unlink()
    before.mkdir()

    answer = send(client, token, jpeg())

    assert (answer.status_code, answer.json) == (200, DONE)
    after = path_of(client, token).removeprefix("/uploads/")
    assert {path.name for path in uploads.iterdir()} == {before.name, after}


def test_of_two_uploads_the_later_one_stays(
    app: Flask, client: Client, token: str, uploads: Path
) -> None:
    send(client, token, jpeg())
    other = Client(app)

    with before(app, "UPDATE", lambda: send(other, token, jpeg(color="navy"))):
        answer = send(client, token, jpeg())

    assert (answer.status_code, answer.json) == (200, DONE)
    assert path_of(client, token) == f"/uploads/{next(iter(files(uploads)))}"
    assert len(files(uploads)) == 1


def test_an_upload_while_the_photo_is_deleted_stays(
    app: Flask, client: Client, token: str, uploads: Path
) -> None:
    send(client, token, jpeg())
    other = Client(app)

    with before(app, "UPDATE", lambda: other.delete("/auth/photo", token=token)):
        answer = send(client, token, jpeg())

    assert (answer.status_code, answer.json) == (200, DONE)
    assert path_of(client, token) == f"/uploads/{next(iter(files(uploads)))}"
    assert len(files(uploads)) == 1


def test_a_photo_that_is_replaced_while_it_is_deleted_is_deleted(
    app: Flask, client: Client, token: str, uploads: Path
) -> None:
    send(client, token, jpeg())
    other = Client(app)

    with before(app, "UPDATE", lambda: send(other, token, jpeg())):
        answer = client.delete("/auth/photo", token=token)

    assert (answer.status_code, answer.text) == (200, "null\n")
    assert path_of(client, token) is None
    assert files(uploads) == {}


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_photo_of_an_account_that_is_deleted_meanwhile_is_not_kept(
    app: Flask, client: Client, token: str, uploads: Path, method: str
) -> None:
    send(client, token, jpeg())
    other = Client(app)
    body = photo(jpeg()) if method == "PATCH" else {}

    with before(app, "UPDATE", lambda: other.delete("/auth/me", token=token)):
        answer = client.request(method, "/auth/photo", token=token, **body)

    assert answer.status_code == 404
    assert answer.json == NO_USER
    assert files(uploads) == {}


@pytest.mark.race
def test_of_many_uploads_at_once_one_file_is_left(
    app: Flask, client: Client, token: str, uploads: Path
) -> None:
    many = 8
    barrier = threading.Barrier(many)

    def upload(number: int) -> tuple[int, Any]:
        person = Client(app)
        barrier.wait(30)
        answer = send(person, token, jpeg((64 + number, 64)))
        return answer.status_code, answer.json

    with ThreadPoolExecutor(many) as pool:
        answers = list(pool.map(upload, range(many)))

    assert answers == [(200, DONE)] * many
    assert [path_of(client, token)] == [f"/uploads/{name}" for name in files(uploads)]


@pytest.mark.race
def test_uploads_while_the_account_is_deleted_leave_no_file(
    app: Flask, client: Client, token: str, uploads: Path
) -> None:
    many = 8
    barrier = threading.Barrier(many)

    def call(number: int) -> int:
        person = Client(app)
        barrier.wait(30)
        if number == 0:
            return person.delete("/auth/me", token=token).status_code
        return send(person, token, jpeg()).status_code

    with ThreadPoolExecutor(many) as pool:
        deleted, *uploaded = pool.map(call, range(many))

    assert deleted == 200
    assert set(uploaded) <= {200, 404}
    assert files(uploads) == {}


@pytest.mark.slow
def test_files_and_memory_stay_flat_over_many_uploads(client: Client, token: str) -> None:
    bodies = [
        photo(jpeg()),
        photo(jpeg().ljust(600_000, b"\0")),  # on disk until it is read
        photo(b"text"),
        photo(jpeg()[:-200]),
        form(('name="photo"; filename="a"', jpeg()), ('name="photo"; filename="b"', jpeg())),
    ]
    process = psutil.Process()

    def upload(times: int) -> tuple[int, int]:
        for _ in range(times):
            for body in bodies:
                client.patch("/auth/photo", token=token, **body)
            path = path_of(client, token)
            client.get(path, buffered=True)
            client.get(path, headers={"Range": "bytes=0-3"}, buffered=True)
            client.request("HEAD", path, buffered=True)
        return process.num_fds(), process.memory_info().rss

    descriptors, memory = upload(20)

    descriptors_later, memory_later = upload(60)

    assert descriptors_later == descriptors
    assert memory_later - memory < 4 * 1024 * 1024
