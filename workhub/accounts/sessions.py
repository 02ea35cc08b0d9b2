"""The revoked-token store: one row a log-in.

A token is revoked when its session has ended or expired or, for a refresh token, when its `jti` is
no longer the session's. Each write is one statement that names what it expects to find; where it
finds nothing, somebody was faster, and one `look_up` says what to answer.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from workhub.accounts import tokens
from workhub.accounts.models import Session, User
from workhub.accounts.tokens import Issued
from workhub.extensions import connect, now
from workhub.problems import Problem, ProblemType

_BATCH_ROWS = 5000

_OF_TOKENS = (
    Session.id,
    Session.user_id,
    Session.refresh_jti,
    Session.refresh_issued_at,
    Session.expires_at,
)

_LOOK_UP = (
    select(
        User.email,
        User.name,
        User.photo,
        User.disabled_at,
        Session.previous_jti,
        Session.rotated_at,
        Session.ended_at,
        *_OF_TOKENS,
    )
    .outerjoin(Session, and_(Session.user_id == User.id, Session.id == bindparam("sid")))
    .where(User.id == bindparam("sub"))
)

_SLID = bindparam("slid", type_=Session.expires_at.type)
_ROTATE = (
    update(Session)
    .where(
        Session.id == bindparam("sid"),
        Session.user_id == bindparam("sub"),
        Session.refresh_jti == bindparam("presented"),
        Session.ended_at.is_(None),
        Session.expires_at > bindparam("time"),
        or_(Session.rotated_at.is_(None), Session.rotated_at <= bindparam("window_opened")),
    )
    .values(
        previous_jti=Session.refresh_jti,
        refresh_jti=bindparam("new_jti"),
        refresh_issued_at=bindparam("time"),
        rotated_at=bindparam("time"),
        last_used_at=bindparam("time"),
        expires_at=case((Session.ends_at < _SLID, Session.ends_at), else_=_SLID),
        ip=bindparam("from_ip"),
        user_agent=bindparam("from_user_agent"),
    )
    .returning(*_OF_TOKENS)
)


def look_up(user_id: UUID, session_id: UUID, time: datetime) -> Row[*tuple[Any, ...]]:
    """The user and the live session of a genuine token, by one SELECT.

    Raises:
        Problem: USER_NOT_FOUND; CREDENTIALS_INVALID where the session is none, ended or expired.
    """
    with connect() as connection:
        row = connection.execute(_LOOK_UP, {"sub": user_id, "sid": session_id}).first()
    if row is None:
        raise Problem(ProblemType.USER_NOT_FOUND)
    if (
        row.disabled_at is not None
        or row.id is None
        or row.ended_at is not None
        or row.expires_at <= time
    ):
        raise Problem(ProblemType.CREDENTIALS_INVALID)
    return row


def open(
    connection: Connection,
    user_id: UUID,
    password_hash: str,
    ip: str | None,
    user_agent: str | None,
) -> Issued | None:
    """Open a session for a user whose password has just been verified against `password_hash`.

    Returns:
        Its tokens; None when the account has meanwhile gone, been disabled, or has another hash.
    """
    time = now()
    ends_at = time + current_app.config["SESSION_MAX_DAYS"]
    values = {
        "id": uuid4(),
        "refresh_jti": tokens.new_jti(),
        "refresh_issued_at": time,
        "created_at": time,
        "last_used_at": time,
        "expires_at": min(time + current_app.config["REFRESH_TOKEN_SECONDS"], ends_at),
        "ends_at": ends_at,
        "ip": ip,
        "user_agent": user_agent,
    }
    columns = Session.__table__.c
    row = connection.execute(
        insert(Session)
        .from_select(
            ["user_id", *values],
            select(User.id, *(literal(values[name], columns[name].type) for name in values))
            .where(
                User.id == user_id,
                User.password_hash == password_hash,
                User.disabled_at.is_(None),
            )
            # Whoever disables the account waits for this row, or this statement for them.
            .with_for_update(read=True),
        )
        .returning(*_OF_TOKENS)
    ).first()
    return row and tokens.issue(row, time)


def rotate(
    user_id: UUID, session_id: UUID, presented: str, ip: str | None, user_agent: str | None
) -> Issued:
    """Spend the presented refresh token, or repeat the answer that it has had.

    A session rotates at most once a window (`REFRESH_REUSE_SECONDS`). Within it the current token
    and the one before it, which is what a retry or a second tab presents, get the current refresh
    token again. Any other spent token is reuse, and ends the session.

    Args:
        presented: the `jti` of a genuine refresh token of this session.
    Raises:
        Problem: USER_NOT_FOUND, or CREDENTIALS_INVALID.
    Source: RFC 9700, 4.14.2.
    """
    time = now()
    window_opened = time - current_app.config["REFRESH_REUSE_SECONDS"]
    with connect() as connection:
        row: Row[*tuple[Any, ...]] | None = connection.execute(
            _ROTATE,
            {
                "sid": session_id,
                "sub": user_id,
                "presented": presented,
                "time": time,
                "window_opened": window_opened,
                "new_jti": tokens.new_jti(),
                "slid": time + current_app.config["REFRESH_TOKEN_SECONDS"],
                "from_ip": ip,
                "from_user_agent": user_agent,
            },
        ).first()
    if row is None:
        row = look_up(user_id, session_id, time)
        repeated = presented == row.previous_jti and row.rotated_at > window_opened
        if not (repeated or presented == row.refresh_jti):
            end(user_id, session_id, "reuse")
            raise Problem(ProblemType.CREDENTIALS_INVALID)
    return tokens.issue(row, time)


def end(user_id: UUID, session_id: UUID, reason: str) -> bool:
    """End one session, and with it all of its tokens. False when it was not live."""
    time = now()
    with connect() as connection:
        ended = connection.execute(
            update(Session)
            .where(_is_live(time), Session.user_id == user_id, Session.id == session_id)
            .values(ended_at=time, end_reason=reason)
            .returning(Session.id)
        ).first()
    return ended is not None


def log_out(user_id: UUID, session_id: UUID) -> None:
    """End the session of the caller.

    Raises:
        Problem: USER_NOT_FOUND or CREDENTIALS_INVALID, when it was ended a moment before.
    """
    if not end(user_id, session_id, "logout"):
        look_up(user_id, session_id, now())


def end_each(user_id: UUID, reason: str) -> int:
    """End every live session of a user; returns how many."""
    with connect() as connection:
        return end_all(connection, user_id, reason)


def end_all(connection: Connection, user_id: UUID, reason: str) -> int:
    """The same as a part of a transaction."""
    time = now()
    ended = connection.execute(
        update(Session)
        .where(_is_live(time), Session.user_id == user_id)
        .values(ended_at=time, end_reason=reason)
        .returning(Session.id)
    )
    return len(ended.all())


def live(user_id: UUID) -> Sequence[Row[*tuple[Any, ...]]]:
    """The live sessions of a user, newest use first."""
    with connect() as connection:
        return connection.execute(
            select(
                Session.id,
                Session.created_at,
                Session.last_used_at,
                Session.expires_at,
                Session.ip,
                Session.user_agent,
            )
            .where(_is_live(now()), Session.user_id == user_id)
            .order_by(Session.last_used_at.desc(), Session.id)
        ).all()


def _is_live(time: datetime) -> ColumnElement[bool]:
    return and_(Session.ended_at.is_(None), Session.expires_at > time)


def prune(kept: timedelta) -> int:
    """Delete sessions that have been over for longer than `kept`; returns how many.

    It walks along the primary key, a batch a statement: no index has to follow `expires_at`, which
    every refresh changes, and no lock is held for long.
    """
    over_before = now() - kept
    pruned, after = 0, UUID(int=0)
    while True:
        with connect() as connection:
            last = connection.scalar(
                select(Session.id)
                .where(Session.id > after)
                .order_by(Session.id)
                .offset(_BATCH_ROWS - 1)
                .limit(1)
            )
            batch = Session.id > after if last is None else Session.id.between(after, last)
            over_at = func.coalesce(Session.ended_at, Session.expires_at)
            deleted = connection.execute(
                delete(Session).where(batch, over_at < over_before).returning(Session.id)
            )
            pruned += len(deleted.all())
        if last is None:
            return pruned
        after = last
