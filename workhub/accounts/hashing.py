"""Where passwords are hashed: few at a time, behind everything else.

bcrypt is the one costly thing here. Over all workers together as many hashes run at once as there
are cores, in threads of a lower priority, so that a storm of log-ins fills the cores and still
leaves them to those who only read. Who finds the queue full, or waits too long, is told to come
back.
"""

import errno
import fcntl
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition, Thread, get_native_id
from typing import IO, Any, TypeVar

from config import CORES
from workhub import logs
from workhub.problems import Problem, ProblemType

WAITING_MAX = 16  # in one worker
WAIT_SECONDS = 5
NICENESS = 10
_TURN_SECONDS = 0.0005

R = TypeVar("R")


class HashingPool:
    """Threads that take turns with those of the other workers.

    A turn is a locked file: the lock ends with the process that held it, however that ends. Thread
    n of each worker takes turns at file n, so that one of them runs at a time.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], Future[Any]]] = deque()
        self.arrival = Condition()
        self._threads: list[Thread] = []

    def run(self, hash: Callable[..., R], *arguments: Any) -> R:
        """What `hash(*arguments)` returns, when its turn has come.

        Raises:
            Problem: UNAVAILABLE, when too many wait already, or it has waited too long.
        """
        future: Future[R] = Future()
        job = (hash, arguments, future)
        with self.arrival:
            if len(self.waiting) >= WAITING_MAX:
                raise _busy()
            self._start_threads()
            self.waiting.append(job)
            self.arrival.notify_all()
        try:
            return future.result(WAIT_SECONDS)
        except FutureTimeoutError:
            if not future.cancel():  # it runs, and will be done soon
                return future.result()
            with self.arrival:
                if job in self.waiting:
                    self.waiting.remove(job)
            raise _busy() from None

    def _start_threads(self) -> None:
        """With the first job: in the worker, and not in the process that it was forked from."""
        if not self._threads:
            for turns in _turns(self._slots):
                thread = Thread(target=self._serve, args=(turns,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, turns: IO[str] | None) -> None:
        if sys.platform == "linux":  # elsewhere a thread has no priority of its own
            with suppress(PermissionError):  # where a sandbox forbids it, it goes on without
                os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)
        while True:
            with self.arrival:
                self.arrival.wait_for(lambda: self.waiting)
            with _turn(turns):
                self._hash_one()
            # Whoever locks again at once is always faster than those who have to wake up.
            time.sleep(_TURN_SECONDS)

    def _hash_one(self) -> None:
        with self.arrival:
            if not self.waiting:
                return
            hash, arguments, future = self.waiting.popleft()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(hash(*arguments))
            except BaseException as error:
                future.set_exception(error)


def _turns(slots: int) -> Sequence[IO[str] | None]:
    """The files to lock, the same for all workers; where there can be none, a worker goes alone."""
    folder = Path(tempfile.gettempdir()) / f"workhub-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():  # whoever made it could hold the locks for ever
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return [(folder / f"slot-{slot}").open("a") for slot in range(slots)]
    except OSError as error:
        logs.hashing_alone(error)
        return [None] * slots


@contextmanager
def _turn(turns: IO[str] | None) -> Iterator[None]:
    if turns is None:
        yield
        return
    fcntl.flock(turns, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(turns, fcntl.LOCK_UN)


def _busy() -> Problem:
    return Problem(ProblemType.UNAVAILABLE, retry_after=WAIT_SECONDS)


pool = HashingPool(CORES)
