"""What tests see of the tables, and what they do to them behind the application's back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import Executable, event, select
from sqlalchemy.orm import InstrumentedAttribute

from workhub.extensions import db


def rows(app: Flask, *columns: InstrumentedAttribute[Any]) -> list[tuple[Any, ...]]:
    """These columns of all rows of their table."""
    with app.app_context(), db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


def execute(app: Flask, statement: Executable) -> None:
    """Run a statement; it is committed at once."""
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(statement)


@contextmanager
def before(app: Flask, verb: str, act: Callable[[], object]) -> Iterator[None]:
    """Act once, at the moment before the application sends a statement that starts with `verb`."""
    acts = [act]

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if acts and statement.startswith(verb):
            acts.pop()()

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert not acts, f"no statement has started with {verb}"


def crash() -> None:
    """Fail as nothing in the application expects."""
    raise RuntimeError("a fault that nobody has thought of: ann@example.com Passw0rd!x")


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Collects the text of the statements that the application sends."""
    seen: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", listen)
