"""What is not taken for a photo: other files, broken ones, and those that are made to hurt."""

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image

from tests.clients import Account, Client
from tests.images import encoded, jpeg, noise, path_of, png_chunk, png_with, send
from workhub.accounts import photos

# What Pillow says of broken metadata is told to nobody, here as in the application.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

DONE = {"detail": "Успешно."}
UNREADABLE = {
    "detail": "Файл не является фотографией.",
    "errors": {"photo": ["Файл не является фотографией."]},
}
TOO_LARGE = {"detail": "Фотография слишком большая."}
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
HTML = b"<html><script>alert(document.domain)</script></html>"
GREEN = Image.new("RGB", (64, 64), "green")


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """One kind of database is enough: nothing here depends on it."""
    path = tmp_path / "workhub.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def token(account: Account) -> str:
    return account.log_in().access_token


def other_format(name: str) -> bytes:
    return encoded(Image.new("RGB", (64, 64), "green"), name)


SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="one byte"),
        pytest.param(b"just text", id="text"),
        pytest.param(HTML, id="HTML"),
        pytest.param(SVG, id="SVG"),
        pytest.param(EICAR, id="EICAR"),
        *(
            pytest.param(other_format(name), id=name)
            for name in (
                "GIF",
                "BMP",
                "TIFF",
                "EPS",
                "ICO",
                "JPEG2000",
                "AVIF",
                "PPM",
                "TGA",
                "PDF",
            )
        ),
        pytest.param(b"GIF89a" + jpeg(), id="a JPEG behind another beginning"),
        pytest.param(jpeg()[:2], id="the first bytes of a JPEG"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="the first bytes of a PNG"),
        pytest.param(b"RIFF\x04\0\0\0WEBP", id="the first bytes of a WebP"),
        pytest.param(encoded(noise(64), "JPEG")[:-900], id="truncated JPEG"),
        pytest.param(
            encoded(noise(64), "JPEG", progressive=True)[:-900], id="truncated progressive"
        ),
        pytest.param(encoded(noise(64), "PNG")[:-900], id="truncated PNG"),
        pytest.param(encoded(noise(64), "WEBP")[:-900], id="truncated WebP"),
        pytest.param(
            encoded(noise(64), "PNG").replace(b"IDAT", b"IDAT\0", 1), id="PNG with a wrong checksum"
        ),
        pytest.param(png_with(GREEN, png_chunk(b"tRNS", b"")), id="PNG with a broken chunk"),
        pytest.param(
            png_with(GREEN, png_chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 2, 0, 0, 0))),
            id="PNG without pixels",
        ),
    ],
)
def test_what_is_no_photo_is_refused(client: Client, token: str, file: bytes) -> None:
    answer = send(client, token, file)

    assert answer.status_code == 422
    assert answer.json == UNREADABLE
    assert path_of(client, token) is None


def claiming(format: str, width: int, height: int) -> bytes:
    """A small file whose header says that it is large."""
    file = bytearray(encoded(GREEN, format))
    if format == "JPEG":
        struct.pack_into(">HH", file, file.index(b"\xff\xc0") + 5, height, width)
    elif format == "PNG":
        header = struct.pack(">II", width, height) + file[24:29]
        file[8:33] = png_chunk(b"IHDR", header)
    else:
        canvas = struct.pack("<II", width - 1, height - 1)
        extended = b"VP8X\x0a\0\0\0\0\0\0\0" + canvas[:3] + canvas[4:7]
        file[12:12] = extended
        struct.pack_into("<I", file, 4, len(file) - 8)
    return bytes(file)


@pytest.mark.parametrize(
    ("format", "width", "height"),
    [
        ("JPEG", 7072, 7072),
        ("JPEG", 65_000, 65_000),
        ("PNG", 5001, 5000),
        ("PNG", 10_000, 12_000),
        ("PNG", 2_000_000, 2_000_000),
        ("WEBP", 16_383, 16_383),
        ("WEBP", 65_536, 65_535),
    ],
)
def test_a_bomb_is_seen_by_its_header(
    client: Client, token: str, format: str, width: int, height: int
) -> None:
    answer = send(client, token, claiming(format, width, height))

    assert answer.status_code == 413
    assert answer.json == TOO_LARGE
    assert path_of(client, token) is None


@pytest.mark.parametrize(
    ("format", "size", "expected"),
    [
        ("JPEG", (200, 100), (200, DONE)),
        ("JPEG", (201, 100), (413, TOO_LARGE)),
        ("MPO", (200, 100), (200, DONE)),
        ("MPO", (201, 100), (413, TOO_LARGE)),
        ("PNG", (100, 100), (200, DONE)),
        ("PNG", (101, 100), (413, TOO_LARGE)),
        ("WEBP", (100, 100), (200, DONE)),
        ("WEBP", (101, 100), (413, TOO_LARGE)),
    ],
)
def test_png_and_webp_may_have_half_the_pixels_of_a_jpeg(
    make_app: Callable[..., Flask],
    format: str,
    size: tuple[int, int],
    expected: tuple[int, dict[str, str]],
) -> None:
    client = Client(make_app(MAX_UPLOAD_PIXELS="20000"))
    client.register()
    token = client.log_in().access_token
    image = Image.new("RGB", size, "green")
    more = {"save_all": True, "append_images": [image]} if format == "MPO" else {}

    answer = send(client, token, encoded(image, format, **more))

    assert (answer.status_code, answer.json) == expected


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    file = encoded(Image.new("L", (512, 512)), progressive=True)
    last = file[file.rindex(b"\xff\xda") : -2]
    return file[:-2] + last * count + b"\xff\xd9"


def segments(segment: bytes, count: int) -> bytes:
    return jpeg()[:2] + segment * count + jpeg()[2:]


EXIF_64_KIB = b"\xff\xe1\xff\xff" + (b"Exif\0\0MM\0*\0\0\0\x08" + bytes(0xFFFD))[:0xFFFD]


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(segments(b"\xff\xe1\x00\x02", 100_000), id="segments of JPEG"),
        pytest.param(png_with(GREEN, png_chunk(b"abCd", b"") * 100_000), id="chunks of PNG"),
        pytest.param(segments(EXIF_64_KIB, 17), id="EXIF"),
    ],
)
def test_a_file_that_is_all_metadata_is_refused(client: Client, token: str, file: bytes) -> None:
    answer = send(client, token, file)

    assert answer.status_code == 422
    assert answer.json == UNREADABLE


@pytest.mark.parametrize("count", [30_000, 4000], ids=["many blocks", "one block"])
def test_a_file_that_takes_too_long_is_refused(
    client: Client, token: str, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(photos, "DECODE_SECONDS", 0.05)

    answer = send(client, token, scans(count))

    assert answer.status_code == 422
    assert answer.json == UNREADABLE
