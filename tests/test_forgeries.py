"""Forged tokens: what is no JWT, or has another signature, algorithm, key or header."""

import json
import socket
from collections.abc import Callable

import pytest

from tests.clients import Account, Client, Tokens
from tests.forgery import (
    KINDS,
    SECRET_OF,
    Kind,
    are_taken,
    claims_of,
    each,
    encode,
    forge,
    forge_both,
    header_of,
    present_both,
    sign,
)

REFUSED = dict.fromkeys(KINDS, (403, {"detail": "Не удалось подтвердить учетные данные."}))
SOMEBODY_ELSES = "a-secret-of-somebody-else-0123456789"


def test_what_is_signed_anew_without_a_change_is_taken(client: Client, account: Account) -> None:
    forged = forge_both(account.log_in())

    assert are_taken(client, forged)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        ".",
        "..",
        "...",
        "x.y",
        "x.y.z",
        "a.b.c.d",
        "a.b.c.d.e",
        "e30.e30.",
        "e30.e30.e30",
        "null.null.null",
        "é.é.é",
        '"quoted"',
        "=.=.=",
        "A" * 8000,
        "." * 8000,
    ],
    ids=lambda token: ascii(token[:12]),
)
def test_what_is_no_jwt_is_refused(client: Client, token: str) -> None:
    assert present_both(client, Tokens(token, token)) == REFUSED


def with_one_more_part(token: str) -> str:
    return f"{token}.{token.split('.')[2]}"


def without_signature(token: str) -> str:
    return token.rsplit(".", 1)[0]


def with_empty_signature(token: str) -> str:
    return f"{without_signature(token)}."


def with_half_a_signature(token: str) -> str:
    return token[:-20]


def with_another_first_character(token: str) -> str:
    head, mac = token.rsplit(".", 1)
    return f"{head}.{'B' if mac[0] == 'A' else 'A'}{mac[1:]}"


def with_a_longer_life(token: str) -> str:
    header, _, mac = token.split(".")
    claims = {**claims_of(token), "exp": claims_of(token)["exp"] + 1}
    return f"{header}.{encode(json.dumps(claims).encode())}.{mac}"


def with_another_header(token: str) -> str:
    _, payload, mac = token.split(".")
    return f"{encode(json.dumps({**header_of(token), 'x': 1}).encode())}.{payload}.{mac}"


@pytest.mark.parametrize(
    "broken",
    [
        with_one_more_part,
        without_signature,
        with_empty_signature,
        with_half_a_signature,
        with_another_first_character,
        with_a_longer_life,
        with_another_header,
    ],
)
def test_a_signature_fits_its_token_alone(
    client: Client, account: Account, broken: Callable[[str], str]
) -> None:
    tokens = account.log_in()

    forged = each(tokens, lambda token, _: broken(token))

    assert present_both(client, forged) == REFUSED


@pytest.mark.parametrize(
    "secret", [SOMEBODY_ELSES, "", "null"], ids=["somebody else's", "empty", "null"]
)
def test_another_secret_is_refused(client: Client, account: Account, secret: str) -> None:
    tokens = account.log_in()

    def signed_anew(token: str, _kind: str) -> str:
        header, claims = header_of(token), claims_of(token)
        return sign(json.dumps(header).encode(), json.dumps(claims).encode(), secret)

    forged = each(tokens, signed_anew)

    assert present_both(client, forged) == REFUSED


def test_the_secret_of_the_other_kind_is_refused(client: Client, account: Account) -> None:
    tokens = account.log_in()

    forged = Tokens(
        forge(tokens.access_token, "access", secret=SECRET_OF["refresh"]),
        forge(tokens.refresh_token, "refresh", secret=SECRET_OF["access"]),
    )

    assert present_both(client, forged) == REFUSED


@pytest.mark.parametrize(
    ("alg", "digest"),
    [
        ("none", "sha256"),
        ("None", "sha256"),
        ("", "sha256"),
        (None, "sha256"),
        ("hs256", "sha256"),
        ("HS384", "sha384"),
        ("HS512", "sha512"),
        ("HS512", "sha256"),
        ("HS256", "sha512"),
        ("RS256", "sha256"),
        ("ES256", "sha256"),
        ("EdDSA", "sha256"),
        (["HS256"], "sha256"),
        ({}, "sha256"),
        (256, "sha256"),
        (True, "sha256"),
    ],
    ids=repr,
)
def test_another_algorithm_is_refused_although_the_secret_is_right(
    client: Client, account: Account, alg: object, digest: str
) -> None:
    forged = forge_both(account.log_in(), header={"alg": alg}, digest=digest)

    assert present_both(client, forged) == REFUSED


def test_no_algorithm_needs_no_signature_and_is_refused(client: Client, account: Account) -> None:
    unsigned = forge_both(account.log_in(), header={"alg": "none"})

    stripped = each(unsigned, lambda token, _: with_empty_signature(token))

    assert present_both(client, stripped) == REFUSED


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "unknown"},
        {"kid": ""},
        {"kid": 1},
        {"kid": ["unknown"]},
        {"kid": {"k": "unknown"}},
        {"kid": "../../../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"typ": None},
        {"typ": ""},
        {"typ": "at+jwt"},
        {"typ": "JWE"},
        {"typ": 1},
        {"typ": ["JWT"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": "exp"},
        {"b64": False},
        {"b64": False, "crit": ["b64"]},
    ],
    ids=repr,
)
def test_a_header_that_names_another_key_or_form_is_refused(
    client: Client, account: Account, header: dict[str, object]
) -> None:
    forged = forge_both(account.log_in(), header=header)

    assert present_both(client, forged) == REFUSED


def test_the_key_of_the_other_kind_is_not_to_be_named(client: Client, account: Account) -> None:
    tokens = account.log_in()
    access, refresh = header_of(tokens.access_token), header_of(tokens.refresh_token)

    forged = Tokens(
        forge(tokens.access_token, "access", header={"kid": refresh["kid"]}),
        forge(tokens.refresh_token, "refresh", header={"kid": access["kid"]}),
    )

    assert present_both(client, forged) == REFUSED


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b'"HS256"',
        b"null",
        b"1",
        b"{",
        b"\xff\xfe",
        b"[" * 2500,
        b'{"alg":1' + b"0" * 5000,
    ],
    ids=lambda header: repr(header[:10]),
)
def test_a_header_that_is_no_object_is_refused(
    client: Client, account: Account, header: bytes
) -> None:
    tokens = account.log_in()

    def under_header(token: str, kind: Kind) -> str:
        return sign(header, json.dumps(claims_of(token)).encode(), SECRET_OF[kind])

    forged = each(tokens, under_header)

    assert present_both(client, forged) == REFUSED


def test_a_key_that_comes_with_the_token_is_ignored(client: Client, account: Account) -> None:
    tokens = account.log_in()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
        header = {
            "jwk": {"kty": "oct", "alg": "HS256", "k": encode(SOMEBODY_ELSES.encode())},
            "jku": url,
            "x5u": url,
            "x5c": [encode(SOMEBODY_ELSES.encode())],
        }

        with_their_key = forge_both(tokens, header=header, secret=SOMEBODY_ELSES)
        with_ours = forge_both(tokens, header=header)

        assert present_both(client, with_their_key) == REFUSED
        assert are_taken(client, with_ours)
        with pytest.raises(BlockingIOError):
            listener.accept()
