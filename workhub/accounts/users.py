"""Accounts: register, log in, rename, disable, delete; and many at once, for operators."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from workhub.accounts import passwords, photos, sessions
from workhub.accounts.models import User
from workhub.accounts.tokens import Issued
from workhub.extensions import connect, now, transaction
from workhub.problems import Problem, ProblemType

_PAGE_ROWS = 1000
_TOLD = (User.id, User.email, User.name, User.photo, User.created_at, User.disabled_at)
_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def register(email: str, name: str, password: str) -> None:
    """Add an account. Of two clients with one address, the unique index picks one.

    Args:
        email: in its normal form.
        password: in NFC.
    Raises:
        Problem: that of the first broken password rule, or EMAIL_TAKEN.
    """
    passwords.check_rules(password)
    values = {
        "email": email,
        "name": name,
        "password_hash": passwords.hash(password),
        "created_at": now(),
    }
    try:
        with connect() as connection:
            connection.execute(insert(User).values(values))
    except IntegrityError:  # the address: no other constraint here is in a client's reach
        raise Problem(ProblemType.EMAIL_TAKEN) from None


def log_in(email: str, password: str, ip: str | None, user_agent: str | None) -> Issued:
    """Open a session for who knows the password of an account.

    An unknown address takes the same statements and the same hash as a wrong password.

    Raises:
        Problem: that of the first broken password rule, or LOGIN_FAILED.
    """
    passwords.check_rules(password)
    issued = None
    while issued is None:  # again when the hash has changed since it was read
        user = _with_email(email)
        known = passwords.verify(password, user and user.password_hash)
        if not known or user is None or user.disabled_at is not None:
            raise Problem(ProblemType.LOGIN_FAILED)
        if passwords.needs_rehash(user.password_hash):
            issued = _open_with_new_hash(user, password, ip, user_agent)
        else:
            with connect() as connection:
                issued = sessions.open(connection, user.id, user.password_hash, ip, user_agent)
    return issued


def _with_email(email: str) -> Row[UUID, str, datetime | None] | None:
    with connect() as connection:
        return connection.execute(
            select(User.id, User.password_hash, User.disabled_at).where(User.email == email)
        ).first()


def _open_with_new_hash(
    user: Row[UUID, str, datetime | None], password: str, ip: str | None, user_agent: str | None
) -> Issued | None:
    new_hash = passwords.hash(password)
    with transaction() as connection:
        connection.execute(
            update(User)
            .where(User.id == user.id, User.password_hash == user.password_hash)
            .values(password_hash=new_hash)
        )
        return sessions.open(connection, user.id, new_hash, ip, user_agent)


def rename(user_id: UUID, name: str) -> None:
    """Give the account another name.

    Raises:
        Problem: USER_NOT_FOUND, when it was deleted a moment before.
    """
    with connect() as connection:
        _update(connection, user_id, name=name)


def _update(connection: Connection, user_id: UUID, **values: Any) -> None:
    updated = connection.execute(
        update(User).where(User.id == user_id).values(values).returning(User.id)
    ).first()
    if updated is None:
        raise Problem(ProblemType.USER_NOT_FOUND)


def remove(user_id: UUID) -> None:
    """Delete the account, its sessions and its photo.

    Raises:
        Problem: USER_NOT_FOUND, when it was deleted a moment before.
    """
    with connect() as connection:
        deleted = connection.execute(
            delete(User).where(User.id == user_id).returning(User.photo)
        ).first()
    if deleted is None:
        raise Problem(ProblemType.USER_NOT_FOUND)
    if deleted.photo is not None:
        photos.remove_file(deleted.photo)


def find(email: str) -> Row[UUID, str, str, str | None, datetime, datetime | None]:
    """The account with an address (in its normal form), without its hash.

    Raises:
        Problem: USER_NOT_FOUND.
    """
    with connect() as connection:
        row = connection.execute(select(*_TOLD).where(User.email == email)).first()
    if row is None:
        raise Problem(ProblemType.USER_NOT_FOUND)
    return row


def everyone() -> Iterator[Row[UUID, str, str, str | None, datetime, datetime | None]]:
    """All accounts in the order of their addresses, read a page at a time."""
    after = ""
    while True:
        with connect() as connection:
            page = connection.execute(
                select(*_TOLD).where(User.email > after).order_by(User.email).limit(_PAGE_ROWS)
            ).all()
        yield from page
        if len(page) < _PAGE_ROWS:
            return
        after = page[-1].email


def set_password(user_id: UUID, password: str) -> int:
    """Give the account another password (in NFC) and end its sessions; returns how many.

    Raises:
        Problem: that of the first broken password rule, or USER_NOT_FOUND.
    """
    passwords.check_rules(password)
    new_hash = passwords.hash(password)
    with transaction() as connection:
        _update(connection, user_id, password_hash=new_hash)
        return sessions.end_all(connection, user_id, "password")


def disable(user_id: UUID) -> int:
    """Refuse log-ins of the account and end its sessions; returns how many.

    Raises:
        Problem: USER_NOT_FOUND.
    """
    with transaction() as connection:
        _update(connection, user_id, disabled_at=now())
        return sessions.end_all(connection, user_id, "disabled")


def enable(user_id: UUID) -> None:
    """Let a disabled account log in again. Its old sessions stay ended.

    Raises:
        Problem: USER_NOT_FOUND.
    """
    with connect() as connection:
        _update(connection, user_id, disabled_at=None)


def known(emails: Sequence[str], ids: Sequence[UUID]) -> dict[UUID, str]:
    """The accounts that have one of these addresses or ids, as id to address."""
    with connect() as connection:
        rows = connection.execute(
            select(User.id, User.email).where(or_(User.email.in_(emails), User.id.in_(ids)))
        )
        return {row.id: row.email for row in rows}


def add_all(batches: Iterable[Sequence[Mapping[str, Any]]]) -> int:
    """Add accounts, all or none; returns how many. One whose address or id is there is left alone.

    Args:
        batches: rows with `id`, `email` (in its normal form), `name`, `password_hash` and
            `created_at`, some thousand at a time.
    """
    added = 0
    with transaction() as connection:
        statement = _INSERT[connection.dialect.name](User).on_conflict_do_nothing()
        for batch in batches:
            added += len(connection.execute(statement.returning(User.id), batch).all())
    return added
