"""Hashing: a few at a time, behind everything else, and never without an end."""

import os
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.clients import PASSWORD
from tests.servers import Gunicorn
from workhub.accounts import hashing
from workhub.accounts.hashing import NICENESS, WAITING_MAX, HashingPool
from workhub.problems import Problem, ProblemType

pytestmark = pytest.mark.race


class Gate:
    """Work that goes on until it is let go, and says how much of it runs at once."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.running = threading.Semaphore(0)
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    def pass_through(self, value: int) -> int:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        self.running.release()
        assert self.opened.wait(30)
        with self._lock:
            self._now -= 1
        return value


@pytest.fixture
def gate() -> Gate:
    return Gate()


def started(gate: Gate, count: int) -> None:
    for _ in range(count):
        assert gate.running.acquire(timeout=30)


def waiting(pool: HashingPool, count: int) -> None:
    with pool.arrival:
        assert pool.arrival.wait_for(lambda: len(pool.waiting) == count, 30)


def test_each_caller_gets_its_own_answer_and_no_more_run_than_there_are_slots(gate: Gate) -> None:
    pool = HashingPool(slots=2)
    with ThreadPoolExecutor(10) as callers:
        answers = [callers.submit(pool.run, gate.pass_through, n) for n in range(10)]
        started(gate, 2)
        waiting(pool, 8)
        gate.opened.set()

        assert [answer.result() for answer in answers] == list(range(10))
    assert gate.most_at_once == 2


def test_two_pools_share_their_slots_as_two_workers_do(gate: Gate) -> None:
    pools = [HashingPool(slots=1), HashingPool(slots=1)]
    with ThreadPoolExecutor(4) as callers:
        answers = [callers.submit(pools[n % 2].run, gate.pass_through, n) for n in range(4)]
        started(gate, 1)
        gate.opened.set()

        assert [answer.result() for answer in answers] == [0, 1, 2, 3]
    assert gate.most_at_once == 1


def test_who_finds_the_queue_full_is_told_at_once(gate: Gate) -> None:
    pool = HashingPool(slots=1)
    with ThreadPoolExecutor(1 + WAITING_MAX) as callers:
        answers = [callers.submit(pool.run, gate.pass_through, n) for n in range(1 + WAITING_MAX)]
        started(gate, 1)
        waiting(pool, WAITING_MAX)

        with pytest.raises(Problem) as refused:
            pool.run(gate.pass_through, 99)

        gate.opened.set()
        assert [answer.result() for answer in answers] == list(range(1 + WAITING_MAX))
    assert (refused.value.type, refused.value.retry_after) == (ProblemType.UNAVAILABLE, 5)


def test_who_waits_too_long_is_told_and_takes_no_turn(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "WAIT_SECONDS", 0.05)
    pool = HashingPool(slots=1)
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(pool.run, gate.pass_through, 1)
        started(gate, 1)

        with pytest.raises(Problem) as refused:
            pool.run(gate.pass_through, 2)

        gate.opened.set()
        assert first.result() == 1
    assert refused.value.type == ProblemType.UNAVAILABLE
    assert pool.run(gate.pass_through, 3) == 3
    started(gate, 1)
    assert not gate.running.acquire(blocking=False)


def test_hashes_run_at_a_lower_priority_than_everything_else() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()

    assert HashingPool(slots=1).run(priority) == NICENESS
    assert priority() == before


@pytest.mark.parametrize("error", [ValueError("salt"), MemoryError()], ids=["value", "memory"])
def test_what_a_hash_raises_reaches_its_caller_and_the_pool_goes_on(error: Exception) -> None:
    pool = HashingPool(slots=1)

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        pool.run(fail)
    assert pool.run(int, "7") == 7


def test_without_a_folder_for_its_turns_a_worker_hashes_alone_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"workhub-{os.getuid()}").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pool = HashingPool(slots=1)

    answers = [pool.run(int, digit) for digit in "789"]

    assert answers == [7, 8, 9]
    assert capsys.readouterr().out.count("hashing_alone") == 1


@pytest.mark.slow
def test_a_storm_of_log_ins_is_answered_or_sent_away_and_holds_up_nobody_else(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "storm.db")
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/storm.db", "BCRYPT_ROUNDS": "13"}
    ann = {"email": "ann@example.com", "name": "Ann", "password": PASSWORD}
    storm = 60
    with (
        Gunicorn(settings, tmp_path, "--workers=1", "--threads=100") as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        ThreadPoolExecutor(storm) as callers,
    ):
        client.post("/auth/register", json=ann)
        token = client.post("/auth/login", json=ann).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}

        log_ins = [callers.submit(client.post, "/auth/login", json=ann) for _ in range(storm)]
        me = client.get("/auth/me", headers=headers)
        still_waiting = sum(not log_in.done() for log_in in log_ins)
        answers = [log_in.result() for log_in in log_ins]

    assert me.status_code == 200
    assert still_waiting > 0
    assert {answer.status_code for answer in answers} == {200, 503}
    sent_away = [answer for answer in answers if answer.status_code == 503]
    assert {answer.headers["Retry-After"] for answer in sent_away} == {"5"}
    assert {answer.text for answer in sent_away} == {
        '{"detail":"Сервис временно недоступен. Повторите позже."}\n'
    }
