"""kill -9 under load: what was acknowledged is there, the rest is whole or absent.

Real gunicorn and a real PostgreSQL, which are killed while people register, refresh, upload and
delete. Whoever runs the service starts its processes again, as systemd does; nothing else mends.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from tests.clients import PASSWORD
from tests.conftest import migrate
from tests.images import jpeg
from tests.servers import Gunicorn, postgres_server

pytestmark = [pytest.mark.system, pytest.mark.race, pytest.mark.slow]

LOAD_SECONDS = 2.0  # before and after each kill
HEAL_SECONDS = 15


class Database:
    """PostgreSQL with its default durability, that can be killed and started again."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg2")

    def kill(self) -> None:
        postmaster = psutil.Process(self.server.get_pid())
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, 10)

    def start(self) -> None:
        self.server.ensure_postgres_running()

    def query(self, statement: str) -> list[Any]:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]


class Person(threading.Thread):
    """Somebody who goes on calling, whatever happens, and keeps what was acknowledged."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__(daemon=True)
        self.client = httpx.Client(base_url=url, timeout=10)
        self.number = number
        self.done = threading.Event()
        self.acknowledged: list[str] = []
        self.unexpected: list[str] = []

    def run(self) -> None:
        count = 0
        while not self.done.is_set():
            count += 1
            self.turn(f"p{self.number}n{count}@example.com")
        self.client.close()

    def turn(self, email: str) -> None:
        """What this kind of person does, again and again."""

    def call(self, method: str, path: str, token: str = "", **kwargs: Any) -> httpx.Response | None:
        """The answer, or None where the server was gone or said that the database was."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = self.client.request(method, path, headers=headers, **kwargs)
        except httpx.TransportError:
            self.done.wait(0.05)
            return None
        if answer.status_code == 503:
            self.done.wait(0.05)
            return None
        return answer

    def until_done(self, method: str, path: str, token: str = "", **kwargs: Any) -> Any:
        """Asks again until there is an answer; None once the test is over."""
        while not self.done.is_set():
            answer = self.call(method, path, token, **kwargs)
            if answer is not None:
                return answer
        return None

    def expect(self, answer: httpx.Response | None, *statuses: int) -> bool:
        if answer is None:
            return False
        if answer.status_code not in statuses:
            self.unexpected.append(f"{answer.request.url} {answer.status_code} {answer.text}")
            return False
        return True

    def enter(self, email: str) -> dict[str, str] | None:
        person = {"email": email, "name": "P", "password": PASSWORD}
        registered = self.until_done("POST", "/auth/register", json=person)
        if not self.expect(registered, 201, 400):  # 400: the lost answer was a 201
            return None
        logged_in = self.until_done("POST", "/auth/login", json=person)
        return logged_in.json() if self.expect(logged_in, 200) else None


class Registers(Person):
    def turn(self, email: str) -> None:
        answer = self.call(
            "POST", "/auth/register", json={"email": email, "name": "P", "password": PASSWORD}
        )
        if self.expect(answer, 201):
            self.acknowledged.append(email)


class Refreshes(Person):
    """Presents its latest refresh token for ever: a lost answer is asked for again."""

    def run(self) -> None:
        self.tokens = self.enter(f"refresh{self.number}@example.com")
        super().run()

    def turn(self, email: str) -> None:
        if self.tokens is None:
            return
        answer = self.call("POST", "/auth/refresh", self.tokens["refresh_token"])
        if self.expect(answer, 200):
            assert answer is not None
            self.tokens = answer.json()
            self.acknowledged.append(self.tokens["access_token"])


class Uploads(Person):
    def run(self) -> None:
        self.tokens = self.enter(f"upload{self.number}@example.com")
        super().run()

    def turn(self, email: str) -> None:
        if self.tokens is None:
            return
        token = self.tokens["access_token"]
        answer = self.call("PATCH", "/auth/photo", token, files={"photo": ("p.jpg", jpeg())})
        if self.expect(answer, 200):
            shown = self.call("GET", "/auth/me", token)
            if self.expect(shown, 200):
                assert shown is not None
                self.acknowledged.append(shown.json()["photo"])


class Deletes(Person):
    def turn(self, email: str) -> None:
        tokens = self.enter(email)
        if tokens is None:
            return
        self.call("PATCH", "/auth/photo", tokens["access_token"], files={"photo": jpeg()})
        answer = self.until_done("DELETE", "/auth/me", tokens["access_token"])
        if self.expect(answer, 200, 404):  # 404: the lost answer was a 200
            self.acknowledged.append(email)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with postgres_server() as server:
        database = Database(server)
        migrate(database.url.render_as_string(hide_password=False))
        yield database


@pytest.fixture
def server(database: Database, uploads: Path) -> Iterator[Gunicorn]:
    settings = {
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "UPLOAD_FOLDER": str(uploads),
        "REFRESH_REUSE_SECONDS": "300",
        "LOG_LEVEL": "WARNING",
    }
    with Gunicorn(settings, uploads.parent) as server:
        yield server


def kill_a_worker(server: Gunicorn, database: Database) -> None:
    psutil.Process(server.process.pid).children()[0].kill()


def kill_the_server(server: Gunicorn, database: Database) -> None:
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    server.start()


def kill_the_database(server: Gunicorn, database: Database) -> None:
    database.kill()
    database.start()


@pytest.mark.parametrize("fault", [kill_a_worker, kill_the_server, kill_the_database])
def test_what_was_acknowledged_is_kept(
    server: Gunicorn,
    database: Database,
    uploads: Path,
    fault: Callable[[Gunicorn, Database], None],
) -> None:
    kinds = [Registers, Registers, Refreshes, Refreshes, Uploads, Uploads, Deletes, Deletes]
    people = [kind(server.url, number) for number, kind in enumerate(kinds)]
    for person in people:
        person.start()

    for _ in range(3):
        time.sleep(LOAD_SECONDS)
        fault(server, database)
    time.sleep(LOAD_SECONDS)
    before_the_end = [len(person.acknowledged) for person in people]
    deadline = time.monotonic() + HEAL_SECONDS
    while any(
        len(person.acknowledged) <= count
        for person, count in zip(people, before_the_end, strict=True)
    ):
        assert time.monotonic() < deadline, "it did not heal"
        time.sleep(0.05)
    for person in people:
        person.done.set()
    for person in people:
        person.join(30)

    assert [person.unexpected for person in people] == [[]] * len(people)
    emails = {email for (email,) in database.query("SELECT email FROM users")}
    photos = {name for (name,) in database.query("SELECT photo FROM users") if name}
    registered = {e for p in people if isinstance(p, Registers) for e in p.acknowledged}
    deleted = {e for p in people if isinstance(p, Deletes) for e in p.acknowledged}
    assert registered <= emails
    assert not deleted & emails
    assert photos <= {path.name for path in uploads.iterdir()}
    for person in people:
        if isinstance(person, Uploads):
            assert person.acknowledged[-1].removeprefix("/uploads/") in photos
        if isinstance(person, Refreshes):
            answer = httpx.post(
                f"{server.url}/auth/refresh",
                headers={"Authorization": f"Bearer {person.tokens['refresh_token']}"},
            )
            assert answer.status_code == 200
