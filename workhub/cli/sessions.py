"""flask sessions: the log-ins of an account."""

from uuid import UUID

import click

from workhub.accounts import sessions, users
from workhub.cli.terminal import Commands, answer, answer_rows, as_json, confirm, yes
from workhub.cli.users import address
from workhub.problems import Problem, ProblemType

sessions_cli = Commands("sessions", help="The log-ins of an account.")

COLUMNS = ["id", "created_at", "last_used_at", "expires_at", "ip", "user_agent"]


@sessions_cli.command("list")
@address
@as_json
def list_live(email: str, as_json: bool) -> None:
    """List the live sessions of an account, newest use first. The id is the tokens' `sid`.

    Example: flask sessions list ann@example.com
    """
    rows = sessions.live(users.find(email).id)
    answer_rows((row._asdict() for row in rows), COLUMNS, as_json)


@sessions_cli.command()
@address
@click.argument("session_id", metavar="[ID]", type=click.UUID, required=False)
@yes
@as_json
def end(email: str, session_id: UUID | None, yes: bool, as_json: bool) -> None:
    """End one session of an account, or all of them.

    Example: flask sessions end ann@example.com --yes
    """
    user = users.find(email)
    which = "all sessions" if session_id is None else f"the session {session_id}"
    confirm(f"End {which} of {email}?", yes)
    if session_id is None:
        ended = sessions.end_each(user.id, "operator")
    elif sessions.end(user.id, session_id, "operator"):
        ended = 1
    else:
        raise Problem(ProblemType.SESSION_NOT_FOUND)
    answer(
        {"email": email, "sessions_ended": ended},
        f"Sessions of {email} ended: {ended}.",
        as_json,
    )
