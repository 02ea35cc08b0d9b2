"""The `flask` command: what people do who run WorkHub."""

import os
import re
import secrets

import click
from dotenv import dotenv_values
from flask import Flask
from flask.cli import AppGroup

import config

secrets_cli = AppGroup("secrets", help="The secrets that tokens are signed with.")


@secrets_cli.command()
def init() -> None:
    """Write each secret that is missing or unfit into .env, readable by its owner alone."""
    unfit = config.unfit_secrets(config.load())
    elsewhere = [name for name in unfit if _is_set_outside_dotenv(name)]
    if elsewhere:
        raise config.SettingError(
            f"{elsewhere[0]} {unfit[elsewhere[0]]}, and comes from the environment or a file, "
            "which win over .env. Mend it there."
        )
    if unfit:
        _write_into_dotenv({name: secrets.token_urlsafe(32) for name in unfit})
    for name in config.SECRETS:
        click.echo(f"{name}: {'written to .env' if name in unfit else 'fine, kept'}")


@secrets_cli.command()
def check() -> None:
    """Say whether the service would start with these secrets."""
    config.check_secrets(config.load())
    click.echo("The secrets are fine.")


def _is_set_outside_dotenv(name: str) -> bool:
    inside = dotenv_values(config.DOTENV)
    # The flask command itself copies .env into the environment.
    set_outside = os.environ.get(name) and os.environ[name] != inside.get(name)
    return bool(set_outside or config.environment().get(f"{name}_FILE"))


def _write_into_dotenv(values: dict[str, str]) -> None:
    """Set these names in .env and keep its other lines; the file is whole at every moment."""
    old = config.DOTENV.read_text(encoding="utf-8") if config.DOTENV.exists() else ""
    names = "|".join(values)
    kept = [
        line for line in old.splitlines() if not re.match(rf"\s*(export\s+)?({names})\s*=", line)
    ]
    lines = kept + [f"{name}={value}" for name, value in values.items()]
    temporary = config.DOTENV.with_name(f".env.{os.getpid()}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    temporary.replace(config.DOTENV)


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(secrets_cli)
