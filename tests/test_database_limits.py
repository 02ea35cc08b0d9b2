"""What the application does where the database has nothing to give: no space, no lock, no turn."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from config import CONNECTIONS
from tests.clients import Account, Client
from tests.database import before
from workhub.extensions import db

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
GONE = (503, {"detail": "Сервис временно недоступен. Повторите позже."}, "5")


@pytest.fixture
def engine(app: Flask) -> sa.Engine:
    with app.app_context():
        return db.engine


def told(answer: Any) -> tuple[int, Any, str | None]:
    return answer.status_code, answer.json, answer.headers.get("Retry-After")


@contextmanager
def pages_limited_to(engine: sa.Engine, pages: int) -> Iterator[None]:
    """SQLite's own answer for a full disk, at this size of the file."""

    def limit(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(engine, "checkout", limit)
    try:
        yield
    finally:
        event.remove(engine, "checkout", limit)


@on_sqlite
def test_full_sqlite_is_unavailable_for_what_writes(
    engine: sa.Engine, client: Client, account: Account
) -> None:
    token = account.log_in().access_token

    with pages_limited_to(engine, 1):  # as many as there are
        statuses = [client.register(f"p{n}@example.com").status_code for n in range(60)]
        full = client.register("bob@example.com")
        read = client.get("/auth/me", token=token)
    with pages_limited_to(engine, 10_000):
        mended = client.register("bob@example.com")

    assert set(statuses) == {201, 503}
    assert told(full) == GONE
    assert read.status_code == 200
    assert mended.status_code == 201


@pytest.mark.slow
@on_sqlite
def test_sqlite_that_another_process_writes_to_is_unavailable_for_what_writes(
    engine: sa.Engine, client: Client, account: Account
) -> None:
    token = account.log_in().access_token
    other = sqlite3.connect(str(engine.url.database), isolation_level=None)

    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    renamed = client.patch("/auth/me", token=token, json={"name": "Anna"})
    seconds = time.monotonic() - begun
    read = client.get("/auth/me", token=token)
    other.execute("COMMIT")
    other.close()

    assert told(renamed) == GONE
    assert seconds < 3
    assert read.status_code == 200
    assert client.patch("/auth/me", token=token, json={"name": "Anna"}).status_code == 200


@pytest.mark.slow
def test_call_that_gets_no_connection_is_unavailable(
    engine: sa.Engine, client: Client, account: Account
) -> None:
    token = account.log_in().access_token

    with ExitStack() as taken:
        for _ in range(CONNECTIONS):
            taken.enter_context(engine.connect())
        begun = time.monotonic()
        answer = client.get("/auth/me", token=token)
        seconds = time.monotonic() - begun

    assert told(answer) == GONE
    assert seconds < 3
    assert client.get("/auth/me", token=token).status_code == 200


@on_postgres
def test_connection_cut_between_two_statements_is_unavailable_once(
    app: Flask, engine: sa.Engine, client: Client, account: Account
) -> None:
    token = account.log_in().access_token

    def cut() -> None:
        other = sa.create_engine(engine.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with other.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'workhub' AND datname = current_database()"
            )

    with before(app, "UPDATE users", cut):
        renamed = client.patch("/auth/me", token=token, json={"name": "Anna"})

    assert told(renamed) == GONE
    assert client.get("/auth/me", token=token).json["name"] == "Ann"
    assert client.patch("/auth/me", token=token, json={"name": "Anna"}).status_code == 200
