"""make run: from a fresh clone to a service, again and again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.checkouts import Checkout
from tests.clients import PASSWORD
from tests.servers import ROOT, START_SECONDS, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("make"), reason="make run needs make"),
]


class Clone(Checkout):
    """A checkout with everything but the packages, which are those of these tests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        shutil.copy(ROOT / "Makefile", folder)
        shutil.copy(ROOT / "requirements-dev.txt", folder)
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        (folder / ".venv" / ".installed").touch()
        self.output = folder / "output"

    @contextmanager
    def make_run(self) -> Iterator[httpx.Client]:
        """A client of what `make run` serves; at the end comes Ctrl-C."""
        port = free_port()
        self.output.unlink(missing_ok=True)
        with self.output.open("wb") as output:
            make = subprocess.Popen(
                ["make", "run"],  # noqa: S607 (the newcomer's own command)
                cwd=self.folder,
                env={
                    "PATH": os.environ["PATH"],
                    "WORKHUB_BIND": f"127.0.0.1:{port}",
                    "BCRYPT_ROUNDS": "4",
                },
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
                self._wait(make, client)
                yield client
            os.killpg(make.pid, signal.SIGINT)
            assert make.wait(START_SECONDS) == -signal.SIGINT
        finally:
            if make.poll() is None:
                os.killpg(make.pid, signal.SIGKILL)
                make.wait()

    def _wait(self, make: subprocess.Popen[bytes], client: httpx.Client) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                client.get("/nothing")
            except httpx.TransportError:
                assert make.poll() is None, self.output.read_text()
                assert time.monotonic() < deadline, self.output.read_text()
                time.sleep(0.02)
            else:
                return


def test_make_run_again_keeps_accounts_and_log_ins(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    ann = {"email": "ann@example.com", "password": PASSWORD}
    with clone.make_run() as client:
        client.post("/auth/register", json={**ann, "name": "Ann"})
        tokens = client.post("/auth/login", json=ann).json()
    first = clone.output.read_text()
    with clone.make_run() as client:
        me = client.get("/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    second = clone.output.read_text()

    assert me.status_code == 200
    assert me.json() == {"name": "Ann", "email": "ann@example.com", "photo": None}
    assert first.startswith(
        "SECRET_JWT: written to .env\n"
        "SECRET_JWT_REFRESH: written to .env\n"
        "SECRET_MANAGER: written to .env\n"
        "Upgraded to 0001: Users and sessions.\n"
    )
    assert oct(clone.dotenv.stat().st_mode & 0o777) == "0o600"
    for output in (first, second):
        assert "Shutting down: Master" in output
        assert "Traceback" not in output
        assert "***" not in output
