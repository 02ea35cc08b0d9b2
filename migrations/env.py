"""Runs the migrations over the application's engine, all of them in one transaction."""

import logging

from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator

logging.getLogger("alembic").setLevel(logging.INFO)

db = current_app.extensions["migrate"].db


def _render_item(kind: str, item: object, _context: object) -> str | bool:
    """A migration imports nothing from the application: it names the type below our own."""
    return f"sa.{item.impl!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


ARGUMENTS = {
    "target_metadata": db.metadata,
    "render_item": _render_item,
    "compare_type": True,
    "compare_server_default": True,
}


def migrate(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # Rebuilding a table with foreign keys on deletes the rows that refer to it; inside of a
        # transaction the pragma has no effect.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        # Two machines that start at once: the second waits, and finds the work done.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('workhub.migrations'))")
    context.configure(connection=connection, transactional_ddl=False, **ARGUMENTS)
    try:
        context.run_migrations()
        connection.exec_driver_sql("COMMIT")
    finally:
        connection.invalidate()  # rolls back what was not committed, and forgets the pragma


if context.is_offline_mode():
    context.configure(
        url=db.engine.url.render_as_string(hide_password=False), literal_binds=True, **ARGUMENTS
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    with db.engine.connect() as connection:
        migrate(connection)
