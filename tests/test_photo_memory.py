"""The memory that one upload can take at most, each measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT

pytestmark = pytest.mark.slow

MAX_MIB = 450

MAKE = """
import sys
from PIL import Image

Image.new(sys.argv[2], eval(sys.argv[3])).save(sys.argv[1], **eval(sys.argv[4]))
"""

MEASURE = """
import io, resource, sys
from PIL import Image
from workhub import create_app
from workhub.accounts import photos

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

with create_app({}).app_context(), open(sys.argv[1], "rb") as upload:
    for format in ("JPEG", "PNG", "WEBP"):
        Image.new("RGB", (600, 600)).save(small := io.BytesIO(), format)
        photos.square(small)
    before = peak()
    photos.square(upload)
    print((peak() - before) / 1024)  # in KiB on Linux
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 (the two programs above)
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
@pytest.mark.parametrize(
    ("mode", "size", "options"),
    [
        pytest.param("RGB", (8000, 6250), {"format": "JPEG"}, id="JPEG"),
        pytest.param("CMYK", (62_500, 800), {"format": "JPEG", "progressive": True}, id="strip"),
        pytest.param("RGB", (5000, 5000), {"format": "PNG", "transparency": (1, 2, 3)}, id="PNG"),
        pytest.param("RGBA", (5000, 5000), {"format": "WEBP", "lossless": True}, id="WebP"),
    ],
)
def test_the_memory_of_an_upload_is_bounded(
    tmp_path: Path, mode: str, size: tuple[int, int], options: dict[str, object]
) -> None:
    path = str(tmp_path / "upload")
    run(MAKE, path, mode, repr(size), repr(options))

    taken = float(run(MEASURE, path))

    assert taken < MAX_MIB
