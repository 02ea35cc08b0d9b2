"""The `flask` command: what people do who run WorkHub."""

from flask import Flask

from workhub.cli.maintain import maintain
from workhub.cli.secrets import secrets_cli
from workhub.cli.sessions import sessions_cli
from workhub.cli.users import users_cli


def init_app(app: Flask) -> None:
    """Add the commands."""
    for command in (users_cli, sessions_cli, secrets_cli, maintain):
        app.cli.add_command(command)
