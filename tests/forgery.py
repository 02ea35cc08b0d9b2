"""Tokens made by hand (RFC 7515), with the secrets of the tests: genuine, but for what is changed.

No library stands between a test and the bytes, since most of these no library would make.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection
from typing import Any, Literal

from tests.clients import Client, Tokens
from tests.servers import SECRETS

Kind = Literal["access", "refresh"]
KINDS: tuple[Kind, Kind] = ("access", "refresh")
SECRET_OF = {"access": SECRETS["SECRET_JWT"], "refresh": SECRETS["SECRET_JWT_REFRESH"]}


def encode(segment: bytes) -> str:
    return urlsafe_b64encode(segment).rstrip(b"=").decode()


def decode(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def header_of(token: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(decode(token.split(".")[0]))
    return header


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(decode(token.split(".")[1]))
    return claims


def sign(header: bytes, payload: bytes, secret: str, digest: str = "sha256") -> str:
    """A token of any header and payload, with a signature that fits them."""
    signed = f"{encode(header)}.{encode(payload)}"
    return f"{signed}.{encode(hmac.digest(secret.encode(), signed.encode(), digest))}"


def forge(
    token: str,
    kind: Kind,
    *,
    header: dict[str, Any] | None = None,
    payload: bytes | None = None,
    secret: str | None = None,
    digest: str = "sha256",
    without: Collection[str] = (),
    **claims: Any,
) -> str:
    """The same token, signed anew after a change.

    Args:
        header: members to add or replace; None removes one.
        payload: in place of the claims.
        secret: in place of the one of its kind.
        without: claims to leave out.
        claims: to add or replace.
    """
    members = {**header_of(token), **(header or {})}
    kept = {name: value for name, value in members.items() if value is not None}
    changed = {k: v for k, v in {**claims_of(token), **claims}.items() if k not in without}
    return sign(
        json.dumps(kept).encode(),
        json.dumps(changed).encode() if payload is None else payload,
        secret or SECRET_OF[kind],
        digest,
    )


def of_kind(tokens: Tokens, kind: Kind) -> str:
    return tokens.access_token if kind == "access" else tokens.refresh_token


def each(tokens: Tokens, change: Callable[[str, Kind], str]) -> Tokens:
    """Both tokens of a pair, changed."""
    return Tokens(change(tokens.access_token, "access"), change(tokens.refresh_token, "refresh"))


def forge_both(tokens: Tokens, **change: Any) -> Tokens:
    return each(tokens, lambda token, kind: forge(token, kind, **change))


def present(client: Client, kind: Kind, token: str) -> tuple[int, Any]:
    """What a call that asks for a token of this kind answers: status and body."""
    method, path = {"access": ("GET", "/auth/me"), "refresh": ("POST", "/auth/refresh")}[kind]
    answer = client.request(method, path, token=token)
    return answer.status_code, answer.json


def present_both(client: Client, tokens: Tokens) -> dict[Kind, tuple[int, Any]]:
    return {kind: present(client, kind, of_kind(tokens, kind)) for kind in KINDS}


def are_taken(client: Client, tokens: Tokens) -> bool:
    return all(status == 200 for status, _ in present_both(client, tokens).values())
