"""Normal forms: one address is one account however it is typed; what is a name; what is ignored."""

import base64
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from tests.clients import PASSWORD, Account, Client
from workhub.auth import schemas

TAKEN = {"detail": "Пользователь с такой почтой уже существует."}
NOT_AN_ADDRESS = {
    "detail": "Проверьте введённые данные.",
    "errors": {"email": ["Неверный адрес электронной почты."]},
}
BAD_LENGTH = {
    "detail": "Проверьте введённые данные.",
    "errors": {"name": ["Длина имени: от 1 до 100 символов."]},
}
BAD_CHARACTERS = {
    "detail": "Проверьте введённые данные.",
    "errors": {"name": ["Недопустимые символы."]},
}

NORMAL_FORMS = {
    "case of the local part": ("Ann@example.com", "ann@example.com"),
    "case of the domain": ("ann@EXAMPLE.Com", "ann@example.com"),
    "case beyond ASCII": ("ЖАННА@ПРИМЕР.РФ", "жанна@пример.рф"),
    "NFD": ("rene\u0301@example.com", "rené@example.com"),
    "NFD in upper case": ("RENE\u0301@EXAMPLE.COM", "rené@example.com"),
    "NFD of the domain": ("ann@cafe\u0301.example.com", "ann@café.example.com"),
    "the ASCII form of a domain": ("ann@xn--e1afmkfd.xn--p1ai", "ann@пример.рф"),
    "wide letters of a domain": ("ann@\uff45xample.com", "ann@example.com"),
    "the Kelvin sign": ("\u212aate@example.com", "kate@example.com"),
    "blanks around": (" \t\u00a0ann@example.com\r\n", "ann@example.com"),
    "a plus stays": ("Ann+Work@example.com", "ann+work@example.com"),
    "dots stay": ("A.N.N@example.com", "a.n.n@example.com"),
    "of tests": ("ann@example.test", "ann@example.test"),
    "of a home network": ("ann@printer.local", "ann@printer.local"),
    "254 characters": (
        "A" * 60 + "@" + ".".join(["d" * 63] * 2 + ["d" * 61]) + ".com",
        "a" * 60 + "@" + ".".join(["d" * 63] * 2 + ["d" * 61]) + ".com",
    ),
}


@pytest.mark.parametrize(("typed", "normal"), NORMAL_FORMS.values(), ids=NORMAL_FORMS)
def test_an_address_is_one_account_in_its_normal_form(
    client: Client, typed: str, normal: str
) -> None:
    assert client.register(typed).status_code == 201

    again = client.register(normal)

    assert again.status_code == 400
    assert again.json == TAKEN
    for address in (typed, normal):
        token = client.log_in(address).access_token
        assert client.get("/auth/me", token=token).json == {
            "name": "Ann",
            "email": normal,
            "photo": None,
        }


def test_addresses_that_only_look_alike_are_two_accounts(client: Client) -> None:
    addresses = [
        "finna@example.com",
        "finn\u0430@example.com",
        "\ufb01nna@example.com",
        "\uff46inna@example.com",
        "f.inna@example.com",
        "finna+1@example.com",
    ]

    answers = [client.register(address) for address in addresses]

    assert [answer.status_code for answer in answers] == [201] * 6


@pytest.mark.parametrize(
    "address",
    [
        "ann",
        "@",
        "ann@",
        "@example.com",
        "ann@localhost",
        "ann@test",
        "ann@local",
        "ann@b",
        "ann@example.com.",
        "ann@.com",
        "ann@exa mple.com",
        "ann@-example.com",
        "ann@exa_mple.com",
        "ann@127.0.0.1",
        "ann@[127.0.0.1]",
        "ann@@example.com",
        ".ann@example.com",
        "a..nn@example.com",
        "a nn@example.com",
        '"a nn"@example.com',
        "Ann <ann@example.com>",
        "ann@example.com, bob@example.com",
        "ann@example.com\nBcc: bob@example.com",
        "a\u200bnn@example.com",
        "a\0nn@example.com",
        "ann@example.com\0",
        "a" * 243 + "@example.com",
        "a" * 65000,
    ],
    ids=lambda address: ascii(address)[1:30],
)
def test_what_is_no_address_is_refused(client: Client, address: str) -> None:
    body = {"email": address, "name": "Ann", "password": PASSWORD}

    answers = [client.post(path, json=body) for path in ("/auth/register", "/auth/login")]

    for answer in answers:
        assert answer.status_code == 422
        assert answer.json == NOT_AN_ADDRESS


def normal_form(address: str) -> str | None:
    """The normal form of an address; None where it is none."""
    try:
        form: str = schemas.Email().deserialize(address)
    except ValidationError:
        return None
    return form


letters = st.characters(categories=["L", "M", "N"])
local_parts = st.text(letters | st.sampled_from(".+-_'İΣẞK"), min_size=1, max_size=20)
labels = st.text(letters | st.sampled_from("-İΣẞ"), min_size=1, max_size=10)
domains = st.sampled_from(["example.com", "EXAMPLE.test", "ПРИМЕР.рф", "xn--e1afmkfd.xn--p1ai"])
addresses = st.builds("{}@{}".format, local_parts, domains | st.builds("{}.com".format, labels))
quick = settings(max_examples=300, derandomize=True, database=None, deadline=None)


@quick
@given(st.emails() | addresses)
@example("İ" * 121 + "@example.com")
@example("İΣ\u0301@İx.com")
def test_the_normal_form_of_a_normal_form_is_itself(address: str) -> None:
    form = normal_form(address)

    assert form is None or normal_form(form) == form


@quick
@given(st.emails() | addresses)
def test_an_address_has_one_normal_form_whatever_its_unicode_form(address: str) -> None:
    composed = unicodedata.normalize("NFC", address)
    decomposed = unicodedata.normalize("NFD", address)

    assert normal_form(composed) == normal_form(decomposed)


@quick
@given(st.emails())
def test_an_address_has_one_normal_form_whatever_its_case(address: str) -> None:
    assert normal_form(address.upper()) == normal_form(address.lower())


NAMES = {
    "trimmed": (" \tAnn\u3000\r\n", "Ann"),
    "inner blanks stay": ("Ann  Lee", "Ann  Lee"),
    "1 character": ("A", "A"),
    "100 characters": ("я" * 100, "я" * 100),
    "100 characters and blanks around": (" " + "x" * 100 + " ", "x" * 100),
    "100 characters in 400 bytes": ("\U0001f600" * 100, "\U0001f600" * 100),
    "a family of joined characters": ("👩‍👩‍👧", "👩‍👩‍👧"),
    "as it is composed": ("Rene\u0301", "Rene\u0301"),
    "markup is text": ("<script>\"'&{{7*7}}%s{0}</script>", "<script>\"'&{{7*7}}%s{0}</script>"),
}


@pytest.mark.parametrize(("typed", "kept"), NAMES.values(), ids=NAMES)
def test_a_name_is_kept_trimmed_and_otherwise_as_it_was_typed(
    client: Client, account: Account, typed: str, kept: str
) -> None:
    token = account.log_in().access_token
    assert client.register("bob@example.com", typed).status_code == 201

    answer = client.patch("/auth/me", token=token, json={"name": typed})

    assert answer.status_code == 200
    bob = client.log_in("bob@example.com").access_token
    assert client.get("/auth/me", token=token).json["name"] == kept
    assert client.get("/auth/me", token=bob).json["name"] == kept


NO_NAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "empty": ("", BAD_LENGTH),
    "blank": (" \t\n\u00a0\u3000", BAD_LENGTH),
    "101 characters": ("x" * 101, BAD_LENGTH),
    "101 characters of 4 bytes": ("\U0001f600" * 101, BAD_LENGTH),
    "NUL": ("An\0n", BAD_CHARACTERS),
    "NUL at the end": ("Ann\0", BAD_CHARACTERS),
    "line feed": ("An\nn", BAD_CHARACTERS),
    "carriage return": ("An\rn", BAD_CHARACTERS),
    "tab": ("An\tn", BAD_CHARACTERS),
    "escape": ("An\x1b[31mn", BAD_CHARACTERS),
    "delete": ("An\x7fn", BAD_CHARACTERS),
    "C1": ("An\x9fn", BAD_CHARACTERS),
    "line separator": ("An\u2028n", BAD_CHARACTERS),
    "paragraph separator": ("An\u2029n", BAD_CHARACTERS),
}


@pytest.mark.parametrize(("name", "expected"), NO_NAMES.values(), ids=NO_NAMES)
def test_what_is_no_name_is_refused(
    client: Client, account: Account, name: str, expected: dict[str, Any]
) -> None:
    token = account.log_in().access_token

    registered = client.register("bob@example.com", name)
    renamed = client.patch("/auth/me", token=token, json={"name": name})

    assert (registered.status_code, registered.json) == (422, expected)
    assert (renamed.status_code, renamed.json) == (422, expected)
    assert client.get("/auth/me", token=token).json["name"] == "Ann"


OTHERS = {
    "id": "00000000-0000-4000-8000-000000000000",
    "photo": "../../etc/passwd",
    "created_at": "1999-01-01T00:00:00Z",
    "disabled_at": "1999-01-01T00:00:00Z",
    "password_hash": "$2b$04$.lM4g.5sAGZfVcFyXuWyxe2sBEzj4TrTGCZUhwcwmNtOjTk8y.mzq",
    "is_admin": True,
}


def subject(token: str) -> str:
    claims = token.split(".")[1]
    sub: str = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]
    return sub


def test_register_takes_no_field_that_it_does_not_name(client: Client) -> None:
    answer = client.post(
        "/auth/register",
        json={
            **OTHERS,
            "email": "ann@example.com",
            "name": "Ann",
            "password": "Other1!pass",
        },
    )

    assert answer.status_code == 201
    token = client.log_in(password="Other1!pass").access_token
    assert subject(token) != OTHERS["id"]
    assert client.get("/auth/me", token=token).json == {
        "name": "Ann",
        "email": "ann@example.com",
        "photo": None,
    }


def test_rename_takes_no_field_but_the_name(client: Client, account: Account) -> None:
    token = account.log_in().access_token

    answer = client.patch(
        "/auth/me",
        token=token,
        json={**OTHERS, "email": "eve@example.com", "password": "Other1!pass", "name": "Anna"},
    )

    assert answer.status_code == 200
    assert client.get("/auth/me", token=token).json == {
        "name": "Anna",
        "email": "ann@example.com",
        "photo": None,
    }
    assert subject(account.log_in().access_token) == subject(token)
