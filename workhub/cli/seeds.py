"""flask users seed: made-up accounts, to try things with."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

import click

from workhub.accounts import passwords, users
from workhub.cli.terminal import answer, as_json, progress

BATCH_ROWS = 5000
LOCALES = ("ru_RU", "en_US")


@click.argument("count", type=click.IntRange(1, 10_000_000))
@as_json
def seed(count: int, as_json: bool) -> None:
    """Add COUNT made-up accounts, all with one password, which is said.

    Needs Faker, a requirement of development. Their addresses can receive no mail.

    Example: flask users seed 1000
    """
    try:
        from faker import Faker
    except ImportError:
        raise click.ClickException(
            "Faker is not installed. Install the requirements of development: "
            "pip install -r requirements-dev.txt"
        ) from None
    password = f"Seed-{secrets.token_hex(4)}-1aA"
    rows = _rows(count, passwords.hash(password), [Faker(locale) for locale in LOCALES])
    with progress("Adding", count) as reached:
        added = 0
        while batch := list(islice(rows, BATCH_ROWS)):
            added += users.add_all([batch])
            reached(added)
    answer(
        {"added": added, "password": password},
        f"Added: {added}. The password of each: {password}",
        as_json,
    )


def _rows(count: int, password_hash: str, fakers: list[Any]) -> Iterator[dict[str, Any]]:
    """Accounts of the last two years. They share a hash: one for each would take hours."""
    tag = secrets.token_hex(3)  # so that a second run meets none of the first
    now = datetime.now(UTC)
    for number in range(count):
        fake = fakers[number % len(fakers)]
        age = timedelta(seconds=secrets.randbelow(2 * 365 * 86400))
        yield {
            "id": uuid4(),
            "email": f"{fake.user_name()}.{tag}{number}@{fake.safe_domain_name()}".lower(),
            "name": fake.name(),
            "password_hash": password_hash,
            "created_at": now - age,
        }
