"""What tests are given. Whatever asks for `app` or a thing above it runs on both databases."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade

from tests import servers
from tests.clients import Account, Client, Clock
from workhub import create_app
from workhub.extensions import db


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_machine() -> None:
    """The tests see no `.env` and none of the developer's own settings."""
    for name in ("DATABASE_URL", "POSTGRES_DB", "FLASK_DEBUG", *servers.SECRETS):
        os.environ.pop(name, None)


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_is_heard() -> None:
    """What a shell runs in the background is deaf to SIGINT, and so is what that starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database with the tables made."""
    try:
        server = servers.postgres()
        url = server.__enter__()
    except Exception as error:
        pytest.skip(f"no PostgreSQL server to be had: {error}")
    migrate(url)
    yield url
    server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the tables made and nothing in them, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


def migrate(url: str) -> None:
    app = create_app({"DATABASE_URL": url})
    with app.app_context():
        upgrade()
        db.engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "workhub.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM users")
    return url


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """The folder of the photos."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_app(database_url: str, uploads: Path, clock: Clock) -> Iterator[Callable[..., Flask]]:
    """Builds the application with settings of the test's own, by keyword."""
    made = []

    def make(**settings: str) -> Flask:
        app = create_app(
            {
                **servers.SECRETS,
                "DATABASE_URL": database_url,
                "UPLOAD_FOLDER": str(uploads),
                "BCRYPT_ROUNDS": "4",
                **settings,
            },
            clock,
        )
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> Client:
    return Client(app)


@pytest.fixture
def account(client: Client) -> Account:
    """Ann has registered."""
    assert client.register().status_code == 201
    return Account(client)
