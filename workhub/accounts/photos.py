"""Photos: decode, write anew, store, remove.

At every moment the row names a file that exists: the new file is whole before the row names it, and
the old one is removed after. At worst a crash leaves a file behind that no row names.
"""

import io
import os
import re
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO
from uuid import UUID

from flask import current_app
from PIL import Image, ImageCms, ImageOps
from sqlalchemy import select, update

from workhub import logs
from workhub.accounts.models import User
from workhub.extensions import connect
from workhub.problems import FieldError, Problem, ProblemType

SIDE_PX = 512
WAIT_SECONDS = 5
MEDIA_TYPE = "image/webp"
FILE_NAME = re.compile(r"[A-Za-z0-9_-]{22}\.webp")
_FORMATS = ("JPEG", "PNG", "WEBP")
_DECODED_SMALL = ("JPEG", "MPO")  # the others need all their pixels in memory: half as many pass
_ICC_MAX_BYTES = 1024 * 1024

# One photo at a time in a process: a picture at the limit takes some 400 MiB.
_decoder = BoundedSemaphore()
# Between one and two times its own limit Pillow only warns.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def replace(user_id: UUID, known: str | None, upload: IO[bytes]) -> None:
    """Make an upload the photo of the account, and remove the file of the one before.

    Args:
        known: the file's name that the row had a moment ago.
        upload: as `square` takes it.
    Raises:
        Problem: those of `square`; USER_NOT_FOUND, when the account was deleted a moment before.
    """
    name = _store(square(upload))
    try:
        replaced = _swap(user_id, known, name)
    except Problem:  # alone: after a lost connection nobody knows which file the row names
        remove_file(name)
        raise
    if replaced is not None:
        remove_file(replaced)


def remove(user_id: UUID, known: str | None) -> None:
    """Leave the account without a photo, and remove its file."""
    if known is not None:
        replaced = _swap(user_id, known, None)
        if replaced is not None:
            remove_file(replaced)


def remove_file(name: str) -> None:
    """Remove a file that no row names any more."""
    try:
        _path(name).unlink(missing_ok=True)
    except OSError as error:
        logs.photo_left_behind(name, error)


def _path(name: str) -> Path:
    folder: Path = current_app.config["UPLOAD_FOLDER"]
    return folder / name


def _swap(user_id: UUID, known: str | None, new: str | None) -> str | None:
    """Let the row name another file; returns the one that it named until then."""
    with connect() as connection:
        while True:
            swapped = connection.execute(
                update(User)
                .where(User.id == user_id, User.photo.is_not_distinct_from(known))
                .values(photo=new)
                .returning(User.id)
            ).first()
            if swapped is not None:
                return known
            row = connection.execute(select(User.photo).where(User.id == user_id)).first()
            if row is None:
                raise Problem(ProblemType.USER_NOT_FOUND)
            known = row.photo


def _store(photo: bytes) -> str:
    """Write a file under a name that can't be guessed, whole or not at all."""
    name = f"{secrets.token_urlsafe(16)}.webp"
    temporary = _path(f".{name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(photo)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(_path(name))
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(_path(""), os.O_RDONLY)
    try:
        os.fsync(folder)  # the name, too, is to outlive a power cut
    finally:
        os.close(folder)
    return name


def square(upload: IO[bytes], side_px: int = SIDE_PX) -> bytes:
    """Decode a photo and write it anew: upright, square, sRGB, WebP, no metadata.

    Args:
        upload: JPEG, PNG or WebP; left open. Of several frames the first counts.
        side_px: width and height of the result.
    Raises:
        Problem: PHOTO_TOO_LARGE (bytes and pixels, seen before decoding); PHOTO_UNREADABLE;
            UNAVAILABLE, when other photos keep the decoder busy.
    Source: OWASP ASVS 5.0, 5.2.2 and 5.2.6.
    """
    if upload.seek(0, io.SEEK_END) > current_app.config["MAX_UPLOAD_BYTES"]:
        raise Problem(ProblemType.PHOTO_TOO_LARGE)
    with _turn():
        try:
            image = Image.open(upload, formats=_FORMATS)
            limit = current_app.config["MAX_UPLOAD_PIXELS"]
            if image.width * image.height > (
                limit if image.format in _DECODED_SMALL else limit // 2
            ):
                raise Problem(ProblemType.PHOTO_TOO_LARGE)
            return _written_anew(image, side_px)
        except Problem:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise Problem(ProblemType.PHOTO_TOO_LARGE) from None
        except Exception as error:  # what decoders raise on a broken file is not documented
            raise Problem(
                ProblemType.PHOTO_UNREADABLE, {"photo": [FieldError.NOT_A_PHOTO]}
            ) from error


@contextmanager
def _turn() -> Iterator[None]:
    if not _decoder.acquire(timeout=WAIT_SECONDS):
        raise Problem(ProblemType.UNAVAILABLE, retry_after=WAIT_SECONDS)
    try:
        yield
    finally:
        _decoder.release()


def _written_anew(image: Image.Image, side_px: int) -> bytes:
    image.draft(None, (2 * side_px, 2 * side_px))
    image = _shrinkable(image)
    edge = min(image.size)
    left, top = (image.width - edge) / 2, (image.height - edge) / 2
    small = image.resize(
        (side_px, side_px),
        Image.Resampling.LANCZOS,
        box=(left, top, left + edge, top + edge),
        reducing_gap=3.0,
    )
    # Upright last: turning 512 pixels is cheap, and a square stays one.
    small = ImageOps.exif_transpose(_in_srgb(small))
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82)
    return out.getvalue()


def _shrinkable(image: Image.Image) -> Image.Image:
    """In a mode whose pixels can be averaged."""
    if image.mode.startswith("I"):  # 16 bits: a plain conversion clips to white
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image.convert("RGB") if image.mode in ("1", "P") else image


def _in_srgb(image: Image.Image) -> Image.Image:
    """In the colours that a viewer assumes where there is no profile."""
    if image.mode == "RGBA":
        return image
    profile = image.info.get("icc_profile")
    if profile and len(profile) <= _ICC_MAX_BYTES:
        try:
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):  # a profile for other pixels, or none at all
            converted = None
        if converted is not None:
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")
