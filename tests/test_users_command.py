"""flask users and flask sessions: what an operator types, and what comes back."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from tests.clients import PASSWORD, Account, Client, Clock
from workhub.accounts.models import User
from workhub.extensions import db

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    """Runs `flask` with these words; `typed` comes through a pipe."""

    def flask(*words: str, typed: str = "") -> Result:
        return app.test_cli_runner().invoke(args=list(words), input=typed)

    return flask


def stored(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context(), db.engine.connect() as connection:
        rows = connection.execute(
            select(User.email, User.name, User.password_hash).order_by(User.email)
        )
        return [tuple(row) for row in rows]


def test_a_created_account_can_log_in(client: Client, run: Run) -> None:
    created = run("users", "create", "Ann@Example.com", "--name", "Ann", typed=PASSWORD + "\n")

    assert (created.exit_code, created.output) == (0, "ann@example.com may log in.\n")
    assert client.log_in("ann@example.com").access_token


def test_a_created_account_is_told_in_json(clock: Clock, run: Run) -> None:
    created = run("users", "create", "ann@example.com", "--name", "Анна", "--json", typed=PASSWORD)

    told = json.loads(created.output)
    assert told.pop("id")
    assert told == {
        "email": "ann@example.com",
        "name": "Анна",
        "photo": None,
        "created_at": "2031-05-04T03:02:01.500000Z",
        "disabled_at": None,
    }


@pytest.mark.parametrize(
    ("words", "typed", "status", "error"),
    [
        (
            ["create", "ann@example.com", "--name", "A"],
            PASSWORD,
            1,
            "This e-mail address is taken.",
        ),
        (
            ["create", "bob@example.com", "--name", "B"],
            "short",
            1,
            "The password needs at least 8 characters.",
        ),
        (
            ["create", "bob@example.com", "--name", " "],
            PASSWORD,
            1,
            "Some fields are not valid. name: A name has 1 to 100 characters.",
        ),
        (["create", "bob@example.com"], PASSWORD, 2, "Missing option '--name'."),
        (["show", "eve@example.com"], "", 1, "There is no such user."),
        (["show", "eve"], "", 2, "Invalid value for 'EMAIL': email: This is no e-mail address."),
        (["set-password", "eve@example.com", "--yes"], PASSWORD, 1, "There is no such user."),
        (
            ["set-password", "ann@example.com", "--yes"],
            "Passw0rdx",
            1,
            "The password needs a special character.",
        ),
        (["disable", "eve@example.com"], "", 1, "There is no such user."),
        (["enable", "eve@example.com"], "", 1, "There is no such user."),
        (["delete", "eve@example.com", "--yes"], "", 1, "There is no such user."),
        (["delete", "ann@example.com"], "y\n", 2, "There is no terminal to ask at: add --yes."),
        (
            ["set-password", "ann@example.com"],
            "y\n",
            2,
            "There is no terminal to ask at: add --yes.",
        ),
        (["seed", "0"], "", 2, "Invalid value for 'COUNT': 0 is not in the range 1<=x<=10000000."),
        (["no-such-command"], "", 2, "No such command 'no-such-command'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_refusal_is_one_line_and_changes_nothing(
    app: Flask,
    account: Account,
    run: Run,
    words: list[str],
    typed: str,
    status: int,
    error: str,
) -> None:
    before = stored(app)

    refused = run("users", *words, typed=typed)

    assert (refused.exit_code, refused.stdout) == (status, "")
    assert refused.stderr.splitlines()[-1] == f"Error: {error}"
    assert stored(app) == before


def test_accounts_are_listed_by_address(client: Client, run: Run) -> None:
    client.register("bob@example.com", "Боб")
    client.register("ann@example.com", "[red]Ann[/red]")

    table = run("users", "list")
    rows = json.loads(run("users", "list", "--json").output)

    assert [row["email"] for row in rows] == ["ann@example.com", "bob@example.com"]
    assert [row["name"] for row in rows] == ["[red]Ann[/red]", "Боб"]
    assert list(rows[0]) == ["id", "email", "name", "photo", "created_at", "disabled_at"]
    assert table.output.index("[red]Ann[/red]") < table.output.index("Боб")


def test_an_empty_list_is_an_empty_array(run: Run) -> None:
    assert run("users", "list", "--json").output == "[]\n"


def test_an_account_is_shown(account: Account, run: Run) -> None:
    shown = run("users", "show", "ANN@example.com")
    told = json.loads(run("users", "show", "ann@example.com", "--json").output)

    assert "ann@example.com" in shown.output
    assert (told["email"], told["name"]) == ("ann@example.com", "Ann")


def test_set_password_replaces_the_password_and_ends_all_sessions(
    client: Client, account: Account, run: Run
) -> None:
    tokens = account.log_in()
    account.log_in()

    changed = run("users", "set-password", account.email, "--yes", typed="An0ther!pw\nignored\n")

    assert changed.output == "ann@example.com has a new password; sessions ended: 2.\n"
    assert client.get("/auth/me", token=tokens.access_token).status_code == 403
    assert client.log_in(account.email, "An0ther!pw").access_token
    assert client.post(
        "/auth/login", json={"email": account.email, "password": account.password}
    ).json == {"detail": "Неверно введена почта или пароль."}


def test_a_disabled_account_is_refused_everywhere(
    client: Client, account: Account, run: Run
) -> None:
    tokens = account.log_in()

    disabled = run("users", "disable", account.email)

    assert disabled.output == "ann@example.com is disabled; sessions ended: 1.\n"
    assert client.get("/auth/me", token=tokens.access_token).status_code == 403
    assert client.post("/auth/refresh", token=tokens.refresh_token).status_code == 403
    refused = client.post(
        "/auth/login", json={"email": account.email, "password": account.password}
    )
    assert refused.status_code == 400
    assert refused.json == {"detail": "Неверно введена почта или пароль."}


def test_an_enabled_account_logs_in_again_and_its_old_sessions_stay_ended(
    client: Client, account: Account, run: Run
) -> None:
    tokens = account.log_in()
    run("users", "disable", account.email)

    enabled = run("users", "enable", account.email)

    assert enabled.output == "ann@example.com may log in again.\n"
    assert client.get("/auth/me", token=tokens.access_token).status_code == 403
    assert account.log_in().access_token


def test_a_deleted_account_is_gone(client: Client, account: Account, run: Run) -> None:
    tokens = account.log_in()

    deleted = run("users", "delete", account.email, "--yes")

    assert deleted.output == "ann@example.com is deleted.\n"
    assert client.get("/auth/me", token=tokens.access_token).status_code == 404
    assert run("users", "list", "--json").output == "[]\n"


def test_live_sessions_are_listed_newest_use_first(
    client: Client, account: Account, clock: Clock, run: Run
) -> None:
    first = account.log_in()
    clock.shift(timedelta(hours=1))
    account.log_in()
    clock.shift(timedelta(hours=1))
    client.refresh(first.refresh_token)
    ended = account.log_in()
    client.get("/auth/logout", token=ended.access_token)

    rows = json.loads(run("sessions", "list", account.email, "--json").output)

    assert [row["last_used_at"][11:19] for row in rows] == ["05:02:01", "04:02:01"]
    assert [row["created_at"][11:19] for row in rows] == ["03:02:01", "04:02:01"]
    assert list(rows[0]) == [
        "id",
        "created_at",
        "last_used_at",
        "expires_at",
        "ip",
        "user_agent",
    ]


def test_one_session_is_ended_by_its_id(
    client: Client, account: Account, clock: Clock, run: Run
) -> None:
    laptop = account.log_in()
    clock.shift(timedelta(seconds=1))
    phone = account.log_in()
    phone_id, _ = (
        row["id"] for row in json.loads(run("sessions", "list", account.email, "--json").output)
    )

    ended = run("sessions", "end", account.email, phone_id, "--yes")

    assert ended.output == "Sessions of ann@example.com ended: 1.\n"
    assert client.get("/auth/me", token=phone.access_token).status_code == 403
    assert client.get("/auth/me", token=laptop.access_token).status_code == 200


def test_all_sessions_are_ended(client: Client, account: Account, run: Run) -> None:
    laptop, phone = account.log_in(), account.log_in()

    ended = run("sessions", "end", account.email, "--yes", "--json")

    assert json.loads(ended.output) == {"email": "ann@example.com", "sessions_ended": 2}
    assert client.get("/auth/me", token=laptop.access_token).status_code == 403
    assert client.get("/auth/me", token=phone.access_token).status_code == 403


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["4e7a4a34-0000-4000-8000-000000000000"], 1, "There is no such session."),
        (["12"], 2, "Invalid value for '[ID]': '12' is not a valid UUID."),
    ],
    ids=["none", "no id"],
)
def test_a_session_that_is_not_there_is_refused(
    account: Account, run: Run, words: list[str], status: int, error: str
) -> None:
    refused = run("sessions", "end", account.email, *words, "--yes")

    assert refused.exit_code == status
    assert refused.stderr.splitlines()[-1] == f"Error: {error}"


def test_the_session_of_somebody_else_is_refused(
    client: Client, account: Account, run: Run
) -> None:
    client.register("bob@example.com")
    client.log_in("bob@example.com")
    (row,) = json.loads(run("sessions", "list", "bob@example.com", "--json").output)

    refused = run("sessions", "end", account.email, row["id"], "--yes")

    assert refused.exit_code == 1
    assert refused.stderr == "Error: There is no such session.\n"


def test_seeded_accounts_log_in_with_the_password_that_is_said(client: Client, run: Run) -> None:
    seeded = json.loads(run("users", "seed", "20", "--json").output)
    again = json.loads(run("users", "seed", "20", "--json").output)

    rows = json.loads(run("users", "list", "--json").output)
    assert (seeded["added"], again["added"], len(rows)) == (20, 20, 40)
    assert (
        sum(
            client.post(
                "/auth/login", json={"email": row["email"], "password": seeded["password"]}
            ).status_code
            == 200
            for row in rows
        )
        == 20
    )


def test_without_faker_seed_names_the_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faker", None)

    refused = run("users", "seed", "1")

    assert refused.exit_code == 1
    assert refused.stderr == (
        "Error: Faker is not installed. Install the requirements of development: "
        "pip install -r requirements-dev.txt\n"
    )


def test_a_database_that_is_not_migrated_is_said_in_one_line(
    tmp_path: Path, make_app: Callable[..., Flask]
) -> None:
    app = make_app(DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")

    refused = app.test_cli_runner().invoke(args=["users", "list", "--json"])

    assert refused.exit_code == 1
    assert refused.stderr == (
        "Error: The service is unavailable for the moment. Try again later. "
        "(OperationalError: is the database there, and `flask db upgrade` done?)\n"
    )


def commands(group: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not hasattr(group, "commands"):
        return [words]
    return [c for name, sub in group.commands.items() for c in commands(sub, (*words, name))]


def test_the_help_of_each_command_has_an_example(app: Flask, run: Run) -> None:
    ours = [
        words
        for name in ("users", "sessions", "maintain", "secrets")
        for words in commands(app.cli.commands[name], (name,))
    ]

    assert len(ours) == 14
    for words in ours:
        assert f"Example: flask {' '.join(words)}" in run(*words, "--help").output.replace(
            "\n  ", " "
        )


def test_no_command_prints_a_hash_or_a_token(app: Flask, account: Account, run: Run) -> None:
    account.log_in()
    printed = "".join(
        run(*words, *json_).output
        for words in (
            ["users", "list"],
            ["users", "show", account.email],
            ["sessions", "list", account.email],
        )
        for json_ in ([], ["--json"])
    )

    ((_, _, password_hash),) = stored(app)
    assert password_hash not in printed
    assert "bcrypt" not in printed
    assert "eyJ" not in printed
