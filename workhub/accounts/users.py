"""Accounts: register, log in, rename, delete."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from workhub.accounts import passwords, photos, sessions
from workhub.accounts.models import User
from workhub.accounts.tokens import Issued
from workhub.extensions import connect, now, transaction
from workhub.problems import Problem, ProblemType


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
        renamed = connection.execute(
            update(User).where(User.id == user_id).values(name=name).returning(User.id)
        ).first()
    if renamed is None:
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
