"""Uploads that are refused: each with its answer, and the photo stays as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.clients import Account, Client
from tests.images import body_of_size, files, form, jpeg, of_size, path_of, photo, send

DONE = {"detail": "Успешно."}
UNSUPPORTED = {"detail": "Тип содержимого не поддерживается."}
TOO_LARGE = {"detail": "Фотография слишком большая."}
UNREADABLE_BODY = {"detail": "Не удалось прочитать тело запроса.", "errors": {}}


def invalid(message: str) -> dict[str, Any]:
    return {"detail": "Проверьте введённые данные.", "errors": {"photo": [message]}}


NO_PHOTO = {
    "detail": "Файл не является фотографией.",
    "errors": {"photo": ["Файл не является фотографией."]},
}
MAX_BYTES = 20_000
MAX_BODY_BYTES = MAX_BYTES + 64 * 1024
FILE = 'name="photo"; filename="photo.jpg"'


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(MAX_UPLOAD_BYTES=str(MAX_BYTES), MAX_UPLOAD_PIXELS="100000")


@pytest.fixture
def token(account: Account) -> str:
    return account.log_in().access_token


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        pytest.param(form(), 422, invalid("Обязательное поле."), id="no part"),
        pytest.param(
            form(('name="Photo"; filename="a.jpg"', jpeg())),
            422,
            invalid("Обязательное поле."),
            id="another part",
        ),
        pytest.param(
            form(('name="photo"', jpeg())),
            422,
            invalid("Файл не является фотографией."),
            id="a part that is no file",
        ),
        pytest.param(
            form((FILE, jpeg()), (FILE, jpeg())),
            422,
            invalid("Поле указано несколько раз."),
            id="two files",
        ),
        pytest.param(
            form((FILE, jpeg()), ('name="photo"', b"x")),
            422,
            invalid("Поле указано несколько раз."),
            id="a file and a field",
        ),
        pytest.param(form((FILE, b"")), 422, NO_PHOTO, id="an empty part"),
        pytest.param(
            form(('name="photo"; filename=""', b"")), 422, NO_PHOTO, id="a field left empty"
        ),
        pytest.param(form((FILE, b"text")), 422, NO_PHOTO, id="no photo, called one"),
        pytest.param(form((FILE, jpeg()[:-200])), 422, NO_PHOTO, id="a truncated photo"),
        pytest.param(form((FILE, of_size(MAX_BYTES + 1))), 413, TOO_LARGE, id="a large photo"),
        pytest.param(body_of_size(MAX_BODY_BYTES + 1), 413, TOO_LARGE, id="a large body"),
        pytest.param(form((FILE, jpeg((401, 251)))), 413, TOO_LARGE, id="many pixels"),
        pytest.param({"json": {"photo": "x"}}, 415, UNSUPPORTED, id="JSON"),
        pytest.param({"data": {"photo": "x"}}, 415, UNSUPPORTED, id="an urlencoded form"),
        pytest.param(
            {"data": jpeg(), "content_type": "image/jpeg"}, 415, UNSUPPORTED, id="the bare photo"
        ),
        pytest.param({"data": photo(jpeg())["data"]}, 415, UNSUPPORTED, id="no content type"),
        pytest.param({}, 415, UNSUPPORTED, id="no body"),
        pytest.param(
            {**photo(jpeg()), "content_type": "multipart/form-data"},
            422,
            UNREADABLE_BODY,
            id="no boundary",
        ),
        pytest.param(
            {**photo(jpeg()), "content_type": "multipart/form-data; boundary=other"},
            422,
            UNREADABLE_BODY,
            id="another boundary",
        ),
        pytest.param(
            {**photo(jpeg()), "data": photo(jpeg())["data"][:-300]},
            422,
            UNREADABLE_BODY,
            id="a form that breaks off",
            # Werkzeug drops the file that it was writing.
            marks=pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning"),
        ),
        pytest.param(
            {**photo(jpeg()), "data": b"--limit\r\nno header\r\n\r\nx\r\n--limit--\r\n"},
            422,
            UNREADABLE_BODY,
            id="a part without headers",
        ),
        pytest.param(
            {**photo(b""), "data": b"\r\n"},
            422,
            UNREADABLE_BODY,
            id="a form without parts",
        ),
    ],
)
def test_a_refused_upload_leaves_the_photo_as_it_was(
    client: Client,
    token: str,
    uploads: Path,
    body: dict[str, Any],
    status: int,
    expected: dict[str, Any],
) -> None:
    send(client, token, jpeg())
    path, kept = path_of(client, token), files(uploads)

    answer = client.patch("/auth/photo", token=token, **body)

    assert answer.status_code == status
    assert answer.json == expected
    assert path_of(client, token) == path
    assert files(uploads) == kept


@pytest.mark.parametrize(
    ("body", "status", "code", "detail", "errors"),
    [
        pytest.param(
            photo(b"text"),
            422,
            "photo_unreadable",
            "The file is not a photo.",
            {"errors": {"photo": ["The file is not a photo."]}},
            id="no photo",
        ),
        pytest.param(
            photo(of_size(MAX_BYTES + 1)),
            413,
            "photo_too_large",
            "The photo is too large.",
            {},
            id="large",
        ),
        pytest.param(
            body_of_size(MAX_BODY_BYTES + 1),
            413,
            "photo_too_large",
            "The photo is too large.",
            {},
            id="large body",
        ),
    ],
)
def test_a_program_is_told_by_a_code(
    client: Client,
    token: str,
    body: dict[str, Any],
    status: int,
    code: str,
    detail: str,
    errors: dict[str, Any],
) -> None:
    answer = client.patch(
        "/auth/photo",
        token=token,
        headers={"Accept": "application/problem+json", "Accept-Language": "en"},
        **body,
    )

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.json == {
        "type": f"http://127.0.0.1:8000/problems#{code}",
        "title": detail,
        "status": status,
        "detail": detail,
        **errors,
        "code": code,
        "request_id": answer.headers["X-Request-ID"],
    }
