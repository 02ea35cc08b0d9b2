"""The units of systemd: valid, confined alike, and a service that works within their limits."""

import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import config
from tests.conftest import migrate
from tests.servers import ROOT, SECRETS
from tests.system.webserver import over, use

DEPLOY = ROOT / "deploy"
SERVICES = ["workhub.service", "workhub-maintain.service", "workhub-migrate.service"]
UNITS = [*SERVICES, "workhub-maintain.timer"]
UNISTD = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")

every_service = pytest.mark.parametrize("name", SERVICES)


def directives(name: str) -> list[tuple[str, str]]:
    """What a unit says, in its order: later lines add to earlier ones."""
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()
    return [(line.partition("=")[0], line.partition("=")[2]) for line in lines if "=" in line[1:40]]


def values(name: str, directive: str) -> list[str]:
    return [value for key, value in directives(name) if key == directive]


@pytest.fixture
def systemd_analyze() -> str:
    if found := shutil.which("systemd-analyze"):
        return found
    pytest.skip("systemd-analyze is not installed")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as if /opt/workhub were this tree: their commands have to be there."""
    for name in UNITS:
        text = (DEPLOY / name).read_text(encoding="utf-8")
        text = text.replace("/opt/workhub/.venv/bin", str(Path(sys.executable).parent))
        (tmp_path / name).write_text(text.replace("/opt/workhub", str(ROOT)))
    return tmp_path


@pytest.mark.system
def test_systemd_understands_the_units(systemd_analyze: str, installed: Path) -> None:
    verified = subprocess.run(  # noqa: S603 (the distribution's systemd-analyze)
        [systemd_analyze, "verify", *(installed / name for name in UNITS)],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


@pytest.mark.system
@every_service
def test_systemd_finds_little_exposed(systemd_analyze: str, installed: Path, name: str) -> None:
    rated = subprocess.run(  # noqa: S603 (the distribution's systemd-analyze)
        [
            *(systemd_analyze, "security", "--offline=true", "--no-pager", "--threshold=15"),
            installed / name,
        ],
        check=False,
        capture_output=True,
        text=True,
    )

    assert rated.returncode == 0, rated.stdout
    assert f"Overall exposure level for {name}: 1." in rated.stdout


@every_service
def test_each_service_is_confined_alike(name: str) -> None:
    own = {
        *("Description", "Documentation", "Wants", "After", "WantedBy", "Type", "NotifyAccess"),
        *("ExecStart", "ExecReload", "KillMode", "TimeoutStopSec", "TimeoutStartSec", "Restart"),
        *("RestartSec", "LoadCredential", "Environment", "RuntimeDirectory"),
        *("RuntimeDirectoryMode", "StateDirectory", "StateDirectoryMode", "MemoryMax", "TasksMax"),
    }
    more = {("SystemCallFilter", "@chown"), ("SystemCallFilter", "setpriority")}

    confinement = [line for line in directives(name) if line[0] not in own and line not in more]

    assert confinement == [
        line for line in directives("workhub.service") if line[0] not in own and line not in more
    ]
    for line in (
        ("User", "workhub"),
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("SystemCallFilter", "~@privileged @resources"),
    ):
        assert line in confinement
    assert values(name, "MemoryMax")


@every_service
def test_no_unit_holds_a_secret(name: str) -> None:
    credentials = {value.partition(":")[0] for value in values(name, "LoadCredential")}

    for setting in values(name, "Environment"):
        key, _, value = setting.partition("=")
        if re.search("SECRET|PASSWORD|DATABASE_URL", key):
            assert key.endswith("_FILE")
            assert value.removeprefix("%d/") in credentials


def test_each_unit_is_shown_its_own_secrets_alone() -> None:
    folder = "/etc/workhub/secrets"

    assert values("workhub.service", "LoadCredential") == [
        f"{name}:{folder}/{name}"
        for name in ("database_url", "secret_jwt", "secret_jwt_refresh", "secret_manager")
    ]
    assert values("workhub-maintain.service", "LoadCredential") == [
        f"database_url:{folder}/database_url"
    ]
    assert values("workhub-migrate.service", "LoadCredential") == [
        f"database_url:{folder}/owner_database_url"
    ]


def test_the_service_takes_the_settings_of_its_unit(tmp_path: Path) -> None:
    given = dict(value.split("=", 1) for value in values("workhub.service", "Environment"))
    for name, secret in {**SECRETS, "DATABASE_URL": "postgresql://workhub:a@127.0.0.1/a"}.items():
        (tmp_path / name.lower()).write_text(secret)
    given = {name: value.replace("%d", str(tmp_path)) for name, value in given.items()}

    settings = config.load(given)

    config.check_secrets(settings)
    assert settings["WORKHUB_BIND"] == "unix:/run/workhub/gunicorn.sock"
    assert settings["UPLOAD_FOLDER"] == Path("/var/lib/workhub/uploads")
    assert settings["TRUSTED_PROXIES"] == 1
    assert settings["SQLALCHEMY_DATABASE_URI"].host == "127.0.0.1"


def test_a_stop_waits_longer_than_gunicorn_does() -> None:
    gunicorn = (ROOT / "gunicorn.conf.py").read_text(encoding="utf-8")
    graceful = re.search(r"^graceful_timeout = (\d+)$", gunicorn, re.M)
    assert graceful

    assert int(values("workhub.service", "TimeoutStopSec")[0]) > int(graceful[1])


def test_maintain_runs_once_a_day_and_after_a_night_off() -> None:
    assert values("workhub-maintain.timer", "OnCalendar") == ["*-*-* 03:30:00"]
    assert values("workhub-maintain.timer", "Persistent") == ["true"]
    assert values("workhub-maintain.service", "ExecStart") == [
        "/opt/workhub/.venv/bin/flask maintain --json"
    ]


@pytest.fixture
def allowed_calls(systemd_analyze: str) -> str:
    """The numbers of the system calls that workhub.service may make."""
    if platform.machine() != "x86_64" or not UNISTD.exists():
        pytest.skip(f"{UNISTD} is not there: linux-libc-dev for x86_64 has it")
    numbers = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", UNISTD.read_text()))

    def expanded(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        listed = subprocess.run(  # noqa: S603 (the distribution's systemd-analyze)
            [systemd_analyze, "syscall-filter", name], check=True, capture_output=True, text=True
        )
        members = [line.strip() for line in listed.stdout.splitlines()[1:]]
        return {
            call
            for member in members
            if member and not member.startswith("#")
            for call in expanded(member)
        }

    calls = expanded("@default") | {"execve"}
    for filters in values("workhub.service", "SystemCallFilter"):
        named = {call for name in filters.strip("~").split() for call in expanded(name)}
        calls = calls - named if filters.startswith("~") else calls | named
    return ",".join(sorted(numbers[call] for call in calls if call in numbers))


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd hears from a service."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        yield listener


@pytest.mark.system
@pytest.mark.slow
def test_the_service_starts_works_reloads_and_stops_within_its_limits(
    allowed_calls: str, notified: socket.socket, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/workhub.db"
    migrate(database)
    bind = tmp_path / "gunicorn.sock"
    log = tmp_path / "log"
    with log.open("wb") as output:
        service = subprocess.Popen(  # noqa: S603 (this project's own command)
            [
                *(sys.executable, ROOT / "tests" / "system" / "confined.py", allowed_calls),
                *(sys.executable, "-m", "gunicorn"),
            ],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "DATABASE_URL": database,
                "UPLOAD_FOLDER": str(tmp_path / "uploads"),
                "WORKHUB_BIND": f"unix:{bind}",
                "TRUSTED_PROXIES": "1",
                "BCRYPT_ROUNDS": "4",
                "GUNICORN_CMD_ARGS": "--workers=2",
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                **SECRETS,
            },
            umask=0o027,
            stdout=output,
            stderr=output,
        )
    try:
        ready = notified.recv(1000)
        with over(bind) as client:
            photo = use(client)
        service.send_signal(signal.SIGHUP)
        _wait_for_workers(log, 4)
        with over(bind) as client:
            again = use(client)
    finally:
        service.send_signal(signal.SIGTERM)
        status = service.wait(30)

    assert ready.startswith(b"READY=1\n")
    assert status == 0
    assert not bind.exists()
    for name in (photo, again):
        assert (tmp_path / name.lstrip("/")).stat().st_mode & 0o777 == 0o640
    assert "crash" not in log.read_text()


def _wait_for_workers(log: Path, started: int) -> None:
    deadline = time.monotonic() + 30
    while log.read_text().count("Booting worker") < started:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.mark.system
def test_the_limits_are_really_set(allowed_calls: str) -> None:
    """Else the test before would tell nothing."""
    attempts = (
        "import mmap, os, socket\n"
        "for attempt in (\n"
        "    lambda: os.chroot('/'),\n"
        "    lambda: os.sched_setaffinity(0, {0}),\n"
        "    lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),\n"
        "    lambda: socket.socket(socket.AF_NETLINK),\n"
        "):\n"
        "    try:\n"
        "        attempt()\n"
        "        print('done')\n"
        "    except OSError as error:\n"
        "        print(error.errno)\n"
    )

    told = subprocess.run(  # noqa: S603 (this project's own script)
        [
            *(sys.executable, ROOT / "tests" / "system" / "confined.py", allowed_calls),
            *(sys.executable, "-c", attempts),
        ],
        check=True,
        capture_output=True,
        text=True,
    )

    assert told.stdout.split() == ["1", "1", "1", "97"]
