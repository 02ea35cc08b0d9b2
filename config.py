"""The settings: environment and `.env` in, checked `app.config` out.

Nothing else reads the environment. The environment wins over `.env`; an empty value counts as none.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
from dotenv import dotenv_values
from environs import Env, EnvValidationError, ValidationError, validate
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

ROOT: Final = Path(__file__).resolve().parent
DOTENV: Final = ROOT / ".env"
SECRETS: Final = ("SECRET_JWT", "SECRET_JWT_REFRESH", "SECRET_MANAGER")
SECRET_MIN_BYTES: Final = 32
BODY_LIMIT_BYTES: Final = 64 * 1024
# On macOS nobody can say which cores a process may use.
CORES: Final = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
)
# Connections of a worker to the database. Nobody holds one while a password is hashed.
CONNECTIONS: Final = 8
# Threads of a worker: those who wait for a hash leave enough for those who only read.
THREADS: Final = 32
# A database that is gone or stuck is answered within three seconds.
DATABASE_TIMEOUT_SECONDS: Final = 2

_HOST_AND_PORT = re.compile(r"(?:[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
_MAX_PORT = 65535
_FROM_FILE = frozenset({*SECRETS, "POSTGRES_PASSWORD", "DATABASE_URL"})


class SettingError(click.ClickException):
    """A setting that the service can't start with, said in one line that names it."""


class _Environment(Env):
    """environs over a given mapping instead of `os.environ`, so that a test can hand in its own."""

    def __init__(self, values: Mapping[str, str | None]) -> None:
        super().__init__()
        self._given = values

    def _get_value(self, env_key: str, default: Any) -> Any:
        file_key = f"{env_key}_FILE"
        if env_key in _FROM_FILE and (path := self._given.get(file_key)):
            return _content(file_key, path)
        text = self._given.get(env_key) or ""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise SettingError(f"{env_key} is not UTF-8.") from None
        return text or default


def _content(name: str, path: str) -> str:
    """The text of a secret's file. No message tells the path: it may be the secret, misplaced."""
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise SettingError(f"{name} names a file that can't be read.") from None
    if not text:
        raise SettingError(f"{name} names a file that is empty.")
    return text


def environment() -> dict[str, str | None]:
    """The settings as text: `.env` beside this file, below what the environment says."""
    try:
        values = dotenv_values(DOTENV)
    except (OSError, UnicodeDecodeError):
        raise SettingError(f"{DOTENV} can't be read.") from None
    given = {name: value for name, value in os.environ.items() if value}
    for name in _FROM_FILE:  # given one way, it does not come from `.env` the other way
        if not given.keys().isdisjoint({name, f"{name}_FILE"}):
            values = {key: values[key] for key in values if key not in (name, f"{name}_FILE")}
    return {**values, **given}


def load(values: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """Read and check all settings but the secrets, which not every command needs.

    Args:
        values: names and texts in place of the environment and `.env`.
    Returns:
        What goes into `app.config`: the settings under their own names (durations as
        `timedelta`), and what the extensions read.
    Raises:
        SettingError: names the first setting that is malformed.
    """
    env = _Environment(environment() if values is None else values)
    try:
        settings = _settings(env)
        url = _database_url(env)
    except EnvValidationError as error:
        name = str(error).split('"')[1]
        reason = " ".join(error.error_messages)
        raise SettingError(f"{name}: {reason} The table of settings is in README.md.") from None
    settings["SQLALCHEMY_DATABASE_URI"] = url
    settings["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(url)
    return settings


def _settings(env: _Environment) -> dict[str, Any]:
    def whole(name: str, default: int, low: int, high: int) -> int:
        number: int = env.int(name, default, validate=validate.Range(low, high))
        return number

    def seconds(name: str, default: int, low: int, high: int) -> timedelta:
        return timedelta(seconds=whole(name, default, low, high))

    year = 366 * 86400
    return {
        **{name: env.str(name, None) for name in SECRETS},
        "SECRET_KEY": env.str("SECRET_MANAGER", None),
        "ACCESS_TOKEN_SECONDS": seconds("ACCESS_TOKEN_SECONDS", 1800, 1, year),
        "REFRESH_TOKEN_SECONDS": seconds("REFRESH_TOKEN_SECONDS", 1209600, 1, year),
        "REFRESH_REUSE_SECONDS": seconds("REFRESH_REUSE_SECONDS", 10, 0, 300),
        "SESSION_MAX_DAYS": timedelta(days=whole("SESSION_MAX_DAYS", 90, 1, 3660)),
        "JWT_ISSUER": env.str("JWT_ISSUER", "workhub"),
        "BCRYPT_ROUNDS": whole("BCRYPT_ROUNDS", 12, 4, 16),
        "UPLOAD_FOLDER": ROOT / env.str("UPLOAD_FOLDER", "uploads"),
        "MAX_UPLOAD_BYTES": whole("MAX_UPLOAD_BYTES", 10 * 1024 * 1024, 1024, 100 * 1024 * 1024),
        "MAX_UPLOAD_PIXELS": whole("MAX_UPLOAD_PIXELS", 50_000_000, 10_000, 100_000_000),
        "PUBLIC_URL": env.str(
            "PUBLIC_URL",
            "http://127.0.0.1:8000",
            validate=validate.URL(schemes={"http", "https"}, require_tld=False),
        ).rstrip("/"),
        "WORKHUB_BIND": env.str("WORKHUB_BIND", "127.0.0.1:8000", validate=_check_bind),
        "TRUSTED_PROXIES": whole("TRUSTED_PROXIES", 0, 0, 10),
        "LOG_LEVEL": env.str(
            "LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])
        ),
        "DEBUG": env.bool("FLASK_DEBUG", False),
        # Flask and its extensions
        "MAX_CONTENT_LENGTH": BODY_LIMIT_BYTES,
        "PROVIDE_AUTOMATIC_OPTIONS": False,
        "API_TITLE": "WorkHub",
        "API_VERSION": "1",
        "OPENAPI_VERSION": "3.1.0",
    }


def _check_bind(bind: str) -> None:
    host_and_port = _HOST_AND_PORT.fullmatch(bind)
    fits = bind.startswith("unix:/") or (host_and_port and 0 < int(host_and_port[1]) <= _MAX_PORT)
    if not fits:
        raise ValidationError("Neither host:port nor unix:/path.")


def _database_url(env: _Environment) -> URL:
    """`DATABASE_URL`, else PostgreSQL where `POSTGRES_DB` names one, else SQLite in `instance/`.

    `HOST` and `PORT` alone choose nothing: hosting platforms set them for the web server.
    """
    if given := env.str("DATABASE_URL", None):
        try:
            url = make_url(given)
        except (ArgumentError, ValueError):
            raise SettingError("DATABASE_URL is no database URL.") from None
        backend = url.get_backend_name()
        if backend in ("postgres", "postgresql"):
            return url.set(drivername="postgresql+psycopg2")
        if backend != "sqlite":
            raise SettingError("DATABASE_URL begins neither with postgresql:// nor with sqlite://.")
        if url.database in (None, "", ":memory:"):  # one for each connection, all empty
            raise SettingError("DATABASE_URL names no file: SQLite needs one.")
        return url.set(drivername="sqlite")
    if not (name := env.str("POSTGRES_DB", None)):
        return URL.create("sqlite", database="workhub.db")
    missing = [k for k in ("POSTGRES_USER", "POSTGRES_PASSWORD", "HOST") if not env.str(k, None)]
    if missing:
        raise SettingError(f"{missing[0]} is missing: POSTGRES_DB needs it.")
    port = env.int("PORT", 5432, validate=validate.Range(1, _MAX_PORT))
    return URL.create(
        "postgresql+psycopg2",
        env.str("POSTGRES_USER"),
        env.str("POSTGRES_PASSWORD"),
        env.str("HOST"),
        port,
        name,
    )


def _engine_options(url: URL) -> dict[str, Any]:
    options: dict[str, Any] = {
        # A statement is a transaction and one round trip; `extensions.transaction` does several.
        "isolation_level": "AUTOCOMMIT",
        "hide_parameters": True,  # else an exception's text holds addresses and hashes
        "pool_size": CONNECTIONS,
        "max_overflow": 0,
        "pool_timeout": DATABASE_TIMEOUT_SECONDS,
    }
    if url.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": DATABASE_TIMEOUT_SECONDS}
    else:
        options["connect_args"] = {
            "connect_timeout": DATABASE_TIMEOUT_SECONDS,
            "tcp_user_timeout": DATABASE_TIMEOUT_SECONDS * 1000,
            "options": f"-c statement_timeout={DATABASE_TIMEOUT_SECONDS * 1000}",
            "application_name": "workhub",
        }
    return options


def unfit_secrets(settings: Mapping[str, Any]) -> dict[str, str]:
    """The secrets that tokens can't be trusted with, and what is wrong with each.

    Source: RFC 7518, 3.2 (a key of at least the hash's size); RFC 8725, 3.5.
    """
    unfit: dict[str, str] = {}
    seen: dict[str, str] = {}
    for name in SECRETS:
        secret = settings[name]
        if not secret:
            unfit[name] = "is missing"
        elif len(secret.encode()) < SECRET_MIN_BYTES:
            unfit[name] = f"is shorter than {SECRET_MIN_BYTES} bytes"
        elif secret in seen:
            unfit[name] = f"is the same as {seen[secret]}"
        else:
            seen[secret] = name
    return unfit


def check_secrets(settings: Mapping[str, Any]) -> None:
    """Refuse unfit secrets.

    Raises:
        SettingError: names the first one and the command that mends it.
    """
    for name, fault in unfit_secrets(settings).items():
        raise SettingError(f"{name} {fault}. Mend it with: flask secrets init")


def check_service(settings: Mapping[str, Any]) -> None:
    """Refuse what a service must not start with.

    Raises:
        SettingError: names the first bad secret, the folder that no photo can be written to, or
            Flask's debug mode.
    """
    check_secrets(settings)
    folder: Path = settings["UPLOAD_FOLDER"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise SettingError(f"UPLOAD_FOLDER: {folder} is no folder that can be written to.")
    if settings["DEBUG"]:
        raise SettingError("FLASK_DEBUG is on: it would show tracebacks to clients.")
