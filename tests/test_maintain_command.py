"""flask maintain: what is nobody's any more goes, and nothing else."""

import io
import json
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from tests.clients import Account, Client, Clock
from tests.images import jpeg
from workhub.accounts.models import Session
from workhub.extensions import db

ORPHAN = "AAAAAAAAAAAAAAAAAAAAAA.webp"
UNFINISHED = ".BBBBBBBBBBBBBBBBBBBBBB.webp.tmp"


@pytest.fixture
def maintain(app: Flask) -> Callable[[], dict[str, int]]:
    def run() -> dict[str, int]:
        done = app.test_cli_runner().invoke(args=["maintain", "--json"])
        assert (done.exit_code, done.stderr) == (0, "")
        told: dict[str, int] = json.loads(done.stdout)
        return told

    return run


def aged(path: Path, clock: Clock, by: timedelta) -> Path:
    path.write_bytes(b"x")
    then = (clock.time - by).timestamp()
    os.utime(path, (then, then))
    return path


def test_with_nothing_to_do_it_says_so(app: Flask) -> None:
    done = app.test_cli_runner().invoke(args=["maintain"])

    assert (done.exit_code, done.output) == (
        0,
        "Deleted: sessions 0, photos 0, temporary files 0.\n",
    )


def test_sessions_go_ninety_days_after_their_end(
    client: Client, account: Account, clock: Clock, maintain: Callable[[], dict[str, int]]
) -> None:
    client.get("/auth/logout", token=account.log_in().access_token)
    clock.shift(timedelta(days=90))
    at_ninety_days = maintain()
    clock.shift(timedelta(microseconds=1))

    after = maintain()

    assert at_ninety_days["sessions"] == 0
    assert after["sessions"] == 1


def test_sessions_go_ninety_days_after_they_expired(
    account: Account, clock: Clock, maintain: Callable[[], dict[str, int]]
) -> None:
    account.log_in()
    clock.shift(timedelta(days=14 + 90))
    at_ninety_days = maintain()
    clock.shift(timedelta(microseconds=1))

    after = maintain()

    assert at_ninety_days["sessions"] == 0
    assert after["sessions"] == 1


def test_live_sessions_stay(
    client: Client, account: Account, maintain: Callable[[], dict[str, int]]
) -> None:
    tokens = account.log_in()

    done = maintain()

    assert done["sessions"] == 0
    assert client.get("/auth/me", token=tokens.access_token).status_code == 200


@pytest.mark.slow
def test_thousands_of_sessions_go_in_batches_and_the_young_stay(
    app: Flask, account: Account, clock: Clock, maintain: Callable[[], dict[str, int]]
) -> None:
    account.log_in()
    with app.app_context(), db.engine.connect() as connection:
        live = connection.execute(select(Session.__table__)).one()._asdict()
        old = {**live, "ended_at": clock.time - timedelta(days=91)}
        young = {**live, "ended_at": clock.time - timedelta(days=89)}
        connection.execute(
            insert(Session),
            [{**(old, young)[n % 2], "id": uuid4()} for n in range(12_000)],
        )

    done = maintain()

    assert done["sessions"] == 6000
    with app.app_context(), db.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Session)) == 6001


def test_files_that_no_row_names_go_once_they_are_a_day_old(
    uploads: Path, clock: Clock, maintain: Callable[[], dict[str, int]]
) -> None:
    day = timedelta(days=1, seconds=1)
    young = timedelta(hours=23)
    aged(uploads / ORPHAN, clock, day)
    aged(uploads / UNFINISHED, clock, day)
    aged(uploads / "keep.txt", clock, day)
    aged(uploads / ".gitkeep", clock, day)
    aged(uploads / ORPHAN.replace("A", "C"), clock, young)
    aged(uploads / UNFINISHED.replace("B", "C"), clock, young)

    done = maintain()

    assert done == {"sessions": 0, "photos": 1, "temporary_files": 1}
    assert sorted(path.name for path in uploads.iterdir()) == [
        ".CCCCCCCCCCCCCCCCCCCCCC.webp.tmp",
        ".gitkeep",
        "CCCCCCCCCCCCCCCCCCCCCC.webp",
        "keep.txt",
    ]


def test_the_photo_of_an_account_stays_however_old_it_is(
    client: Client, account: Account, clock: Clock, maintain: Callable[[], dict[str, int]]
) -> None:
    token = account.log_in().access_token
    client.patch("/auth/photo", token=token, data={"photo": (io.BytesIO(jpeg()), "me.jpg")})
    clock.shift(timedelta(minutes=20))
    photo = client.get("/auth/me", token=token).json["photo"]
    clock.shift(timedelta(days=300))

    done = maintain()

    assert done["photos"] == 0
    with client.get(photo) as answer:
        assert answer.status_code == 200


@pytest.mark.race
def test_it_is_safe_beside_itself(app: Flask, uploads: Path, clock: Clock) -> None:
    for number in range(50):
        aged(uploads / f"{number:022}.webp", clock, timedelta(days=2))
    barrier = threading.Barrier(4)
    done: list[Any] = []

    def run() -> None:
        barrier.wait(10)
        with app.app_context():
            from workhub.accounts import photos

            done.append(photos.remove_orphans(timedelta(days=1)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(done) == 4
    assert list(uploads.iterdir()) == []
