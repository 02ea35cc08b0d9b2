"""flask secrets: what tokens are signed with."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import click
from dotenv import dotenv_values
from dotenv.parser import parse_stream
from flask.cli import AppGroup

import config

secrets_cli = AppGroup("secrets", help="The secrets that tokens are signed with.")


@secrets_cli.command()
def init() -> None:
    """Write each secret that is missing or unfit into .env, readable by its owner alone.

    Example: flask secrets init
    """
    unfit = config.unfit_secrets(config.load())
    for name, fault in unfit.items():
        if _is_set_outside_dotenv(name):
            raise config.SettingError(
                f"{name} {fault}, and comes from the environment or a file, which win over .env. "
                "Mend it there."
            )
    try:
        if unfit:
            _write_into_dotenv({name: secrets.token_urlsafe(32) for name in unfit})
        elif config.DOTENV.exists():
            config.DOTENV.chmod(0o600)
    except OSError as error:
        raise config.SettingError(f"{config.DOTENV} can't be written: {error.strerror}.") from None
    for name in config.SECRETS:
        click.echo(f"{name}: {'written to .env' if name in unfit else 'fine, kept'}")


@secrets_cli.command()
def check() -> None:
    """Say whether the service would start with these secrets.

    Example: flask secrets check
    """
    config.check_secrets(config.load())
    click.echo("The secrets are fine.")


def _is_set_outside_dotenv(name: str) -> bool:
    # The flask command itself copies .env into the environment.
    given = os.environ.get(name)
    set_outside = given and given != dotenv_values(config.DOTENV).get(name)
    return bool(set_outside or config.environment().get(f"{name}_FILE"))


def _write_into_dotenv(values: Mapping[str, str]) -> None:
    """Set these names in .env and keep its other lines; the file is whole at every moment."""
    text = ""
    missing = dict(values)
    old = config.DOTENV.read_text(encoding="utf-8") if config.DOTENV.exists() else ""
    for line in parse_stream(StringIO(old)):
        written = line.original.string
        if line.key and line.key in values:
            blank_lines = written[: -len(written.lstrip())]
            written = f"{blank_lines}{line.key}={values[line.key]}\n"
            missing.pop(line.key, None)
        text += written
    if text and not text.endswith("\n"):
        text += "\n"
    text += "".join(f"{name}={value}\n" for name, value in missing.items())
    # mkstemp makes it readable by its owner alone.
    descriptor, path = tempfile.mkstemp(prefix=".env.", dir=config.DOTENV.parent)
    temporary = Path(path)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(config.DOTENV)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
