"""The commands: what they refuse to start with, and what they do without."""

import sqlite3
from pathlib import Path

import pytest

from tests.checkouts import Checkout
from tests.servers import SECRETS


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


REFUSED = {
    "a secret is missing": (
        {**SECRETS, "SECRET_JWT": ""},
        "SECRET_JWT is missing. Mend it with: flask secrets init",
    ),
    "a secret is short": (
        {**SECRETS, "SECRET_JWT_REFRESH": "hunter2"},
        "SECRET_JWT_REFRESH is shorter than 32 bytes. Mend it with: flask secrets init",
    ),
    "a setting is malformed": (
        {**SECRETS, "BCRYPT_ROUNDS": "twelve"},
        "BCRYPT_ROUNDS: Not a valid integer. The table of settings is in README.md.",
    ),
    "the database is none": (
        {**SECRETS, "DATABASE_URL": "hunter2"},
        "DATABASE_URL is no database URL.",
    ),
    "Flask debugs": (
        {**SECRETS, "FLASK_DEBUG": "1"},
        "FLASK_DEBUG is on: it would show tracebacks to clients.",
    ),
}


@pytest.mark.parametrize(("settings", "reason"), REFUSED.values(), ids=REFUSED)
def test_service_does_not_start_and_says_why_in_one_line(
    checkout: Checkout, settings: dict[str, str], reason: str
) -> None:
    ended = checkout.run("gunicorn", **settings)

    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"Error: {reason}\n")


@pytest.mark.parametrize(
    "arguments",
    [("db", "upgrade"), ("secrets", "init")],
    ids=" ".join,
)
def test_command_says_in_one_line_which_setting_is_malformed(
    checkout: Checkout, arguments: tuple[str, ...]
) -> None:
    ended = checkout.run("flask", *arguments, BCRYPT_ROUNDS="twelve")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "Error: BCRYPT_ROUNDS: Not a valid integer. The table of settings is in README.md.\n"
    )


def test_database_is_migrated_without_secrets(checkout: Checkout) -> None:
    ended = checkout.run("flask", "db", "upgrade")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "Upgraded to 0001: Users and sessions.\n"
    with sqlite3.connect(checkout.folder / "instance" / "workhub.db") as database:
        assert database.execute("SELECT count(*) FROM users").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:////nowhere/workhub.db", "unable to open database file"),
        (
            "postgresql://u:hunter2@127.0.0.1:1/d",
            'connection to server at "127.0.0.1", port 1 failed: Connection refused '
            "Is the server running on that host and accepting TCP/IP connections?",
        ),
    ],
    ids=["sqlite", "postgres"],
)
def test_migration_says_in_one_line_that_the_database_can_not_be_reached(
    checkout: Checkout, url: str, reason: str
) -> None:
    ended = checkout.run("flask", "db", "upgrade", DATABASE_URL=url)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"Error: The database can't be reached: {reason}\n"


def test_secrets_are_made_mended_and_then_fine(checkout: Checkout) -> None:
    before = checkout.run("flask", "secrets", "check")
    made = checkout.run("flask", "secrets", "init")
    after = checkout.run("flask", "secrets", "check")

    assert (before.returncode, before.stdout) == (1, "")
    assert before.stderr == "Error: SECRET_JWT is missing. Mend it with: flask secrets init\n"
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == (
        "SECRET_JWT: written to .env\n"
        "SECRET_JWT_REFRESH: written to .env\n"
        "SECRET_MANAGER: written to .env\n"
    )
    assert (after.returncode, after.stdout, after.stderr) == (0, "The secrets are fine.\n", "")


def test_short_secret_in_dotenv_is_mended_although_flask_reads_dotenv_too(
    checkout: Checkout,
) -> None:
    checkout.dotenv.write_text("SECRET_JWT=short\n")

    mended = checkout.run("flask", "secrets", "init")

    assert (mended.returncode, mended.stderr) == (0, "")
    assert "short" not in checkout.dotenv.read_text()
