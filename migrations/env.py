"""Runs the migrations over the application's engine, all of them in one transaction."""

import click
from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import TypeDecorator

db = current_app.extensions["migrate"].db


def _render_item(kind: str, item: object, _context: object) -> str | bool:
    """A migration imports nothing from the application: it names the type below our own."""
    return f"sa.{item.impl!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


def _tell(step, **_: object) -> None:
    way = "Upgraded to" if step.is_upgrade else "Went back from"
    click.echo(f"{way} {step.up_revision_id}: {step.up_revision.doc}")


ARGUMENTS = {
    "target_metadata": db.metadata,
    "render_item": _render_item,
    "compare_type": True,
    "compare_server_default": True,
}


def connect() -> Connection:
    try:
        return db.engine.connect()
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        raise click.ClickException(f"The database can't be reached: {reason}") from None


def migrate(connection: Connection) -> None:
    # Two that start at once: the second waits, and finds the work done.
    if connection.dialect.name == "sqlite":
        # Rebuilding a table with foreign keys on deletes the rows that refer to it; inside of a
        # transaction the pragma has no effect.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("PRAGMA busy_timeout = 600000")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('workhub.migrations'))")
    context.configure(
        connection=connection, transactional_ddl=False, on_version_apply=_tell, **ARGUMENTS
    )
    try:
        context.run_migrations()
        connection.exec_driver_sql("COMMIT")
    finally:
        connection.invalidate()  # rolls back what was not committed, and forgets the pragmas


if context.is_offline_mode():
    context.configure(
        url=db.engine.url.render_as_string(hide_password=False), literal_binds=True, **ARGUMENTS
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    with connect() as connection:
        migrate(connection)
