"""Photos for tests, made in memory."""

import io
import secrets
import struct
import zlib
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms
from werkzeug.test import TestResponse

from tests.clients import Client

COLORS = {"R": (220, 40, 40), "G": (40, 160, 60), "B": (40, 60, 200), "W": (250, 250, 250)}


def encoded(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def jpeg(size: tuple[int, int] = (64, 48), color: str = "teal") -> bytes:
    """A photo of one colour."""
    return encoded(Image.new("RGB", size, color))


def noise(side_px: int = 512) -> Image.Image:
    """An image that no format can make small."""
    return Image.frombytes("RGB", (side_px, side_px), secrets.token_bytes(3 * side_px**2))


def corners(colors: str, side_px: int = 128) -> Image.Image:
    """A square whose corners, in the order of reading, have these of the `COLORS`."""
    image = Image.new("RGB", (2, 2))
    image.putdata([COLORS[color] for color in colors])
    return image.resize((side_px, side_px), Image.Resampling.NEAREST)


def corners_of(image: Image.Image) -> str:
    """The `COLORS` that are nearest to those of an image's corners, in the order of reading."""
    width, height = image.size
    places = [(x, y) for y in (9, height - 9) for x in (9, width - 9)]
    return "".join(
        min(COLORS, key=lambda name: distance(rgb(image, place), COLORS[name])) for place in places
    )


def rgb(image: Image.Image, place: tuple[int, int] | None = None) -> tuple[int, ...]:
    """The colour in one place, or in the middle."""
    pixel = image.convert("RGB").getpixel(place or (image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return tuple(int(channel) for channel in pixel)


def distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """How far two colours are apart in the channel in which they differ most."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def display_p3() -> bytes:
    """A profile with the primaries that phones record, and the curve of sRGB."""
    primaries = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (tags,) = struct.unpack_from(">I", profile, 128)
    for index in range(tags):
        name, offset = struct.unpack_from(">4sI", profile, 132 + 12 * index)
        if name in primaries:
            fixed = [round(value * 65536) for value in primaries[name]]
            struct.pack_into(">3i", profile, offset + 8, *fixed)
    return bytes(profile)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png_with(image: Image.Image, *chunks: bytes) -> bytes:
    """A PNG with more chunks before its pixels."""
    file = encoded(image, "PNG")
    return file[:33] + b"".join(chunks) + file[33:]


def webp_chunks(file: bytes) -> list[bytes]:
    """The names of the chunks of a WebP."""
    names, position = [], 12
    while position < len(file):
        name, length = struct.unpack_from("<4sI", file, position)
        names.append(name)
        position += 8 + length + length % 2
    return names


def form(*parts: tuple[str, bytes]) -> dict[str, Any]:
    """A body of `multipart/form-data`, as the test client takes it.

    Args:
        parts: what follows `form-data; ` in the header of each, and its content.
    """
    body = b"".join(
        b"--limit\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), content)
        for head, content in parts
    )
    return {"data": body + b"--limit--\r\n", "content_type": "multipart/form-data; boundary=limit"}


def photo(file: bytes, name: str = "photo.jpg") -> dict[str, Any]:
    """A body with one file."""
    return form((f'name="photo"; filename="{name}"', file))


def of_size(size: int) -> bytes:
    """A photo with as many bytes behind it as it takes."""
    return jpeg().ljust(size, b"\0")


def body_of_size(size: int) -> dict[str, Any]:
    """A body with a small photo, and with a part that nobody asks for."""
    file = 'name="photo"; filename="photo.jpg"', jpeg()
    rest = size - len(form(file, ('name="more"', b""))["data"])
    return form(file, ('name="more"', bytes(rest)))


def send(client: Client, token: str, file: bytes, name: str = "photo.jpg") -> TestResponse:
    """Asks for a file to become the photo of the caller."""
    return client.patch("/auth/photo", token=token, **photo(file, name))


def path_of(client: Client, token: str) -> str:
    """The path of the caller's photo."""
    profile: Any = client.get("/auth/me", token=token).json
    path: str = profile["photo"]
    return path


def files(folder: Path) -> dict[str, bytes]:
    """All that is in a folder, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
