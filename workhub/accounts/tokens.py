"""The tokens of a session: issued here, and read with every claim checked.

Flask-JWT-Extended issues and reads them; its two methods below are made strict, since it takes any
`type` but "refresh" for an access token, does without `exp` and `jti`, and decodes three times.
Source: RFC 7519, RFC 8725.
"""

import hashlib
import json
import secrets
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Protocol
from uuid import UUID

import jwt as pyjwt
from flask import current_app, g
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token
from jwt.api_jws import PyJWS

from workhub.extensions import now

ALGORITHM: Final = "HS256"
NOT_BEFORE_LEEWAY_SECONDS: Final = 5  # two machines, two clocks
_SECRET_OF: Final = {"access": "SECRET_JWT", "refresh": "SECRET_JWT_REFRESH"}
_CLAIMS: Final = {
    "iss": str,
    "sub": str,
    "sid": str,
    "jti": str,
    "type": str,
    "iat": int,
    "nbf": int,
    "exp": int,
}
_YEAR_10000: Final = 253_402_300_800

TokenType = Literal["access", "refresh"]


class Issued(NamedTuple):
    """The pair of tokens that a log-in and a refresh answer, and whose it is."""

    access_token: str
    refresh_token: str
    user_id: UUID
    session_id: UUID


class SessionRow(Protocol):
    """What of a session its tokens are made from."""

    id: UUID
    user_id: UUID
    refresh_jti: str
    refresh_issued_at: datetime
    expires_at: datetime


class _JWT(JWTManager):
    def _encode_jwt_from_config(
        self,
        identity: Any,
        token_type: str,
        claims: Any = None,
        fresh: object = None,
        expires_delta: object = None,
        headers: object = None,
    ) -> str:
        secret = _secret(token_type)
        return pyjwt.encode(
            {
                "iss": current_app.config["JWT_ISSUER"],
                "sub": identity,
                "type": token_type,
                **claims,
            },
            secret,
            ALGORITHM,
            headers={"kid": _key_id(secret)},
        )

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: object = None, allow_expired: bool = False
    ) -> dict[str, Any]:
        """The claims of a token of the kind that `g.token_type` names.

        Raises:
            jwt.ExpiredSignatureError: it is genuine and past its `exp`.
            jwt.PyJWTError, ValueError, KeyError, RecursionError: anything else is wrong.
        """
        secret = _secret(g.token_type)
        token = PyJWS().decode_complete(encoded_token, secret, [ALGORITHM])
        header = token["header"]
        if header.get("kid", _key_id(secret)) != _key_id(secret) or header.get("typ") != "JWT":
            raise pyjwt.InvalidTokenError
        # Decoded by hand: json.loads guesses UTF-16 from bytes (RFC 8725, 3.7).
        claims: dict[str, Any] = json.loads(token["payload"].decode())
        if type(claims) is not dict or any(
            type(claims[name]) is not kind for name, kind in _CLAIMS.items()
        ):
            raise pyjwt.InvalidTokenError
        time = now().timestamp()
        if (
            claims["type"] != g.token_type
            or claims["iss"] != current_app.config["JWT_ISSUER"]
            or not all(0 <= claims[name] < _YEAR_10000 for name in ("iat", "nbf", "exp"))
            or claims["nbf"] > time + NOT_BEFORE_LEEWAY_SECONDS
            or any(str(UUID(claims[name])) != claims[name] for name in ("sub", "sid"))
            or not claims["jti"].isprintable()  # no database takes NUL or a lone surrogate
        ):
            raise pyjwt.InvalidTokenError
        if claims["exp"] <= time:
            raise pyjwt.ExpiredSignatureError
        return claims


jwt = _JWT()


def _secret(token_type: str) -> str:
    secret: str = current_app.config[_SECRET_OF[token_type]]
    return secret


def _key_id(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def new_jti() -> str:
    """128 random bits, as text."""
    return secrets.token_urlsafe(16)


def issue(session: SessionRow, time: datetime) -> Issued:
    """A new access token of a session, and its current refresh token.

    The refresh token is made from the row alone: it has the same bytes whoever asks for it again.
    No token outlives its session.
    """
    lifetime: timedelta = current_app.config["ACCESS_TOKEN_SECONDS"]
    user_id = str(session.user_id)

    def claims(jti: str, issued_at: datetime, expires_at: datetime) -> dict[str, Any]:
        issued = int(issued_at.timestamp())
        return {
            "sid": str(session.id),
            "jti": jti,
            "iat": issued,
            "nbf": issued,
            "exp": int(expires_at.timestamp()),
        }

    access = claims(new_jti(), time, min(time + lifetime, session.expires_at))
    refresh = claims(session.refresh_jti, session.refresh_issued_at, session.expires_at)
    return Issued(
        create_access_token(user_id, additional_claims=access),
        create_refresh_token(user_id, additional_claims=refresh),
        session.user_id,
        session.id,
    )
