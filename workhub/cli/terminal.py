"""How commands ask, answer and refuse: tables for people, JSON for programs.

Exit status: 0 done, 1 refused (with the catalogue's English text), 2 a command that was mistyped.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import AppGroup
from marshmallow import Schema, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from workhub.problems import FieldError, Problem, ProblemType

as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
yes = click.option("--yes", is_flag=True, help="Do it without asking.")


class _Refusing(click.Command):
    """Says a problem in one line of English, and ends with status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Problem as problem:
            raise click.ClickException(_words(problem)) from None
        except (DBAPIError, PoolTimeoutError) as error:
            raise click.ClickException(
                f"{ProblemType.UNAVAILABLE.text['en']} ({type(error).__name__}: is the database "
                "there, and `flask db upgrade` done?)"
            ) from None


class Command(_Refusing):
    """A command by itself."""


class Commands(_Refusing, AppGroup):
    """A group of commands."""


def _words(problem: Problem) -> str:
    flaws = [
        f"{field}: {error.text['en']}"
        for field, errors in problem.errors.items()
        for error in errors
    ]
    return " ".join([problem.type.text["en"], *flaws])


def checked(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values in their normal form, by the rules of the API.

    Raises:
        Problem: VALIDATION_FAILED.
    """
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        raise Problem(ProblemType.VALIDATION_FAILED, error.messages_dict) from None
    return loaded


def flaws(error: ValidationError) -> str:
    """What is wrong with the fields of a line, in words."""
    return "; ".join(
        f"{field}: {', '.join(e.text['en'] if isinstance(e, FieldError) else e for e in errors)}"
        for field, errors in error.messages_dict.items()
    )


def password() -> str:
    """Asked for twice on a terminal; the first line of a pipe."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def confirm(question: str, without_asking: bool) -> None:
    """Go on after a yes; without a terminal to ask at, only with `--yes`."""
    if without_asking:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask at: add --yes.")
    click.confirm(question, abort=True)


def answer(values: Mapping[str, Any], sentence: str, in_json: bool) -> None:
    """What was done: a sentence for people, an object for programs."""
    click.echo(_json(values) if in_json else sentence)


def answer_rows(rows: Iterable[Mapping[str, Any]], columns: list[str], in_json: bool) -> None:
    """Rows: a table for people, an array for programs, which is written as it is read."""
    if in_json:
        separator = "["
        for row in rows:
            click.echo(separator + _json({column: row[column] for column in columns}), nl=False)
            separator = ",\n "
        click.echo("[]" if separator == "[" else "]")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for row in rows:
        # As text: a name may look like the library's markup.
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    console = Console()
    if not console.is_terminal:
        console.width = 1000  # a pipe has no edge to wrap at
    console.print(table)


@contextmanager
def progress(verb: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's standard error; gives what to call with how far it has come."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda reached: bar.update(task, completed=reached)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return "" if value is None else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_json_value)


def _json_value(value: object) -> str:
    """RFC 3339 for times, the usual text for the rest."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
