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
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import BoundedSemaphore
from time import thread_time
from typing import IO
from uuid import UUID

from flask import current_app
from PIL import ExifTags, Image, ImageCms
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from workhub import logs
from workhub.accounts.models import User
from workhub.extensions import connect, now
from workhub.problems import UNAVAILABLE_RETRY_SECONDS, FieldError, Problem, ProblemType

SIDE_PX = 512
WAIT_SECONDS = 5
DECODE_SECONDS = 5  # of the processor; a photo at the limits takes less than one
DECODE_READS = 100_000
MEDIA_TYPE = "image/webp"
FILE_NAME = re.compile(r"[A-Za-z0-9_-]{22}\.webp")
_UNFINISHED = re.compile(r"\.[A-Za-z0-9_-]{22}\.webp\.tmp")
_BATCH_FILES = 1000
_FORMATS = ("JPEG", "PNG", "WEBP")
_DECODED_SMALL = ("JPEG", "MPO")  # the others need all their pixels in memory: half as many pass
_METADATA_MAX_BYTES = 1024 * 1024
_EXIF_MAX_SEGMENTS = 16  # of 64 KiB
_UPRIGHT = {  # EXIF's orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# One photo at a time in a process. Measured at the limits of 10 MiB and 50 megapixels: a plain JPEG
# takes 50 MiB, a progressive one 330 (CMYK 430), a PNG 310, a WebP 400. The worst that metadata can
# add is 60 MiB.
_decoder = BoundedSemaphore()
# Pillow warns of broken metadata, which is thrown away, and of many pixels, which are counted here.
warnings.filterwarnings("ignore", module=r"PIL\.")


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
    except (Problem, SQLAlchemyError) as error:
        # After a lost connection nobody knows which of the files the row names.
        if not getattr(error, "connection_invalidated", False):
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


def remove_orphans(kept: timedelta) -> tuple[int, int]:
    """Remove what crashes have left: photos that no row names, and unfinished files.

    Args:
        kept: files that are younger stay; one of them may be about to get its row.
    Returns:
        How many photos and how many unfinished files were removed.
    """
    newest = (now() - kept).timestamp()
    old = [entry.name for entry in os.scandir(_path("")) if _is_older(entry, newest)]
    photos = [name for name in old if FILE_NAME.fullmatch(name)]
    orphans = [
        name
        for start in range(0, len(photos), _BATCH_FILES)
        for name in _without_row(photos[start : start + _BATCH_FILES])
    ]
    unfinished = [name for name in old if _UNFINISHED.fullmatch(name)]
    for name in orphans + unfinished:
        remove_file(name)
    return len(orphans), len(unfinished)


def _is_older(file: os.DirEntry[str], than: float) -> bool:
    try:
        return file.stat().st_mtime < than
    except FileNotFoundError:  # somebody was faster
        return False


def _without_row(names: list[str]) -> set[str]:
    with connect() as connection:
        named = connection.scalars(select(User.photo).where(User.photo.in_(names)))
        return set(names).difference(named)


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
    path, temporary = _path(name), _path(f".{name}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(photo)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        _sync(path.parent)  # the name, too, is to outlive a power cut
    except BaseException:
        temporary.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise
    return name


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        upload.seek(0)
        try:
            return _written_anew(upload.read(), side_px)
        except (Problem, MemoryError):
            raise
        except Image.DecompressionBombError:
            raise Problem(ProblemType.PHOTO_TOO_LARGE) from None
        except Exception as error:  # what decoders raise on a broken file is not documented
            raise Problem(
                ProblemType.PHOTO_UNREADABLE, {"photo": [FieldError.NOT_A_PHOTO]}
            ) from error


@contextmanager
def _turn() -> Iterator[None]:
    if not _decoder.acquire(timeout=WAIT_SECONDS):
        raise Problem(ProblemType.UNAVAILABLE, retry_after=UNAVAILABLE_RETRY_SECONDS)
    try:
        yield
    finally:
        _decoder.release()


class _Rationed(io.BytesIO):
    """A file that can be read as often and for as long as any photo needs.

    Ten megabytes have room for two million empty segments, which take 340 MiB, or for scans of the
    whole picture that take half an hour.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._reads = DECODE_READS
        self._until = thread_time() + DECODE_SECONDS

    def read(self, size: int | None = -1) -> bytes:
        self._reads -= 1
        if self._reads < 0 or thread_time() > self._until:
            raise ValueError("more work than a photo is")
        return super().read(size)


def _written_anew(content: bytes, side_px: int) -> bytes:
    if content.count(b"Exif\0\0") > _EXIF_MAX_SEGMENTS:  # Pillow joins and unpacks them: 550 MiB
        raise ValueError("more EXIF than a photo has")
    image = Image.open(_Rationed(content), formats=_FORMATS)
    limit = current_app.config["MAX_UPLOAD_PIXELS"]
    pixels = image.width * image.height
    if pixels > (limit if image.format in _DECODED_SMALL else limit // 2):
        raise Problem(ProblemType.PHOTO_TOO_LARGE)
    enough_px = 2 * side_px
    if pixels > limit // 2:  # of a strip, too, a quarter of the pixels is enough
        enough_px = max(1, min(enough_px, min(image.size) // 2))
    image.draft(None, (enough_px, enough_px))
    image.decodermaxblock = 4096  # a larger block can hold seconds of scans between two reads
    whole = _shrinkable(image)
    edge = min(whole.size)
    left, top = (whole.width - edge) / 2, (whole.height - edge) / 2
    small = whole.resize(
        (side_px, side_px),
        Image.Resampling.LANCZOS,
        box=(left, top, left + edge, top + edge),
        reducing_gap=3.0,
    )
    out = io.BytesIO()
    # In this order: the conversion of colours forgets which way is up.
    _in_srgb(_upright(small)).save(out, "WEBP", quality=82)
    return out.getvalue()


def _shrinkable(image: Image.Image) -> Image.Image:
    """In a mode whose pixels can be averaged."""
    if image.mode.startswith("I"):  # 16 bits: a plain conversion clips to white
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image.convert("RGB") if image.mode in ("1", "P") else image


def _upright(image: Image.Image) -> Image.Image:
    """As it was held. Pillow's own function fails on EXIF that can be read, but not written."""
    if len(image.info.get("exif", b"")) > _METADATA_MAX_BYTES:
        return image
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken metadata of a whole photo
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _in_srgb(image: Image.Image) -> Image.Image:
    """In the colours that a viewer assumes where there is no profile."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and len(profile) <= _METADATA_MAX_BYTES:
        with suppress(ImageCms.PyCMSError):  # a profile for other pixels, or none at all
            converted = ImageCms.profileToProfile(
                image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode=mode
            )
            if converted is not None:
                return converted
    return image.convert(mode)
