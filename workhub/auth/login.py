"""Calls on log-ins: log in, refresh, log out."""

from ipaddress import ip_address
from typing import Final

from flask import g, request

from workhub.accounts import sessions, users
from workhub.accounts.tokens import Issued
from workhub.auth import guard, schemas
from workhub.auth.blueprint import auth
from workhub.auth.guard import Current, Presented

USER_AGENT_MAX_CHARACTERS: Final = 256


@auth.post("/login")
@auth.arguments(schemas.Credentials, location="json_or_form", as_kwargs=True)
@auth.response(200, schemas.Tokens)
def login(email: str, password: str) -> Issued:
    """Log in: a new session, and its first two tokens."""
    issued = users.log_in(email, password, _ip(), _user_agent())
    g.user_id, g.session_id = issued.user_id, issued.session_id
    return issued


@auth.post("/refresh")
@guard.refresh_token
@auth.response(200, schemas.Tokens)
def refresh(presented: Presented) -> Issued:
    """Spend a refresh token on a new one and an access token."""
    return sessions.rotate(*presented, _ip(), _user_agent())


@auth.get("/logout")
@guard.access_token
@auth.response(200, schemas.Detail)
def logout(current: Current) -> dict[str, str]:
    """End this log-in; its tokens are refused from now on."""
    sessions.log_out(current.user_id, current.session_id)
    return {"detail": schemas.DONE}


def _ip() -> str | None:
    """The client's address; none over a Unix socket, or where a proxy has said something else."""
    try:
        # Without the zone of a link-local address, which may be of any length.
        return str(ip_address((request.remote_addr or "").partition("%")[0]))
    except ValueError:
        return None


def _user_agent() -> str | None:
    return request.headers.get("User-Agent", "")[:USER_AGENT_MAX_CHARACTERS] or None
