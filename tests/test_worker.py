"""The worker: silent clients, and how it ends."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from config import THREADS
from tests.servers import Gunicorn, sqlite_in
from tests.wire import Wire, connected, request

INVALID = {"detail": "Некорректный запрос."}
NO_TOKEN = {"detail": "Отсутствует заголовок с токеном."}
NO_OBJECT = {"detail": "Проверьте введённые данные.", "errors": {}}
JSON = "Content-Type: application/json"


@pytest.mark.slow
def test_clients_that_keep_silent_do_not_hold_the_threads_for_ever(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    head = request("POST /auth/login", JSON, "Content-Length: 20")
    with (
        Gunicorn(sqlite_in(tmp_path, migrated_sqlite), tmp_path, "--workers", "1") as gunicorn,
        ExitStack() as held,
    ):
        silent = [held.enter_context(connected(gunicorn.port)) for _ in range(THREADS)]
        for wire, sent in zip(silent, [head[:20], head + b"{"] * (THREADS // 2), strict=True):
            wire.send(sent)
        other = held.enter_context(connected(gunicorn.port))
        other.send(request("GET /auth/me"))

        assert other.answer().body == NO_TOKEN
        assert silent[1].answer().body == INVALID
        gunicorn.stop()
    lines = [json.loads(line) for line in gunicorn.log.read_text().splitlines()]
    told = [line for line in lines if line["level"] == "error"]
    assert {line["error"] for line in told} == {"builtins.BlockingIOError"}
    assert {tuple(line) for line in told} == {
        ("time", "level", "event", "error", "trace", "reason")
    }


def in_flight(gunicorn: Gunicorn, held: ExitStack) -> Wire:
    """A request that a thread has begun: it waits for the body."""
    wire = held.enter_context(connected(gunicorn.port))
    wire.send(request("POST /auth/login", JSON, "Content-Length: 2", "Expect: 100-continue"))
    assert wire.socket.recv(1000).startswith(b"HTTP/1.1 100 ")
    return wire


@pytest.mark.slow
def test_term_lets_a_request_in_flight_finish(migrated_sqlite: Path, tmp_path: Path) -> None:
    with Gunicorn(sqlite_in(tmp_path, migrated_sqlite), tmp_path) as gunicorn, ExitStack() as held:
        wire = in_flight(gunicorn, held)

        gunicorn.process.send_signal(signal.SIGTERM)
        while "Handling signal: term" not in gunicorn.log.read_text():
            time.sleep(0.01)
        wire.send(b"[]")
        answer = wire.answer()
        held.close()

        assert (answer.status, answer.body) == (422, NO_OBJECT)
        assert gunicorn.process.wait(10) == 0


@pytest.mark.slow
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to the server", "to all, as Ctrl-C"])
def test_interrupt_ends_at_once_and_well(
    migrated_sqlite: Path, tmp_path: Path, send: Callable[[int, int], None]
) -> None:
    with Gunicorn(sqlite_in(tmp_path, migrated_sqlite), tmp_path) as gunicorn, ExitStack() as held:
        in_flight(gunicorn, held)
        begun = time.monotonic()

        send(gunicorn.process.pid, signal.SIGINT)

        assert gunicorn.process.wait(10) == 0
        assert time.monotonic() - begun < 2
