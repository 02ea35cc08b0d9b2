"""The migrations: up, down and up again, in step with the models, the same on both databases."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy.exc import OperationalError, ProgrammingError

from tests.checkouts import Checkout
from tests.clients import Account, Client
from tests.servers import ROOT, SECRETS
from workhub import create_app
from workhub.extensions import Model, db

MIGRATIONS = ROOT / "migrations"
VERSIONS = sorted((MIGRATIONS / "versions").glob("*.py"))
LATER = '''"""A later migration."""

import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "0001"


def upgrade() -> None:
    {statements}
'''


@contextmanager
def new_postgres(server_url: str) -> Iterator[str]:
    name = f"workhub_new_{uuid4().hex}"
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new.db'}"
        return
    with new_postgres(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
def new_app(new_url: str, tmp_path: Path) -> Iterator[Flask]:
    """The application on a database without tables."""
    app = create_app(
        {
            **SECRETS,
            "DATABASE_URL": new_url,
            "BCRYPT_ROUNDS": "4",
            "UPLOAD_FOLDER": str(tmp_path),
        }
    )
    with app.app_context():
        yield app
        db.engine.dispose()


@pytest.fixture
def migrated_app(new_app: Flask) -> Flask:
    """The application on a new database with the tables made."""
    upgrade()
    return new_app


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The folder of the migrations, to which a test adds one."""
    return copytree(MIGRATIONS, tmp_path / "migrations")


def add(folder: Path, *statements: str) -> None:
    (folder / "versions" / "later.py").write_text(
        LATER.format(statements="\n    ".join(statements))
    )


def rows(table: str) -> int:
    with db.engine.connect() as connection:
        count: int = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()  # noqa: S608 (a literal of the test)
    return count


def version() -> str | None:
    with db.engine.connect() as connection:
        number: str | None = connection.exec_driver_sql(
            "SELECT version_num FROM alembic_version"
        ).scalar()
    return number


def reflected(engine: sa.Engine) -> dict[str, Any]:
    """Tables, columns and constraints with their names, as the database has them."""
    inspector = sa.inspect(engine)
    return {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(table)
            },
            "primary key": (
                inspector.get_pk_constraint(table)["name"],
                inspector.get_pk_constraint(table)["constrained_columns"],
            ),
            "foreign keys": [
                (
                    key["name"],
                    key["constrained_columns"],
                    key["referred_table"],
                    key["referred_columns"],
                    key["options"],
                )
                for key in inspector.get_foreign_keys(table)
            ],
            "unique": [
                (unique["name"], unique["column_names"])
                for unique in inspector.get_unique_constraints(table)
            ],
            "indexes": [
                (index["name"], index["column_names"], bool(index["unique"]))
                for index in inspector.get_indexes(table)
                if "duplicates_constraint" not in index
            ],
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def names(tables: dict[str, Any]) -> dict[str, Any]:
    """The same without the types, which have other names on another database."""
    return {
        table: {
            **parts,
            "columns": {name: nullable for name, (_, nullable, _) in parts["columns"].items()},
        }
        for table, parts in tables.items()
    }


def test_migrations_make_what_the_models_say(migrated_app: Flask) -> None:
    migrated = reflected(db.engine)
    downgrade(revision="base")

    Model.metadata.create_all(db.engine)

    assert migrated.keys() == {"users", "sessions"}
    assert migrated == reflected(db.engine)


@pytest.mark.postgres
def test_both_databases_get_the_same_names(migrated_sqlite: Path, postgres_url: str) -> None:
    sqlite = reflected(sa.create_engine(f"sqlite:///{migrated_sqlite}", poolclass=sa.NullPool))
    postgres = reflected(sa.create_engine(postgres_url, poolclass=sa.NullPool))

    assert names(sqlite) == names(postgres)
    assert all(
        name
        for parts in sqlite.values()
        for name, *_ in (
            parts["primary key"],
            *parts["foreign keys"],
            *parts["unique"],
            *parts["indexes"],
        )
    )


def test_upgrade_of_a_migrated_database_keeps_accounts_and_log_ins(migrated_app: Flask) -> None:
    client = Client(migrated_app)
    client.register()
    tokens = Account(client).log_in()

    upgrade()

    assert client.get("/auth/me", token=tokens.access_token).status_code == 200


def test_populated_database_goes_down_and_up_again(
    migrated_app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client(migrated_app)
    client.register()
    Account(client).log_in()
    before = reflected(db.engine)
    capsys.readouterr()

    downgrade(revision="base")
    bare = reflected(db.engine), version()
    upgrade()

    assert bare == ({}, None)
    assert reflected(db.engine) == before
    assert (rows("users"), rows("sessions"), version()) == (0, 0, "0001")
    assert capsys.readouterr().out == (
        "Went back from 0001: Users and sessions.\nUpgraded to 0001: Users and sessions.\n"
    )


def test_rebuilding_the_table_of_users_keeps_their_sessions(
    migrated_app: Flask, later: Path
) -> None:
    client = Client(migrated_app)
    client.register()
    tokens = Account(client).log_in()
    add(
        later,
        'with op.batch_alter_table("users", recreate="auto") as users:',
        '    users.alter_column("name", type_=sa.String(200))',
        '    users.add_column(sa.Column("later", sa.String(10)))',
    )

    upgrade(directory=str(later))

    assert (version(), rows("users"), rows("sessions")) == ("later", 1, 1)
    assert client.get("/auth/me", token=tokens.access_token).status_code == 200


def test_sessions_go_with_their_user_after_a_migration(migrated_app: Flask) -> None:
    client = Client(migrated_app)
    client.register()
    Account(client).log_in()

    with db.engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM users")

    assert rows("sessions") == 0


def test_failing_migration_leaves_nothing_half_done(migrated_app: Flask, later: Path) -> None:
    client = Client(migrated_app)
    client.register()
    tokens = Account(client).log_in()
    before = reflected(db.engine)
    add(
        later,
        'op.create_table("half", sa.Column("id", sa.Integer()))',
        'op.add_column("users", sa.Column("half", sa.String(10)))',
        "op.execute(\"UPDATE users SET name = 'half'\")",
        'op.execute("SELECT * FROM nowhere")',
    )

    with pytest.raises((OperationalError, ProgrammingError)):
        upgrade(directory=str(later))

    me = client.get("/auth/me", token=tokens.access_token)
    assert me.json == {"name": "Ann", "email": "ann@example.com", "photo": None}
    assert (reflected(db.engine), version()) == (before, "0001")


def test_failing_first_upgrade_leaves_an_empty_database(new_app: Flask, later: Path) -> None:
    add(later, 'op.execute("SELECT * FROM nowhere")')

    with pytest.raises((OperationalError, ProgrammingError)):
        upgrade(directory=str(later))

    assert sa.inspect(db.engine).get_table_names() == []


@pytest.mark.race
def test_upgrades_at_once_all_succeed_and_one_does_the_work(new_url: str, tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    checkout = Checkout(tmp_path / "checkout")

    started = [checkout.start("flask", "db", "upgrade", DATABASE_URL=new_url) for _ in range(3)]

    outputs = sorted(process.communicate(timeout=60) for process in started)
    assert [process.returncode for process in started] == [0, 0, 0]
    assert outputs == [("", ""), ("", ""), ("Upgraded to 0001: Users and sessions.\n", "")]


@pytest.mark.postgres
@pytest.mark.race
def test_upgrade_waits_for_the_one_that_is_under_way(postgres_url: str, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    with new_postgres(postgres_url) as url:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as under_way:
            under_way.exec_driver_sql("SELECT pg_advisory_lock(hashtext('workhub.migrations'))")
            process = checkout.start("flask", "db", "upgrade", DATABASE_URL=url)
            while not under_way.exec_driver_sql(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ).scalar():
                assert process.poll() is None
            tables_meanwhile = sa.inspect(engine).get_table_names()

        output, errors = process.communicate(timeout=60)

        assert tables_meanwhile == []
        assert (process.returncode, output, errors) == (
            0,
            "Upgraded to 0001: Users and sessions.\n",
            "",
        )


@pytest.mark.parametrize("path", VERSIONS, ids=[path.stem for path in VERSIONS])
def test_migration_does_not_depend_on_the_application_of_today(path: Path) -> None:
    imports = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE)

    assert set(imports) <= {"alembic", "datetime", "sqlalchemy", "uuid"}
