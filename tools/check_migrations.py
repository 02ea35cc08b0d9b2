"""Are the migrations in step with the models? On a fresh SQLite, and on PostgreSQL if it is here.

Run from the top of the tree: python -m tools.check_migrations
"""

import tempfile
from pathlib import Path

import click
from flask_migrate import check, upgrade

from tests import servers
from workhub import create_app
from workhub.extensions import db


def compare(url: str) -> None:
    """Migrate an empty database and compare it with the models.

    Raises:
        SystemExit: they differ; what differs has been logged.
    """
    app = create_app({"DATABASE_URL": url})
    with app.app_context():
        upgrade()
        check()
        db.engine.dispose()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        compare(f"sqlite:///{Path(folder) / 'fresh.db'}")
        click.echo("SQLite: migrations and models agree.")
    try:
        server = servers.postgres()
        url = server.__enter__()
    except Exception as error:  # whatever keeps it from starting
        click.echo(f"PostgreSQL: NOT CHECKED, no server can be had: {error}", err=True)
        return
    try:
        compare(url)
        click.echo("PostgreSQL: migrations and models agree.")
    finally:
        server.__exit__(None, None, None)


if __name__ == "__main__":
    main()
