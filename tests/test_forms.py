"""Forms: log-in takes two encodings, the photo one; what is neither is refused."""

import pytest

from tests.clients import Account, Client

JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=B"
URLENCODED = "application/x-www-form-urlencoded"

UNREADABLE = {"detail": "Не удалось прочитать тело запроса.", "errors": {}}
TOO_LARGE = {"detail": "Тело запроса слишком большое."}
LOGIN_FAILED = {"detail": "Неверно введена почта или пароль."}


def part(name: str, content: bytes, more: str = "") -> bytes:
    head = f'--B\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = b"--B--\r\n"
FORM = part("email", b"bob@example.com") + part("password", b"Passw0rd!x")

NO_FORM: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", FORM + END),
    "an empty boundary": ("multipart/form-data; boundary=", FORM + END),
    "a boundary that is not ASCII": ("multipart/form-data; boundary=\u00e9", FORM + END),
    "another boundary": ("multipart/form-data; boundary=C", FORM + END),
    "no end": (MULTIPART, FORM),
    "an end within a part": (MULTIPART, FORM[:-5]),
    "an end within a head": (MULTIPART, FORM[:-40]),
    "no form": (MULTIPART, b"hello"),
    "JSON": (MULTIPART, b'{"email": "bob@example.com"}'),
    "a part that says nothing of itself": (MULTIPART, b"--B\r\nX: y\r\n\r\nz\r\n" + FORM + END),
    "a head that is none": (MULTIPART, b"--B\r\nX\r\n\r\nz\r\n" + FORM + END),
    "a head that is not UTF-8": (
        MULTIPART,
        b'--B\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nz\r\n' + FORM + END,
    ),
}


@pytest.mark.parametrize(("content_type", "body"), NO_FORM.values(), ids=NO_FORM)
def test_body_that_is_no_form_can_not_be_read(
    client: Client, account: Account, content_type: str, body: bytes
) -> None:
    token = account.log_in().access_token

    answers = [
        client.request(*call.split(), token=token, data=body, content_type=content_type)
        for call in ("POST /auth/login", "PATCH /auth/photo")
    ]

    assert [(it.status_code, it.json) for it in answers] == [(422, UNREADABLE)] * 2


LATIN_1 = "\r\nContent-Type: text/plain; charset=iso-8859-1"
NOT_UTF_8: dict[str, tuple[str, bytes]] = {
    "bytes": (URLENCODED, b"email=bob@example.com&password=Passw0rd!\xff"),
    "escapes": (URLENCODED, b"email=bob@example.com&password=Passw0rd!%FF"),
    "half a character": (URLENCODED, b"email=bob@example.com&password=Passw0rd!%ED%A0%80"),
    "a name": (URLENCODED, b"email=bob@example.com&password=Passw0rd!x&%FF=1"),
    "a part": (MULTIPART, part("email", b"b") + part("password", b"Passw0rd!\xff") + END),
    "a part in Latin-1": (
        MULTIPART,
        part("email", b"b") + part("password", b"Passw0rd!\xff", LATIN_1) + END,
    ),
    "an unnamed part": (MULTIPART, part("x", b"\xff") + FORM + END),
}


@pytest.mark.parametrize(("content_type", "body"), NOT_UTF_8.values(), ids=NOT_UTF_8)
def test_form_that_is_not_utf_8_can_not_be_read(
    client: Client, content_type: str, body: bytes
) -> None:
    answer = client.post("/auth/login", data=body, content_type=content_type)

    assert answer.status_code == 422
    assert answer.json == UNREADABLE


@pytest.mark.parametrize(
    "encoded", [b"Passw0rd!%EF%BF%BD", b"Passw0rd!%00", b"Passw0rd!%F0%9F%98%80"]
)
def test_form_may_hold_any_character(client: Client, encoded: bytes) -> None:
    answer = client.post(
        "/auth/login", data=b"email=nobody@example.com&password=" + encoded, content_type=URLENCODED
    )

    assert answer.status_code == 400
    assert answer.json == LOGIN_FAILED


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"email=a@b.cc&email=a@b.cc&password=Passw0rd!x"),
        (MULTIPART, part("email", b"c@b.cc") + FORM + END),
        (MULTIPART, part("email", b"c@b.cc", '; filename="x"') + FORM + END),
    ],
    ids=["urlencoded", "multipart", "as a file"],
)
def test_field_of_a_form_may_be_given_once(client: Client, content_type: str, body: bytes) -> None:
    answer = client.post("/auth/login", data=body, content_type=content_type)

    assert answer.status_code == 422
    assert answer.json == {
        "detail": "Проверьте введённые данные.",
        "errors": {"email": ["Поле указано несколько раз."]},
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"x=1&x=2&email=nobody@example.com&password=Passw0rd!x&x=3"),
        (URLENCODED, b"x&" * 10_000 + b"email=nobody@example.com&password=Passw0rd!x"),
        (MULTIPART, part("x", b"1") * 900 + FORM + END),
        (MULTIPART, part("x", b"1", '; filename="x"') * 2 + FORM + END),
        (JSON, b'{"x": 1, "email": "nobody@example.com", "password": "Passw0rd!x"}'),
    ],
    ids=["urlencoded", "20,000 bytes of them", "900 parts", "files", "JSON"],
)
def test_fields_that_the_call_does_not_name_are_ignored(
    client: Client, content_type: str, body: bytes
) -> None:
    answer = client.post("/auth/login", data=body, content_type=content_type)

    assert answer.status_code == 400
    assert answer.json == LOGIN_FAILED


def test_form_of_more_than_a_thousand_parts_is_too_large(client: Client) -> None:
    body = part("x", b"") * 1001 + FORM + END

    answer = client.post("/auth/login", data=body, content_type=MULTIPART)

    assert len(body) < 64 * 1024
    assert answer.status_code == 413
    assert answer.json == TOO_LARGE
