"""What the tests are given that need programs of the distribution. They install nothing."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.servers import postgres_server
from tests.system.roles import Database
from tests.system.webserver import BehindSocket, Certificate, Nginx, Site


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "system: needs programs of the distribution")


def _program(name: str) -> str:
    if found := shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"):
        return found
    pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="session")
def nginx_program() -> str:
    return _program("nginx")


@pytest.fixture(scope="session")
def openssl() -> str:
    return _program("openssl")


@pytest.fixture(scope="session")
def curl() -> str:
    return _program("curl")


@pytest.fixture(scope="session")
def certificate(openssl: str, tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of localhost, by an authority that nobody else trusts."""
    folder = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for arguments in (
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA"],
        ["req", *key, "-keyout", "privkey.pem", "-out", "request", "-subj", "/CN=localhost"],
        [
            *("x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-extfile", "names", "-out", "fullchain.pem"),
        ],
    ):
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603 (openssl)
    return Certificate(folder, folder / "ca.pem")


@pytest.fixture(scope="session")
def database(openssl: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """PostgreSQL with the two roles of deploy/postgres-roles.sh and the tables made by one."""
    with postgres_server() as server:
        database = Database(server, tmp_path_factory.mktemp("secrets"))
        database.make_roles()
        database.migrate()
        yield database


@pytest.fixture(scope="session")
def site(
    nginx_program: str,
    certificate: Certificate,
    database: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """The service behind nginx, with the role that it has when it is deployed."""
    folder = tmp_path_factory.mktemp("site")
    settings = {
        "DATABASE_URL_FILE": str(database.service_url_file),
        "PUBLIC_URL": "https://localhost",
        "UPLOAD_FOLDER": str(folder / "uploads"),
    }
    with (
        BehindSocket(settings, folder) as service,
        Nginx(nginx_program, folder, certificate.folder, service.socket) as nginx,
    ):
        yield Site(nginx, service, certificate)
