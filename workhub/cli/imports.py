"""flask users import: accounts from elsewhere, with their hashes. All or none."""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any
from uuid import UUID, uuid4

import click
from marshmallow import ValidationError, fields

from workhub.accounts import passwords, users
from workhub.auth import schemas
from workhub.auth.bodies import Body
from workhub.cli.terminal import answer, as_json, flaws, progress

BATCH_LINES = 1000
COLUMNS = ("email", "name", "password_hash")
NOTE = (
    "Whether an old password keeps the documented rules can't be told from its hash: "
    "who has one that does not can't log in until `flask users set-password`."
)


class _Hash(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        password_hash: str = super()._deserialize(value, attr, data, **kwargs)
        if fault := passwords.fault(password_hash):
            raise ValidationError([fault])
        return password_hash


class _Line(Body):
    """An account as another system wrote it down."""

    email = schemas.Email(required=True)
    name = schemas.PersonName(required=True)
    password_hash = _Hash(required=True)
    id = fields.UUID(load_default=uuid4)
    created_at = fields.AwareDateTime(load_default=lambda: datetime.now(UTC))


class _Findings:
    """What the check of a file has found so far."""

    def __init__(self) -> None:
        self.bad: list[dict[str, Any]] = []
        self.fit = 0
        self.already_there = 0
        self._seen: set[str | UUID] = set()

    def refuse(self, line: int, reason: str) -> None:
        self.bad.append({"line": line, "reason": reason})

    def is_first(self, line: int, fields: Mapping[str, Any]) -> bool:
        """Whether neither address nor id has stood on an earlier line."""
        for field in ("email", "id"):
            if fields[field] in self._seen:
                self.refuse(line, f"{field}: stands on an earlier line, too")
                return False
        self._seen.update((fields["email"], fields["id"]))
        return True


@click.argument("file", type=click.File("rb"))
@as_json
def import_users(file: IO[bytes], as_json: bool) -> None:
    """Add accounts from CSV or JSON lines (a file, or - for a pipe), all or none.

    Needs email, name and password_hash ($2a$, $2b$, $2y$, $bcrypt-sha256$); takes id and
    created_at. An account whose address is there already is left as it is.

    Example: flask users import people.csv
    """
    with _seekable(file) as source, tempfile.TemporaryFile("w+") as checked:
        try:
            findings = _check(source, checked)
        except UnicodeDecodeError:
            raise click.ClickException("The file is not UTF-8. Nothing was imported.") from None
        if findings.bad:
            report = {"imported": 0, "skipped": 0, "bad": findings.bad}
            lines = [f"line {bad['line']}: {bad['reason']}" for bad in findings.bad]
            answer(report, "\n".join(lines), as_json)
            raise click.ClickException(f"Bad lines: {len(findings.bad)}. Nothing was imported.")
        added = users.add_all(_batches(checked, findings.fit))
    skipped = findings.fit - added
    answer(
        {"imported": added, "skipped": skipped, "bad": []},
        f"Imported: {added}. Skipped, since the address is there already: {skipped}.",
        as_json,
    )
    if added:
        click.echo(NOTE, err=True)


@contextmanager
def _seekable(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file itself, or what came out of a pipe."""
    if file.seekable():
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield copy


def _check(source: IO[bytes], checked: IO[str]) -> _Findings:
    """Check all lines; those that are fit go to `checked`, each as a line of JSON.

    Raises:
        UnicodeDecodeError: the file is not UTF-8.
    """
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    findings = _Findings()
    lines = _lines(source)
    with progress("Checking", size) as reached:
        while batch := list(islice(lines, BATCH_LINES)):
            fit = [(line, fit) for line, given in batch if (fit := _fit(line, given, findings))]
            known = users.known([f["email"] for _, f in fit], [f["id"] for _, f in fit])
            for line, fields_ in fit:
                if known.get(fields_["id"], fields_["email"]) != fields_["email"]:
                    findings.refuse(line, "id: belongs to another account")
                checked.write(json.dumps(fields_, default=str) + "\n")
            findings.fit += len(fit)
            reached(source.tell())
    return findings


def _fit(line: int, given: Mapping[str, Any] | str, findings: _Findings) -> dict[str, Any] | None:
    if isinstance(given, str):
        findings.refuse(line, given)
        return None
    try:
        loaded: dict[str, Any] = _Line().load(given)
    except ValidationError as error:
        findings.refuse(line, flaws(error))
        return None
    return loaded if findings.is_first(line, loaded) else None


def _lines(source: IO[bytes]) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Each line's number, with its fields or with what makes it unreadable."""
    is_json = source.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    source.seek(0)
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    try:
        yield from _json_lines(text) if is_json else _csv_lines(text)
    finally:
        text.detach()  # else it closes the file


def _json_lines(text: IO[str]) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    for number, line in enumerate(text, 1):
        if line.isspace():
            continue
        try:
            loaded = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "is no JSON"
            continue
        yield number, loaded if isinstance(loaded, dict) else "is no JSON object"


def _csv_lines(text: IO[str]) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    reader = csv.DictReader(text, strict=True)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise click.ClickException(
            f"The first line has to name the columns; {missing[0]} is not among them. "
            "Nothing was imported."
        )
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num + 1, f"is no CSV ({error})"
            continue
        if None in row or None in row.values():
            yield reader.line_num, "has another number of cells than the first line"
        else:
            yield reader.line_num, {column: cell for column, cell in row.items() if cell}


def _batches(checked: IO[str], count: int) -> Iterator[list[dict[str, Any]]]:
    checked.seek(0)
    done = 0
    with progress("Writing", count) as reached:
        while batch := [json.loads(line) for line in islice(checked, BATCH_LINES)]:
            yield [
                {
                    **fields_,
                    "id": UUID(fields_["id"]),
                    "created_at": datetime.fromisoformat(fields_["created_at"]),
                }
                for fields_ in batch
            ]
            done += len(batch)
            reached(done)
