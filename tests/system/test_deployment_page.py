"""The commands of docs/deployment.md that need no containers and no systemd, as they are there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg2
import pytest

from tests.servers import ROOT, postgres_server
from tests.system.roles import PROGRAMS
from tests.system.webserver import Certificate, Nginx, Site

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def block(holding: str) -> str:
    """The commands of the block that holds these words."""
    (commands,) = [code for code in re.findall(r"```sh\n(.*?)```", PAGE, re.S) if holding in code]
    return str(commands)


def run(commands: str, folder: Path, **environment: str) -> None:
    subprocess.run(  # noqa: S603 (this project's own page)
        ["/bin/bash", "-euc", commands],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        check=True,
        capture_output=True,
    )


def test_the_files_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"\bdeploy/[\w.*-]+\w", PAGE))

    assert named >= {"deploy/nginx.conf", "deploy/secrets.sh", "deploy/postgres-roles.sh"}
    for path in named:
        assert list(ROOT.glob(path)), path


@pytest.mark.system
def test_nginx_starts_with_what_the_page_prepares(
    site: Site, nginx_program: str, openssl: str, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    prepare = block("deploy/secrets.sh\nmkdir").replace("=api.example.com", "=localhost")
    (tmp_path / "nginx").mkdir()

    run(f"{prepare}\n{block('openssl req')}", tmp_path)

    text = (tmp_path / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    assert "default https://localhost;" in text
    assert "server_name localhost;" in text
    assert "example" not in text
    folder = tmp_path / "secrets" / "tls"
    assert (folder / "privkey.pem").stat().st_mode & 0o777 == 0o444
    with Nginx(nginx_program, tmp_path / "nginx", folder, site.service.socket) as nginx:
        ours = Site(nginx, site.service, Certificate(folder, folder / "fullchain.pem"))
        with ours.client() as client:
            told = client.get("/auth/me")
    assert told.json() == {"detail": "Отсутствует заголовок с токеном."}
    assert str(told.json()["detail"]) in PAGE


@pytest.mark.system
def test_the_roles_are_made_as_the_page_has_it(openssl: str, tmp_path: Path) -> None:
    make_roles = block("createdb").replace("runuser -u postgres -- ", "")
    secrets = tmp_path / "secrets"
    with postgres_server() as server:
        run(
            f"{ROOT}/deploy/secrets.sh {secrets} 127.0.0.1\n"
            + make_roles.replace("/etc/workhub/secrets", str(secrets)).replace(
                "deploy/", f"{ROOT}/deploy/"
            ),
            tmp_path,
            PATH=f"{PROGRAMS}:{os.environ['PATH']}",
            PGHOST=str(server.pgdata),
            PGUSER="postgres",
        )

        connection = psycopg2.connect(host=str(server.pgdata), user="postgres", dbname="workhub")
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolname, left(rolpassword, 14), rolsuper FROM pg_authid"
                " WHERE rolname LIKE 'workhub%' ORDER BY rolname"
            )
            roles = cursor.fetchall()
        connection.close()
    assert roles == [
        ("workhub", "SCRAM-SHA-256$", False),
        ("workhub_owner", "SCRAM-SHA-256$", False),
    ]
