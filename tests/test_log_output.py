"""Where the log goes: a terminal, a full disk, a closed pipe; and what a level leaves of it."""

import json
import os
import pty
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import Gunicorn, sqlite_in
from tests.wire import connected, request


def test_level_of_warnings_writes_no_request_lines(migrated_sqlite: Path, tmp_path: Path) -> None:
    settings = {**sqlite_in(tmp_path, migrated_sqlite), "LOG_LEVEL": "WARNING"}
    with Gunicorn(settings, tmp_path) as gunicorn, connected(gunicorn.port) as wire:
        assert httpx.get(f"{gunicorn.url}/auth/me").status_code == 400
        wire.send(b"HELLO\r\n\r\n")
        assert wire.answer().status == 400
        gunicorn.stop()

    (line,) = map(json.loads, gunicorn.log.read_text().splitlines())
    assert (line["level"], line["event"]) == ("warning", "request_refused")


def test_client_can_not_end_a_line(migrated_sqlite: Path, tmp_path: Path) -> None:
    settings = {**sqlite_in(tmp_path, migrated_sqlite), "TRUSTED_PROXIES": "1"}
    forged = '1.1.1.1"}\x85\x1c{"event": "forged'.replace("\x1c", "\xe2\x80\xa8")
    with Gunicorn(settings, tmp_path) as gunicorn, connected(gunicorn.port) as wire:
        wire.send(request("BREW /auth/me", f"X-Forwarded-For: {forged}"))
        assert wire.answer().status == 405

    lines = [json.loads(line) for line in gunicorn.log.read_text().splitlines()]
    assert [line["ip"] for line in lines if line.get("method") == "BREW"] == [forged]
    assert "forged" not in {line["event"] for line in lines}


@pytest.fixture
def full() -> Iterator[int]:
    """Standard output on a disk without space."""
    with open("/dev/full", "wb") as disk:
        yield disk.fileno()


@pytest.fixture
def closed() -> Iterator[int]:
    """Standard output that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("output", ["full", "closed"])
def test_log_that_can_not_be_written_fails_no_request(
    request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path: Path, output: str
) -> None:
    gunicorn = Gunicorn(sqlite_in(tmp_path, migrated_sqlite), tmp_path)
    gunicorn.start(request.getfixturevalue(output))
    try:
        answers = [httpx.get(f"{gunicorn.url}/auth/me") for _ in range(20)]
    finally:
        gunicorn.stop()

    assert {answer.status_code for answer in answers} == {400}
    assert "Logging error" not in gunicorn.log.read_text()


def test_lines_are_readable_on_a_terminal(migrated_sqlite: Path, tmp_path: Path) -> None:
    terminal, output = pty.openpty()
    gunicorn = Gunicorn(sqlite_in(tmp_path, migrated_sqlite), tmp_path)
    gunicorn.start(output)
    try:
        httpx.get(f"{gunicorn.url}/auth/me")
    finally:
        gunicorn.stop()
    os.close(output)
    with open(terminal, "rb", buffering=0) as screen:
        shown = screen.read(60_000).decode()

    colors = re.compile(r"\x1b\[[0-9;]*m")
    plain = [colors.sub("", line) for line in shown.splitlines()]
    assert colors.search(shown)
    assert any(re.search(r"Z \[info +\] Booting worker with pid: \d+", line) for line in plain)
    assert any(
        re.search(r"Z \[info +\] request .* method=GET route=/auth/me status=400 ", line)
        for line in plain
    )
