"""flask users import: accounts and hashes from elsewhere, all or none."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from tests.clients import PASSWORD, Account, Client
from workhub.accounts.models import User
from workhub.extensions import db

Run = Callable[..., Result]
ID = "4e7a4a34-0000-4000-8000-000000000001"
NOTE = (
    "Whether an old password keeps the documented rules can't be told from its hash: "
    "who has one that does not can't log in until `flask users set-password`.\n"
)


def plain_hash(kind: str = "2b", password: str = PASSWORD) -> str:
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    return made.replace("$2b$", f"${kind}$")


def unkeyed_hash(password: str = PASSWORD) -> str:
    digest = base64.b64encode(hashlib.sha256(password.encode()).digest())
    _, _, cost, rest = bcrypt.hashpw(digest, bcrypt.gensalt(4)).decode().split("$")
    return f"$bcrypt-sha256$2b,{int(cost)}${rest[:22]}${rest[22:]}"


@pytest.fixture
def run(app: Flask, tmp_path: Path) -> Run:
    """Imports this text from a file; `pipe=True` brings it by standard input."""

    def flask(text: str | bytes, *options: str, pipe: bool = False) -> Result:
        content = text.encode() if isinstance(text, str) else text
        runner = app.test_cli_runner()
        if pipe:
            return runner.invoke(args=["users", "import", "-", *options], input=content)
        path = tmp_path / "people"
        path.write_bytes(content)
        return runner.invoke(args=["users", "import", str(path), *options])

    return flask


def stored(app: Flask) -> dict[str, Any]:
    with app.app_context(), db.engine.connect() as connection:
        return {row.email: row for row in connection.execute(select(User.__table__))}


def csv(*lines: str, columns: str = "email,name,password_hash") -> str:
    return "\n".join([columns, *lines]) + "\n"


@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("form", ["csv", "json lines", "csv of a spreadsheet"])
def test_accounts_come_with_all_that_the_file_says(
    app: Flask, run: Run, form: str, pipe: bool
) -> None:
    password_hash = plain_hash()
    fields = {
        "email": "Ann@Example.com",
        "name": "Анна",
        "password_hash": password_hash,
        "id": ID,
        "created_at": "2020-02-03T04:05:06+03:00",
    }
    text = {
        "json lines": json.dumps(fields) + "\n\n",
        "csv": csv(",".join(fields.values()), columns=",".join(fields)),
        "csv of a spreadsheet": "\ufeff"
        + csv(",".join(fields.values()), columns=",".join(fields)).replace("\n", "\r\n"),
    }[form]

    imported = run(text, pipe=pipe)

    assert imported.exit_code == 0
    assert imported.stdout == ("Imported: 1. Skipped, since the address is there already: 0.\n")
    assert imported.stderr == NOTE
    (row,) = stored(app).values()
    assert (str(row.id), row.email, row.name) == (ID, "ann@example.com", "Анна")
    assert row.password_hash == password_hash
    assert row.created_at.isoformat() == "2020-02-03T01:05:06+00:00"


def test_id_and_time_are_made_where_the_file_has_none(app: Flask, run: Run) -> None:
    run(csv(f"ann@example.com,Ann,{plain_hash()}"))

    (row,) = stored(app).values()
    assert row.id.version == 4
    assert row.created_at is not None


@pytest.mark.parametrize(
    "password_hash",
    [plain_hash("2a"), plain_hash("2b"), plain_hash("2y"), unkeyed_hash()],
    ids=["2a", "2b", "2y", "bcrypt-sha256, first form"],
)
def test_an_imported_account_logs_in_and_gets_a_hash_of_ours(
    app: Flask, client: Client, run: Run, password_hash: str
) -> None:
    run(csv(f'ann@example.com,Ann,"{password_hash}"'))

    assert client.log_in("ann@example.com").access_token

    (row,) = stored(app).values()
    assert row.password_hash.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert client.log_in("ann@example.com").access_token


def test_a_hash_of_our_own_form_is_taken_over_as_it_is(
    app: Flask, client: Client, account: Account, run: Run
) -> None:
    ours = stored(app)[account.email].password_hash

    run(csv(f'bob@example.com,Bob,"{ours}"'))

    assert client.log_in("bob@example.com").access_token
    assert stored(app)["bob@example.com"].password_hash == ours


def test_an_address_that_is_there_is_skipped_and_stays_as_it_is(
    app: Flask, account: Account, run: Run
) -> None:
    before = stored(app)[account.email]

    imported = run(
        csv(f"ANN@example.com,Eve,{plain_hash()}", f"bob@example.com,Bob,{plain_hash()}"),
        "--json",
    )

    assert json.loads(imported.stdout) == {"imported": 1, "skipped": 1, "bad": []}
    assert stored(app)[account.email] == before


def test_an_import_repeated_changes_nothing(app: Flask, run: Run) -> None:
    text = csv(f"ann@example.com,Ann,{plain_hash()}", f"bob@example.com,Bob,{plain_hash()}")
    run(text)
    before = stored(app)

    again = run(text)

    assert again.stdout == "Imported: 0. Skipped, since the address is there already: 2.\n"
    assert again.stderr == ""
    assert stored(app) == before


def test_each_bad_line_is_named_with_its_reason_and_nothing_is_written(
    app: Flask, account: Account, run: Run
) -> None:
    own_id = str(stored(app)[account.email].id)
    good = plain_hash()
    refused = run(
        csv(
            f"bob@example.com,Bob,{good},,",
            f"bob,Bob,{good},,",
            f"BOB@example.com,Bob,{good},,",
            f"eve@example.com,,{good},,",
            "eve@example.com,Eve,5f4dcc3b5aa765d61d8327deb882cf99,,",
            f"eve@example.com,Eve,{good.replace('$04$', '$31$')},,",
            f"eve@example.com,Eve,{good},12,yesterday",
            f"eve@example.com,Eve,{good},{own_id},",
            f"dan@example.com,Dan,{good},,2020-01-01T00:00:00",
            "cut@example.com,Cut",
            columns="email,name,password_hash,id,created_at",
        )
    )

    assert refused.exit_code == 1
    assert refused.stdout.splitlines() == [
        "line 3: email: This is no e-mail address.",
        "line 4: email: stands on an earlier line, too",
        "line 5: name: This field is required.",
        "line 6: password_hash: is no hash of a kind that is known "
        "($2a$, $2b$, $2y$, $bcrypt-sha256$)",
        "line 7: password_hash: has a cost outside 4 to 16",
        "line 8: id: Not a valid UUID.; created_at: Not a valid datetime.",
        "line 10: created_at: Not a valid aware datetime.",
        "line 11: has another number of cells than the first line",
        "line 9: id: belongs to another account",
    ]
    assert refused.stderr == "Error: Bad lines: 9. Nothing was imported.\n"
    assert list(stored(app)) == [account.email]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1]", "is no JSON object"),
        ('{"email": 1}', None),
        ('{"email": "bob@example.com", "name": "\\ud800", "password_hash": "x"}', None),
    ],
    ids=["broken", "deep", "array", "number", "half a character"],
)
def test_a_bad_line_of_json_is_named(app: Flask, run: Run, line: str, reason: str | None) -> None:
    good = json.dumps({"email": "ann@example.com", "name": "Ann", "password_hash": plain_hash()})

    refused = run(f"{good}\n{line}\n", "--json")

    assert refused.exit_code == 1
    (bad,) = json.loads(refused.stdout)["bad"]
    assert bad["line"] == 2
    assert reason is None or bad["reason"] == reason
    assert stored(app) == {}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "email,name\nann@example.com,Ann\n",
            "The first line has to name the columns; password_hash is not among them. "
            "Nothing was imported.",
        ),
        (
            "",
            "The first line has to name the columns; email is not among them. "
            "Nothing was imported.",
        ),
        (
            "email,name,password_hash\nann@example.com,Анна,x\n".encode("cp1251"),
            "The file is not UTF-8. Nothing was imported.",
        ),
    ],
    ids=["column missing", "empty", "not UTF-8"],
)
def test_a_file_that_can_not_be_read_is_refused_whole(
    app: Flask, run: Run, text: str | bytes, error: str
) -> None:
    refused = run(text)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == f"Error: {error}\n"
    assert stored(app) == {}


def test_bad_csv_is_named_by_its_line(app: Flask, run: Run) -> None:
    refused = run(csv(f'"bob"x,Bob,{plain_hash()}'))

    assert refused.exit_code == 1
    assert refused.stdout == "line 2: is no CSV (',' expected after '\"')\n"
    assert stored(app) == {}


def test_a_file_that_is_not_there_is_a_mistyped_command(app: Flask) -> None:
    refused = app.test_cli_runner().invoke(args=["users", "import", "/nowhere/people.csv"])

    assert refused.exit_code == 2


def test_thousands_of_lines_are_written_all_or_none(app: Flask, run: Run) -> None:
    password_hash = plain_hash()
    lines = [f"p{number}@example.com,P,{password_hash}" for number in range(2500)]

    refused = run(csv(*lines, "bad"))
    written_by_refused = len(stored(app))
    imported = run(csv(*lines))

    assert (refused.exit_code, written_by_refused) == (1, 0)
    assert imported.stdout == ("Imported: 2500. Skipped, since the address is there already: 0.\n")
    assert len(stored(app)) == 2500


def test_progress_goes_to_a_terminal_and_not_into_a_pipe(run: Run) -> None:
    imported = run(csv(f"ann@example.com,Ann,{plain_hash()}"))

    assert "Checking" not in imported.output
