"""Claims: each is there, of its type and in its form, or the token is refused."""

import json

import pytest

from tests.clients import Account, Client, Tokens
from tests.forgery import (
    KINDS,
    Kind,
    are_taken,
    claims_of,
    each,
    forge,
    forge_both,
    present_both,
)

REFUSED = dict.fromkeys(KINDS, (403, {"detail": "Не удалось подтвердить учетные данные."}))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"{",
        b"[]",
        b'["sub", "sid"]',
        b'"sub"',
        b"1",
        b"null",
        b"true",
        b"NaN",
        b"[" * 2500,
        b'{"exp":' * 700,
        b"\x00",
        b"\xff\xfe\xfd",
    ],
    ids=lambda payload: repr(payload[:12]),
)
def test_a_payload_that_is_no_object_of_claims_is_refused(
    client: Client, account: Account, payload: bytes
) -> None:
    forged = forge_both(account.log_in(), payload=payload)

    assert present_both(client, forged) == REFUSED


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1251"]
)
def test_a_payload_in_another_encoding_is_refused(
    client: Client, account: Account, encoding: str
) -> None:
    tokens = account.log_in()

    def reencoded(token: str, kind: Kind) -> str:
        claims = json.dumps({**claims_of(token), "name": "Анна"}, ensure_ascii=False)
        return forge(token, kind, payload=claims.encode(encoding))

    forged = each(tokens, reencoded)

    assert present_both(client, forged) == REFUSED


CLAIMS = ["iss", "sub", "sid", "jti", "type", "iat", "nbf", "exp"]


@pytest.mark.parametrize("claim", CLAIMS)
def test_each_claim_is_required(client: Client, account: Account, claim: str) -> None:
    forged = forge_both(account.log_in(), without=[claim])

    assert present_both(client, forged) == REFUSED


NO_TEXT: list[object] = [None, True, 1, 1.5, [], ["workhub"], {}, {"workhub": 1}]
NO_ID: list[object] = [
    *NO_TEXT,
    "",
    "1",
    "None",
    "ann@example.com",
    "0000-4000-8000",
    "' OR 1=1 --",
]
NO_TIME: list[object] = [
    *(None, True, False, [2_000_000_000], {}),
    *("2000000000", 2_000_000_000.0, 1e300, float("inf"), float("nan")),
    *(2**63, 2**70, -1, -(2**70)),
]
WRONG: dict[str, list[object]] = {
    "iss": [*NO_TEXT, "", "Workhub", "workhub ", "https://example.com"],
    "sub": NO_ID,
    "sid": NO_ID,
    "jti": [*NO_TEXT, "\0", "\ud800"],
    "type": [*NO_TEXT, "", "verify", "Access", "REFRESH", "access ", "refresh\0"],
    "iat": NO_TIME,
    "nbf": NO_TIME,
    "exp": NO_TIME,
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_of_another_type_or_form_is_refused(
    client: Client, account: Account, claim: str
) -> None:
    tokens = account.log_in()

    answers = {
        ascii(value): present_both(client, forge_both(tokens, **{claim: value}))
        for value in WRONG[claim]
    }

    assert answers == dict.fromkeys(answers, REFUSED)


@pytest.mark.parametrize("claim", ["iat", "nbf", "exp"])
def test_a_time_of_5000_digits_is_refused(client: Client, account: Account, claim: str) -> None:
    tokens = account.log_in()

    def with_digits(token: str, kind: Kind) -> str:
        payload = json.dumps({**claims_of(token), claim: 0}).replace(
            f'"{claim}": 0', f'"{claim}": {"9" * 5000}'
        )
        return forge(token, kind, payload=payload.encode())

    forged = each(tokens, with_digits)

    assert present_both(client, forged) == REFUSED


@pytest.mark.parametrize("claim", ["sub", "sid"])
@pytest.mark.parametrize(
    "spelling",
    ["upper", "{{{}}}", "urn:uuid:{}", " {}", "hex"],
    ids=["upper case", "braces", "urn", "space", "no hyphens"],
)
def test_an_id_has_one_spelling(
    client: Client, account: Account, claim: str, spelling: str
) -> None:
    tokens = account.log_in()
    uuid = claims_of(tokens.access_token)[claim]
    other = {"upper": uuid.upper(), "hex": uuid.replace("-", "")}.get(
        spelling, spelling.format(uuid)
    )

    forged = forge_both(tokens, **{claim: other})

    assert present_both(client, forged) == REFUSED


def test_the_kinds_are_not_exchanged(client: Client, account: Account) -> None:
    tokens = account.log_in()

    exchanged = Tokens(tokens.refresh_token, tokens.access_token)
    renamed = Tokens(
        forge(tokens.access_token, "access", type="refresh"),
        forge(tokens.refresh_token, "refresh", type="access"),
    )

    assert present_both(client, exchanged) == REFUSED
    assert present_both(client, renamed) == REFUSED


def test_claims_that_nobody_asks_for_are_ignored(client: Client, account: Account) -> None:
    forged = forge_both(account.log_in(), aud="somebody", admin=True, csrf="x")

    assert are_taken(client, forged)
