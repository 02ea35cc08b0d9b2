"""The extensions, as instances that know no application, and how statements reach the database."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from flask import current_app
from flask_migrate import Migrate
from flask_smorest import Api
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """An aware UTC time. SQLite drops the zone without a word, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Model(DeclarativeBase):
    """The base of all tables. Constraints have names, so that a migration can name them too."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )
    type_annotation_map = {datetime: Instant}  # noqa: RUF012 (SQLAlchemy's own name)


db = SQLAlchemy(metadata=Model.metadata)
migrate = Migrate(compare_type=True)
api = Api()


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.OperationalError):  # somebody else switches it now, and it stays
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")  # SQLite's default ignores them


def now() -> datetime:
    """The application's clock: aware UTC. Read it once a call."""
    time: datetime = current_app.extensions["clock"]()
    return time


def connect() -> Connection:
    """A connection for single statements, each of which is committed as it ends."""
    return db.engine.connect()


@contextmanager
def transaction() -> Iterator[Connection]:
    """A connection for several statements, all or nothing. Nothing slow belongs inside.

    On SQLite the lock is taken at once: one that is asked for after a first SELECT is refused
    without waiting when somebody else has written in between.
    """
    with connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "BEGIN")
        try:
            yield connection
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            try:
                connection.exec_driver_sql("ROLLBACK")
            except SQLAlchemyError:
                connection.invalidate()  # closing it rolls back, too
            raise
