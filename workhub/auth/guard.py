"""From the `Authorization` header to the caller: every rule about a presented token.

The order of its answers is documented: no token 400, a genuine but expired one 401, anything else
wrong with it 403, no such user 404.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, NamedTuple
from uuid import UUID

from flask import g, request
from flask_jwt_extended import get_jwt, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import ExpiredSignatureError, PyJWTError

from workhub.accounts import sessions
from workhub.accounts.tokens import TokenType
from workhub.extensions import now
from workhub.problems import Problem, ProblemType

REFRESH: Final = "refresh"
# The scheme's name ignores case (RFC 9110, 11.1); one token, no second credential (RFC 6750, 2).
_BEARER = re.compile(r"bearer +([^\s,]+)", re.IGNORECASE)


class Current(NamedTuple):
    """The caller: a user and the session of the token that was presented."""

    user_id: UUID
    session_id: UUID
    email: str
    name: str
    photo: str | None


class Presented(NamedTuple):
    """A genuine refresh token, not yet compared with its session."""

    user_id: UUID
    session_id: UUID
    jti: str


def access_token(view: Callable[..., Any]) -> Callable[..., Any]:
    """Call the view with the `Current` caller of a live session."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        user_id, session_id = _ids(_verify("access"))
        row = sessions.look_up(user_id, session_id, now())
        current = Current(user_id, session_id, row.email, row.name, row.photo)
        return view(current, *args, **kwargs)

    return guarded


def refresh_token(view: Callable[..., Any]) -> Callable[..., Any]:
    """Call the view with the `Presented` token; the rotation's own statement does the rest."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        claims = _verify(REFRESH)
        return view(Presented(*_ids(claims), claims["jti"]), *args, **kwargs)

    return guarded


def _verify(token_type: TokenType) -> dict[str, Any]:
    """The claims of the presented token, which is genuine and of this type."""
    bearer = _BEARER.fullmatch(request.headers.get("Authorization", "").strip())
    if bearer is None:
        raise Problem(ProblemType.AUTHORIZATION_MISSING)
    # The extension knows the scheme's name in this spelling alone.
    request.environ["HTTP_AUTHORIZATION"] = f"Bearer {bearer[1]}"
    g.token_type = token_type
    try:
        # Whether the session goes on is asked below, and for a refresh token by the rotation.
        verify_jwt_in_request(refresh=token_type == REFRESH, skip_revocation_check=True)
    except ExpiredSignatureError:
        raise Problem(ProblemType.TOKEN_EXPIRED) from None
    except (PyJWTError, JWTExtendedException, ValueError, KeyError, RecursionError):
        raise Problem(ProblemType.CREDENTIALS_INVALID) from None
    claims: dict[str, Any] = get_jwt()
    return claims


def _ids(claims: dict[str, Any]) -> tuple[UUID, UUID]:
    g.user_id, g.session_id = UUID(claims["sub"]), UUID(claims["sid"])
    return g.user_id, g.session_id
