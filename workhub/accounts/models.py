"""The tables."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from workhub.extensions import Model


class User(Model):
    """An account."""

    __tablename__ = "users"
    __table_args__ = (Index("ix_users_photo", "photo", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email: Mapped[str] = mapped_column(String(320), unique=True)  # in its normal form
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(128))
    photo: Mapped[str | None] = mapped_column(String(64))  # a file's name in UPLOAD_FOLDER
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]  # null: may log in


class Session(Model):
    """One log-in. Its tokens are revoked once it has ended or expired."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    refresh_jti: Mapped[str] = mapped_column(String(32))  # of the current refresh token
    refresh_issued_at: Mapped[datetime]
    previous_jti: Mapped[str | None] = mapped_column(String(32))  # null: never rotated
    rotated_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]  # the latest log-in or refresh, as are ip and user_agent
    expires_at: Mapped[datetime]  # slides with each rotation, up to ends_at
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # null: goes on until it expires
    end_reason: Mapped[str | None] = mapped_column(String(16))
    ip: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(256))
