"""What is taken for a photo, and what is written of it: upright, square, sRGB, nothing else."""

import io
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from tests.clients import Account, Client
from tests.images import (
    corners,
    corners_of,
    display_p3,
    distance,
    encoded,
    jpeg,
    path_of,
    png_chunk,
    png_with,
    rgb,
    send,
    webp_chunks,
)

# What Pillow says of broken metadata is told to nobody, here as in the application.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

DONE = {"detail": "Успешно."}
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
HTML = b"<html><script>alert(document.domain)</script></html>"
GREEN = Image.new("RGB", (64, 64), "green")

Written = Callable[[bytes], bytes]


@pytest.fixture
def database_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """One kind of database is enough: nothing here depends on it."""
    path = tmp_path / "workhub.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def token(account: Account) -> str:
    return account.log_in().access_token


@pytest.fixture
def written(client: Client, token: str) -> Written:
    """Makes a file the photo of the account; returns the file that is served."""

    def write(file: bytes) -> bytes:
        answer = send(client, token, file)
        assert (answer.status_code, answer.json) == (200, DONE)
        served: bytes = client.get(path_of(client, token), buffered=True).data
        return served

    return write


def read(file: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(file))
    image.load()
    return image


def near(color: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether two colours are the same but for what a lossy format costs."""
    return distance(color, expected) <= 8


def exif(orientation: int, **tags: Any) -> Image.Exif:
    metadata = Image.Exif()
    metadata[0x0112] = orientation
    return metadata


def multi_picture(orientation: int) -> bytes:
    """A phone's JPEG: the photo, and a second picture behind it."""
    file = encoded(
        corners("GWRB"),
        "MPO",
        save_all=True,
        append_images=[Image.new("RGB", (64, 64), "black")],
        exif=exif(orientation),
    )
    assert read(file).format == "MPO"
    return file


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(encoded(corners("RGBW"), "JPEG", quality=95), id="JPEG"),
        pytest.param(
            encoded(corners("RGBW"), "JPEG", quality=95, progressive=True), id="progressive"
        ),
        pytest.param(multi_picture(orientation=6), id="multi-picture JPEG"),
        pytest.param(encoded(corners("RGBW"), "PNG"), id="PNG"),
        pytest.param(encoded(corners("RGBW"), "WEBP"), id="WebP"),
        pytest.param(encoded(corners("RGBW"), "WEBP", lossless=True), id="lossless WebP"),
        pytest.param(encoded(corners("RGBW").quantize(8), "PNG"), id="palette"),
        pytest.param(encoded(corners("RGBW").convert("RGBA"), "PNG"), id="RGBA"),
        pytest.param(encoded(corners("RGBW", 2048), "JPEG"), id="decoded small"),
        pytest.param(encoded(corners("RGBW", 2048), "PNG"), id="shrunk"),
    ],
)
def test_a_photo_becomes_a_square_webp(written: Written, file: bytes) -> None:
    image = read(written(file))

    assert (image.format, image.mode, image.size) == ("WEBP", "RGB", (512, 512))
    assert corners_of(image) == "RGBW"


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, "RGBW"),
        (2, "GRWB"),
        (3, "WBGR"),
        (4, "BWRG"),
        (5, "RBGW"),
        (6, "GWRB"),
        (7, "WGBR"),
        (8, "BRWG"),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_turned_upright(
    written: Written, format: str, orientation: int, stored: str
) -> None:
    file = encoded(corners(stored), format, exif=exif(orientation))

    image = read(written(file))

    assert corners_of(image) == "RGBW"


def test_a_photo_with_a_profile_is_turned_upright_too(written: Written) -> None:
    file = encoded(corners("GWRB"), "JPEG", exif=exif(6), icc_profile=display_p3())

    image = read(written(file))

    assert corners_of(image) == "RGBW"


def test_exif_that_is_partly_broken_still_turns_a_photo_upright(written: Written) -> None:
    text = exif(6)
    text[0x010F] = "Maker"
    length_beyond_the_end = text.tobytes().replace(
        struct.pack(">HHL", 0x010F, 2, 6), struct.pack(">HHL", 0x010F, 2, 60_000)
    )
    assert length_beyond_the_end != text.tobytes()

    image = read(written(encoded(corners("GWRB"), "JPEG", exif=length_beyond_the_end)))

    assert corners_of(image) == "RGBW"


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(b"Exif\0\0nothing of the kind", id="no EXIF at all"),
        pytest.param(exif(6).tobytes()[:12], id="cut off"),
        pytest.param(exif(99).tobytes(), id="no such orientation"),
        pytest.param(
            exif(6)
            .tobytes()
            .replace(struct.pack(">HHL", 0x0112, 3, 1), b"\x01\x12\0\x02\0\0\0\x04"),
            id="an orientation in letters",
        ),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_with_broken_exif_stays_as_it_lies(
    written: Written, format: str, metadata: bytes
) -> None:
    file = encoded(corners("RGBW"), format, exif=metadata)

    image = read(written(file))

    assert corners_of(image) == "RGBW"


def test_the_middle_is_kept(written: Written) -> None:
    wide = Image.new("RGB", (300, 100), "black")
    wide.paste(corners("RGBW", 100), (100, 0))

    image = read(written(encoded(wide, "PNG")))

    assert corners_of(image) == "RGBW"


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 3000), (3000, 1), (20_000, 2), (2, 2), (511, 513)], ids=str
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_smallest_and_the_longest_become_a_square(
    written: Written, format: str, size: tuple[int, int]
) -> None:
    if format == "WEBP":
        size = min(size[0], 16_383), size[1]

    image = read(written(encoded(Image.new("RGB", size, "green"), format)))

    assert image.size == (512, 512)
    assert near(rgb(image), (0, 128, 0))


def dots(mode: str) -> bytes:
    """Every other pixel of a large image is white."""
    image = Image.frombytes("1", (2048, 2048), (b"\xaa" * 256 + b"\x55" * 256) * 1024)
    return encoded(image.convert(mode), "PNG")


@pytest.mark.parametrize(
    ("file", "color"),
    [
        pytest.param(
            encoded(Image.new("I;16", (64, 64), 30_000), "PNG"), (117, 117, 117), id="16-bit grey"
        ),
        pytest.param(
            png_with(Image.new("I;16", (64, 64), 30_000), png_chunk(b"tRNS", b"\xff\xff")),
            (117, 117, 117),
            id="16-bit grey with a transparent one",
        ),
        pytest.param(encoded(Image.new("L", (64, 64), 90), "PNG"), (90, 90, 90), id="grey"),
        pytest.param(encoded(Image.new("L", (64, 64), 90)), (90, 90, 90), id="grey JPEG"),
        pytest.param(
            encoded(Image.new("1", (64, 64), 1), "PNG"), (255, 255, 255), id="1 bit, white"
        ),
        pytest.param(encoded(Image.new("1", (64, 64), 0), "PNG"), (0, 0, 0), id="1 bit, black"),
        pytest.param(dots("1"), (128, 128, 128), id="1 bit, dots"),
        pytest.param(dots("P"), (128, 128, 128), id="palette, dots"),
        pytest.param(
            encoded(Image.new("CMYK", (64, 64), (0, 200, 200, 30)), quality=95),
            (225, 48, 48),
            id="CMYK",
        ),
        pytest.param(
            encoded(
                Image.new("RGB", (64, 64), (200, 80, 60)), icc_profile=display_p3(), quality=95
            ),
            (216, 69, 50),
            id="Display P3, JPEG",
        ),
        pytest.param(
            encoded(Image.new("RGB", (64, 64), (200, 80, 60)), "PNG", icc_profile=display_p3()),
            (216, 69, 50),
            id="Display P3, PNG",
        ),
        pytest.param(
            encoded(Image.new("RGBA", (64, 64), (200, 80, 60)), "PNG", icc_profile=display_p3()),
            (216, 69, 50),
            id="Display P3, PNG with an alpha channel",
        ),
        pytest.param(
            encoded(Image.new("RGB", (64, 64), (200, 80, 60)), "WEBP", icc_profile=display_p3()),
            (216, 69, 50),
            id="Display P3, WebP",
        ),
        pytest.param(
            encoded(GREEN, "PNG", icc_profile=b"no profile"), (0, 128, 0), id="a broken profile"
        ),
        pytest.param(
            encoded(Image.new("L", (64, 64), 90), "PNG", icc_profile=display_p3()),
            (90, 90, 90),
            id="a profile for other pixels",
        ),
        pytest.param(
            png_with(GREEN, png_chunk(b"tEXt", b"icc_profile\0text")),
            (0, 128, 0),
            id="a text that is called a profile",
        ),
    ],
)
def test_colours_stay(written: Written, file: bytes, color: tuple[int, int, int]) -> None:
    image = read(written(file))

    assert near(rgb(image), color), rgb(image)


def palette_with_a_hole() -> bytes:
    image = Image.new("P", (64, 64), 0)
    image.putpalette([0, 0, 0, 0, 128, 0])
    ImageDraw.Draw(image).rectangle((16, 16, 48, 48), 1)
    return encoded(image, "PNG", transparency=0)


def with_a_hole(mode: str) -> bytes:
    image = Image.new(mode, (64, 64), 0)
    filled = (0, 128, 0, 255) if mode == "RGBA" else (100, 255)
    ImageDraw.Draw(image).rectangle((16, 16, 48, 48), filled)
    return encoded(image, "PNG")


def colour_key() -> bytes:
    image = Image.new("RGB", (64, 64), (9, 9, 9))
    ImageDraw.Draw(image).rectangle((16, 16, 48, 48), "green")
    return encoded(image, "PNG", transparency=(9, 9, 9))


@pytest.mark.parametrize(
    ("file", "color"),
    [
        pytest.param(palette_with_a_hole(), (0, 128, 0), id="palette"),
        pytest.param(with_a_hole("RGBA"), (0, 128, 0), id="RGBA"),
        pytest.param(with_a_hole("LA"), (100, 100, 100), id="grey and alpha"),
        pytest.param(colour_key(), (0, 128, 0), id="one transparent colour"),
    ],
)
def test_what_is_transparent_stays_so(
    written: Written, file: bytes, color: tuple[int, int, int]
) -> None:
    image = read(written(file))

    assert image.mode == "RGBA"
    alpha = image.getchannel("A")
    assert (alpha.getpixel((5, 5)), alpha.getpixel((256, 256))) == (0, 255)
    assert near(rgb(image), color), rgb(image)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_of_several_frames_the_first_is_taken(written: Written, format: str) -> None:
    second = Image.new("RGB", (64, 64), "red")
    file = encoded(GREEN, format, save_all=True, append_images=[second], duration=100)
    assert getattr(read(file), "n_frames", 1) == 2

    image = read(written(file))

    assert getattr(image, "n_frames", 1) == 1
    assert near(rgb(image), (0, 128, 0))


PRIVATE = b"taken at home"


def jpeg_with_metadata() -> bytes:
    metadata = exif(1)
    metadata[0x010E] = PRIVATE.decode()
    metadata.get_ifd(0x8825).update({1: "N", 2: (55.0, 45.0, 7.0), 3: "E", 4: (37.0, 37.0, 2.0)})
    return encoded(
        GREEN,
        exif=metadata,
        xmp=b"<x:xmpmeta>" + PRIVATE + b"</x:xmpmeta>",
        icc_profile=display_p3() + PRIVATE,
        comment=PRIVATE,
    )


def png_with_metadata() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", PRIVATE.decode())
    text.add_text("Compressed", PRIVATE.decode(), zip=True)
    text.add_itxt("XML:com.adobe.xmp", PRIVATE.decode())
    metadata = exif(1)
    metadata[0x010E] = PRIVATE.decode()
    return encoded(GREEN, "PNG", pnginfo=text, exif=metadata, icc_profile=display_p3())


def webp_with_metadata() -> bytes:
    metadata = exif(1)
    metadata[0x010E] = PRIVATE.decode()
    return encoded(GREEN, "WEBP", exif=metadata, xmp=PRIVATE, icc_profile=display_p3())


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(jpeg_with_metadata(), id="JPEG"),
        pytest.param(png_with_metadata(), id="PNG"),
        pytest.param(webp_with_metadata(), id="WebP"),
        pytest.param(jpeg() + PRIVATE, id="behind the end of a JPEG"),
        pytest.param(encoded(GREEN, "PNG") + PRIVATE, id="behind the end of a PNG"),
    ],
)
def test_no_metadata_is_kept(written: Written, file: bytes) -> None:
    assert PRIVATE in file

    kept = written(file)

    assert webp_chunks(kept) == [b"VP8 "]
    assert PRIVATE not in kept
    assert "icc_profile" not in read(kept).info


@pytest.mark.parametrize("appended", [EICAR, HTML], ids=["EICAR", "HTML"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_what_is_appended_to_a_photo_is_gone(
    written: Written, format: str, appended: bytes
) -> None:
    kept = written(encoded(GREEN, format) + appended)

    assert appended not in kept
    assert webp_chunks(kept) == [b"VP8 "]


@pytest.mark.parametrize("size", [(8000, 6250), (62_500, 800)], ids=["photo", "strip"])
def test_a_jpeg_of_50_megapixels_is_taken(written: Written, size: tuple[int, int]) -> None:
    image = read(written(encoded(Image.new("L", size, 90))))

    assert image.size == (512, 512)
    assert near(rgb(image), (90, 90, 90))


def test_a_photo_may_have_megabytes_of_metadata(written: Written) -> None:
    large = png_with(
        corners("RGBW"), png_chunk(b"eXIf", exif(6).tobytes()[6:] + bytes(2 * 1024 * 1024))
    )

    image = read(written(large))

    assert corners_of(image) == "RGBW"
