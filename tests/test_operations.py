"""docs/operations.md: its commands do what it says."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from tests.clients import Account, Client
from tests.images import jpeg, send
from tests.servers import ROOT, SECRETS
from workhub import create_app
from workhub.extensions import db

TEXT = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```sh ([\w-]+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))
COMMANDS = re.findall(r"^(flask (?:users|sessions|db|maintain)[^\n]*)$", TEXT, re.MULTILINE)


def run(name: str, settings: Mapping[str, str]) -> None:
    """Type a block of the document, as its first paragraph says."""
    programs = sorted(Path(sysconfig.get_path("platlib")).glob("*/pginstall*/bin"))
    path = [Path(sys.executable).parent, *programs[-1:], os.environ["PATH"]]
    done = subprocess.run(  # noqa: S603 (this project's own document)
        [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", BLOCKS[name]],
        cwd=ROOT,
        env={**SECRETS, **settings, "PATH": ":".join(map(str, path)), "FLASK_SKIP_DOTENV": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_restored_backup_has_the_accounts_the_photos_and_the_log_ins(
    client: Client, account: Account, app: Flask, database_url: str, uploads: Path, tmp_path: Path
) -> None:
    tokens = account.log_in()
    send(client, tokens.access_token, jpeg())
    before = client.get("/auth/me", token=tokens.access_token).json
    url = sa.make_url(database_url)
    kind = "sqlite" if url.get_backend_name() == "sqlite" else "postgres"
    libpq = url.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = {
        "DATABASE_URL": database_url if kind == "sqlite" else libpq,
        "SQLITE_FILE": url.database or "",
        "UPLOAD_FOLDER": str(uploads),
        "BACKUP": str(tmp_path / "backup"),
    }

    run(f"backup-{kind}", settings)
    empty(app, uploads)
    run(f"restore-{kind}", settings)

    restored = Client(
        create_app(
            {**SECRETS, "DATABASE_URL": database_url, "UPLOAD_FOLDER": str(uploads)},
            app.extensions["clock"],
        )
    )
    assert restored.get("/auth/me", token=tokens.access_token).json == before
    with restored.get(before["photo"]) as photo:
        assert photo.status_code == 200
    assert restored.post("/auth/refresh", token=tokens.refresh_token).status_code == 200


def empty(app: Flask, uploads: Path) -> None:
    with app.app_context():
        with db.engine.connect() as connection:
            connection.exec_driver_sql("DROP TABLE sessions")
            connection.exec_driver_sql("DROP TABLE users")
            connection.exec_driver_sql("DROP TABLE alembic_version")
        db.engine.dispose()
    shutil.rmtree(uploads)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_that_is_shown_exists(app: Flask, command: str) -> None:
    words = command.split()[1:]
    names = words[:1] if words[0] == "maintain" else words[:2]

    helped = app.test_cli_runner().invoke(args=[*names, "--help"])

    assert helped.exit_code == 0


def test_every_line_of_the_log_is_explained() -> None:
    source = (ROOT / "workhub/logs.py").read_text(encoding="utf-8")
    events = set(re.findall(r'log\.(?:info|warning|error)\(\s*"(\w+)"', source))

    assert events == set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
