"""The tree as somebody has cloned it: settings, database and photos of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.servers import ROOT

_COPIED = ("config.py", "wsgi.py", "gunicorn.conf.py")  # they look for .env beside themselves
_LINKED = ("workhub", "migrations")


class Checkout:
    """Runs the project's commands in a folder and with an environment that hold nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dotenv = folder / ".env"
        for name in _COPIED:
            shutil.copy(ROOT / name, folder)
        for name in _LINKED:
            (folder / name).symlink_to(ROOT / name)

    def start(self, module: str, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start `flask` or `gunicorn`."""
        return subprocess.Popen(  # noqa: S603 (this project's own command)
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                "PYTHONDONTWRITEBYTECODE": "1",
                **settings,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, module: str, *arguments: str, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(module, *arguments, **settings)
        output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
