"""compose.yaml and what it starts with: secrets, roles, the loop that is a timer."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg2.errors
import pytest
import sqlalchemy as sa
import yaml

import config
from tests.servers import ROOT
from tests.system.roles import Database

COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
SECRETS = {
    *("database_url", "owner_database_url", "postgres_password"),
    *("secret_jwt", "secret_jwt_refresh", "secret_manager"),
}

every_service = pytest.mark.parametrize("name", SERVICES)


def test_it_runs_the_services_that_it_should() -> None:
    assert SERVICES.keys() == {"nginx", "app", "migrate", "maintain", "postgres"}


@every_service
def test_each_service_is_confined(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert re.match(r"\d+[mg]$|\$\{WORKHUB_MEMORY:-\d+[mg]\}$", service["mem_limit"])
    assert service["pids_limit"] > 0


@every_service
def test_no_service_runs_as_root(name: str) -> None:
    service = SERVICES[name]

    if service.get("build") == ".":
        assert "user" not in service  # the image's: see test_image.py
    else:
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])


def test_nothing_but_nginx_has_a_port() -> None:
    assert {name for name in SERVICES if "ports" in SERVICES[name]} == {"nginx"}
    assert SERVICES["nginx"]["ports"] == ["80:80", "443:443"]


def test_nginx_and_the_database_share_no_network() -> None:
    networks = yaml.safe_load(COMPOSE)["networks"]

    assert networks["database"]["internal"] is True
    assert SERVICES["nginx"]["networks"] == ["edge"]
    for name in ("app", "migrate", "maintain", "postgres"):
        assert SERVICES[name]["networks"] == ["database"]


def test_secrets_are_files_without_a_default() -> None:
    secrets = yaml.safe_load(COMPOSE)["secrets"]

    assert secrets == {name: {"file": f"./secrets/{name}"} for name in SECRETS}
    for name, service in SERVICES.items():
        for setting, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD|DATABASE_URL", setting):
                assert setting.endswith("_FILE"), f"{name}: {setting}"
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_each_service_is_shown_its_own_secrets_alone() -> None:
    shown = {name: set(service.get("secrets", ())) for name, service in SERVICES.items()}

    assert shown == {
        "nginx": set(),
        "app": {"database_url", "secret_jwt", "secret_jwt_refresh", "secret_manager"},
        "migrate": {"owner_database_url"},
        "maintain": {"database_url"},
        "postgres": {"postgres_password", "owner_database_url", "database_url"},
    }


def test_the_host_has_to_be_named() -> None:
    defaults = re.findall(r"\$\{(\w+):-", COMPOSE)

    assert set(defaults) == {"WORKHUB_WORKERS", "WORKHUB_MEMORY"}
    assert "${WORKHUB_HOST:?" in COMPOSE


def test_the_application_takes_the_settings_that_it_is_given(tmp_path: Path) -> None:
    given = {
        name: value.replace("${WORKHUB_HOST:?the name in the certificate, such as ", "").strip("}")
        for name, value in SERVICES["app"]["environment"].items()
    }
    del given["GUNICORN_CMD_ARGS"]
    for name in SERVICES["app"]["secrets"]:
        (tmp_path / name).write_text(f"{name:x<40}" if "url" not in name else "postgresql:///a")
        given[f"{name.upper()}_FILE"] = str(tmp_path / name)

    settings = config.load(given)

    config.check_secrets(settings)
    assert settings["PUBLIC_URL"] == "https://api.example.com"
    assert settings["TRUSTED_PROXIES"] == 1
    assert given.keys() <= {
        *("DATABASE_URL_FILE", "PUBLIC_URL", "TRUSTED_PROXIES"),
        *(f"{name}_FILE" for name in config.SECRETS),
    }


def test_data_photos_and_socket_are_volumes() -> None:
    volumes = {name: service.get("volumes", []) for name, service in SERVICES.items()}

    assert "data:/var/lib/postgresql" in volumes["postgres"]
    assert volumes["app"] == ["socket:/run/workhub", "photos:/var/lib/workhub/uploads"]
    assert volumes["maintain"] == ["photos:/var/lib/workhub/uploads"]
    assert all(volume.endswith(":ro") for volume in volumes["nginx"])
    assert "photos:/var/lib/workhub/uploads:ro" in volumes["nginx"]


def test_files_that_are_mounted_are_there() -> None:
    mounted = re.findall(r"- \./(deploy/\S+?):", COMPOSE)

    assert sorted(mounted) == ["deploy/nginx.conf", "deploy/postgres-roles.sh"]
    assert all((ROOT / path).is_file() for path in mounted)
    assert os.access(ROOT / "deploy" / "postgres-roles.sh", os.X_OK)


def test_the_tables_are_made_before_anything_asks_for_them() -> None:
    done = {"condition": "service_completed_successfully"}

    assert SERVICES["app"]["depends_on"]["migrate"] == done
    assert SERVICES["maintain"]["depends_on"]["migrate"] == done
    assert SERVICES["migrate"]["command"] == ["flask", "db", "upgrade"]
    assert SERVICES["migrate"]["restart"] == "no"


def test_a_stop_waits_longer_than_gunicorn_does() -> None:
    gunicorn = (ROOT / "gunicorn.conf.py").read_text(encoding="utf-8")
    graceful = re.search(r"^graceful_timeout = (\d+)$", gunicorn, re.M)
    assert graceful

    assert int(SERVICES["app"]["stop_grace_period"].removesuffix("s")) > int(graceful[1])


@pytest.mark.system
def test_the_loop_of_maintain_runs_the_command_and_ends_when_asked(tmp_path: Path) -> None:
    flask = tmp_path / "flask"
    flask.write_text('#!/bin/sh\necho "$@" >>"$0.calls"\n')
    flask.chmod(0o755)
    command = [part.replace("$$", "$") for part in SERVICES["maintain"]["command"]]

    loop = subprocess.Popen(  # noqa: S603 (this project's own command)
        command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, start_new_session=True
    )
    calls = tmp_path / "flask.calls"
    deadline = time.monotonic() + 10
    while not calls.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    loop.terminate()
    status = loop.wait(10)
    os.killpg(loop.pid, signal.SIGKILL)

    assert calls.read_text() == "maintain --json\n"
    assert status == 0


@pytest.mark.system
def test_secrets_are_made_once_and_kept(tmp_path: Path, openssl: str) -> None:
    folder = tmp_path / "secrets"
    script = [str(ROOT / "deploy" / "secrets.sh"), str(folder), "127.0.0.1"]

    first = subprocess.run(script, check=True, capture_output=True, text=True)  # noqa: S603 (this project's own script)
    made = {path.name: path.read_text().strip() for path in folder.iterdir()}
    second = subprocess.run(script, check=True, capture_output=True, text=True)  # noqa: S603 (this project's own script)
    kept = {path.name: path.read_text().strip() for path in folder.iterdir()}

    assert made.keys() == SECRETS
    assert set(first.stdout.splitlines()) == {f"{folder}/{name}: made" for name in SECRETS}
    assert set(second.stdout.splitlines()) == {f"{folder}/{name}: kept" for name in SECRETS}
    assert kept == made
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    for name, role in {"database_url": "workhub", "owner_database_url": "workhub_owner"}.items():
        url = sa.make_url(made.pop(name))
        assert (url.username, url.host, url.database) == (role, "127.0.0.1", "workhub")
        made[name] = str(url.password)
    assert len(set(made.values())) == len(SECRETS)
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in made.values())
    for output in (first.stdout, second.stdout):
        assert not any(secret in output for secret in made.values())


@pytest.mark.system
def test_the_service_may_read_and_write_rows(database: Database) -> None:
    with database.connect(database.service_url_file).cursor() as cursor:
        cursor.execute("UPDATE users SET name = name WHERE email = 'nobody'")
        cursor.execute("SELECT current_user, count(*) FROM sessions WHERE ended_at IS NOT NULL")

        assert cursor.fetchone()[0] == "workhub"


@pytest.mark.system
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE users ADD COLUMN a int",
        "DROP TABLE sessions",
        "TRUNCATE users CASCADE",
        "CREATE TABLE a (b int)",
        "CREATE TEMPORARY TABLE a (b int)",
        "CREATE SCHEMA a",
        "CREATE ROLE a",
        "SET ROLE workhub_owner",
        "COPY users TO '/tmp/a'",
        "COPY users FROM PROGRAM 'true'",
        "CREATE FUNCTION a() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_the_service_may_do_nothing_else(database: Database, statement: str) -> None:
    with (
        database.connect(database.service_url_file).cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(statement)


@pytest.mark.system
def test_the_owner_may_alter_tables_and_is_no_superuser(database: Database) -> None:
    with database.connect(database.owner_url_file).cursor() as cursor:
        cursor.execute("ALTER TABLE users ADD COLUMN a int")
        cursor.execute("ALTER TABLE users DROP COLUMN a")
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolsuper")

        assert cursor.fetchall() == [("postgres",)]


@pytest.mark.system
def test_a_password_is_asked_for(database: Database, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    url = sa.make_url(database.service_url_file.read_text().strip())
    wrong.write_text(url.set(password="wrong").render_as_string(hide_password=False))

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        database.connect(wrong)


@pytest.mark.system
@pytest.mark.parametrize(
    "url",
    ["", "postgresql://workhub@postgres/workhub", "postgresql://workhub:@postgres/workhub"],
    ids=["empty", "none", "empty-password"],
)
def test_a_role_without_a_password_is_not_made(
    database: Database, tmp_path: Path, url: str
) -> None:
    (tmp_path / "url").write_text(url)

    refused = database.make_roles(DATABASE_URL_FILE=str(tmp_path / "url"))

    assert refused.returncode == 1
    assert refused.stderr == (
        f"{tmp_path}/url holds no URL with a password of letters, digits, - and _.\n"
    )
