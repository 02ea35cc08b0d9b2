"""flask users: accounts, one by one and many at once."""

from typing import Any

import click
from marshmallow import ValidationError

from workhub.accounts import users
from workhub.auth import schemas
from workhub.cli import terminal
from workhub.cli.imports import import_users
from workhub.cli.seeds import seed
from workhub.cli.terminal import (
    Commands,
    answer,
    answer_rows,
    as_json,
    checked,
    confirm,
    flaws,
    yes,
)

users_cli = Commands("users", help="Accounts.")
users_cli.command()(seed)
users_cli.command("import")(import_users)

COLUMNS = ["id", "email", "name", "photo", "created_at", "disabled_at"]


class _Address(click.ParamType[str]):
    """An e-mail address, taken in its normal form."""

    name = "email"

    def convert(self, value: str, param: Any, ctx: Any) -> str:
        try:
            email: str = schemas.Address().load({"email": value})["email"]
        except ValidationError as error:
            self.fail(flaws(error), param, ctx)
        return email


address = click.argument("email", type=_Address())


@users_cli.command()
@address
@click.option("--name", required=True, help="The person's name.")
@as_json
def create(email: str, name: str, as_json: bool) -> None:
    """Add an account. The password is asked for, or is the first line of a pipe.

    Example: flask users create ann@example.com --name Ann
    """
    values = {"email": email, "name": name, "password": terminal.password()}
    users.register(**checked(schemas.Registration(), values))
    user = users.find(email)
    answer(_told(user), f"{user.email} may log in.", as_json)


@users_cli.command("list")
@as_json
def list_all(as_json: bool) -> None:
    """List all accounts by address.

    Example: flask users list --json | jq length
    """
    answer_rows((_told(user) for user in users.everyone()), COLUMNS, as_json)


@users_cli.command()
@address
@as_json
def show(email: str, as_json: bool) -> None:
    """Show one account.

    Example: flask users show ann@example.com
    """
    user = _told(users.find(email))
    if as_json:
        answer(user, "", as_json)
    else:
        rows = [{"field": field, "value": value} for field, value in user.items()]
        answer_rows(rows, ["field", "value"], as_json)


@users_cli.command("set-password")
@address
@yes
@as_json
def set_password(email: str, yes: bool, as_json: bool) -> None:
    """Give an account another password and end its sessions.

    Example: flask users set-password ann@example.com
    """
    user = users.find(email)
    confirm(f"Replace the password of {email} and end all of its sessions?", yes)
    values = {"email": email, "password": terminal.password()}
    ended = users.set_password(user.id, checked(schemas.Credentials(), values)["password"])
    answer(
        {"email": email, "sessions_ended": ended},
        f"{email} has a new password; sessions ended: {ended}.",
        as_json,
    )


@users_cli.command()
@address
@as_json
def disable(email: str, as_json: bool) -> None:
    """Refuse log-ins of an account and end its sessions.

    Example: flask users disable ann@example.com
    """
    ended = users.disable(users.find(email).id)
    answer(
        {"email": email, "sessions_ended": ended},
        f"{email} is disabled; sessions ended: {ended}.",
        as_json,
    )


@users_cli.command()
@address
@as_json
def enable(email: str, as_json: bool) -> None:
    """Let a disabled account log in again.

    Example: flask users enable ann@example.com
    """
    users.enable(users.find(email).id)
    answer({"email": email}, f"{email} may log in again.", as_json)


@users_cli.command()
@address
@yes
@as_json
def delete(email: str, yes: bool, as_json: bool) -> None:
    """Delete an account, its sessions and its photo. There is no way back.

    Example: flask users delete ann@example.com
    """
    user = users.find(email)
    confirm(f"Delete {email} for good?", yes)
    users.remove(user.id)
    answer({"email": email}, f"{email} is deleted.", as_json)


def _told(user: Any) -> dict[str, Any]:
    return {column: getattr(user, column) for column in COLUMNS}
