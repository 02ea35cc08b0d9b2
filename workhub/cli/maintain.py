"""flask maintain: what a timer runs once a day."""

from datetime import timedelta

import click
from flask.cli import with_appcontext

from workhub.accounts import photos, sessions
from workhub.cli.terminal import Command, answer, as_json

SESSIONS_KEPT = timedelta(days=90)
FILES_KEPT = timedelta(days=1)


@click.command(cls=Command)
@with_appcontext
@as_json
def maintain(as_json: bool) -> None:
    """Delete what nobody needs any more. Safe beside the service, and beside itself.

    Sessions that ended more than 90 days ago; photo files that no account names, and unfinished
    ones, once they are a day old.

    Example: flask maintain
    """
    pruned = sessions.prune(SESSIONS_KEPT)
    orphans, unfinished = photos.remove_orphans(FILES_KEPT)
    answer(
        {"sessions": pruned, "photos": orphans, "temporary_files": unfinished},
        f"Deleted: sessions {pruned}, photos {orphans}, temporary files {unfinished}.",
        as_json,
    )
