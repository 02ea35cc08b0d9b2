"""The Dockerfile without a container engine: its instructions, one by one, in empty folders.

In the place of the base image: this machine's programs, and a copy of the Python that runs the
tests with nothing installed but pip. A step, as a container after it, sees a root of its own.
"""

import fnmatch
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers import ROOT

_FOLDERS = ("bin", "lib", "lib64", "sbin", "usr", "etc", "dev", "proc", "tmp", "run", "srv", "opt")
# The stand-in's libraries are where the base image has them; it was made for another place.
BASE = {
    "PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin",
    "LD_LIBRARY_PATH": "/usr/local/lib",
}
_NOT_IN_THE_BASE_IMAGE = ("site-packages", "test", "idlelib", "tkinter", "config-*", "__pycache__")


class Instruction(NamedTuple):
    word: str
    value: str


def instructions(dockerfile: Path = ROOT / "Dockerfile") -> list[Instruction]:
    text = dockerfile.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in joined]


def context() -> list[Path]:
    """The files that .dockerignore lets into a build, from the top of the tree."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]

    def let_in(path: Path) -> bool:
        let_in = True
        for rule in rules:
            pattern = rule.removeprefix("!")
            heads = [str(path), *(str(parent) for parent in path.parents)]
            if pattern.startswith("**/"):
                heads, pattern = list(path.parts), pattern.removeprefix("**/")
            if any(fnmatch.fnmatchcase(head, pattern) for head in heads if head != "."):
                let_in = rule.startswith("!")
        return let_in

    assert rules[0] == "*"  # so nothing else needs a look
    tops = {Path(rule[1:]).parts[0] for rule in rules if rule.startswith("!")}
    files = [path for top in tops for path in _below(ROOT, Path(top))]
    return sorted(path for path in files if let_in(path))


class Image:
    """What the instructions of a stage have made, in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment: dict[str, str] = {}
        self.folder = "/"
        self.user = "0:0"
        self.command: list[str] = []
        self.health: list[str] = []
        for name in _FOLDERS:
            (root / name).mkdir(parents=True)
        (root / "local").mkdir()
        self._make_base()

    def _make_base(self) -> None:
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        source, local = Path(sys.base_prefix), self.root / "local"
        for name in ("include", "lib"):
            shutil.copytree(
                source / name,
                local / name,
                symlinks=True,
                ignore=shutil.ignore_patterns(*_NOT_IN_THE_BASE_IMAGE),
            )
        (local / "lib" / python / "site-packages").mkdir()
        (local / "bin").mkdir()
        shutil.copy(source / "bin" / python, local / "bin")
        for name in ("python", "python3"):
            (local / "bin" / name).symlink_to(python)
        self.run(["python", "-m", "ensurepip", "--default-pip"])

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, as root, in an image that can be written to."""
        return subprocess.run(  # noqa: S603 (the Dockerfile's own command)
            self.entered(command, user="0:0", writable=True),
            check=True,
            capture_output=True,
            text=True,
            env=self._with_pip(),
            **options,
        )

    def _with_pip(self) -> dict[str, str]:
        """The variables of the image, and how pip gets out of this machine."""
        ways_out = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("PIP_", "SSL_")) or name.lower().endswith("_proxy")
        }
        return {**ways_out, **BASE, **self.environment}

    def entered(
        self,
        command: Sequence[str],
        *,
        user: str = "",
        writable: bool = False,
        mounts: Mapping[str, Path] | None = None,
    ) -> list[str]:
        """A command line that runs a command with `root` as its root, in namespaces of its own.

        Args:
            writable: else the root is read-only, but for /tmp and what is mounted.
            mounts: folders of this machine, by where they are mounted.
        """
        root = shlex.quote(str(self.root))
        steps = [
            "set -e",
            "mount --make-rprivate /",
            f"mount --bind {root} {root}",
            *(f"mount --rbind -o ro /{name} {root}/{name}" for name in ("usr", "etc", "dev")),
            *(
                f"if [ -L /{name} ]; then mount --bind /usr/{name} {root}/{name};"
                f" else mount --rbind /{name} {root}/{name}; fi"
                for name in ("bin", "lib", "lib64", "sbin")
            ),
            f"mount --bind {root}/local {root}/usr/local",
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs tmpfs {root}/tmp",  # noqa: S108 (in a root of its own)
            f"mount -t tmpfs -o mode=0755 tmpfs {root}/run",
        ]
        for place, folder in (mounts or {}).items():
            if place.startswith("/run/"):
                steps.append(f"mkdir -p {root}{place}")
            steps.append(f"mount --bind {shlex.quote(str(folder))} {root}{place}")
        if not writable:
            steps += [f"mount -o remount,bind,ro {root}{top}" for top in ("", "/usr/local", "/run")]
        uid, gid = (user or self.user).split(":")
        inside = shlex.join(
            [
                *("setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"),
                *(
                    ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
                    if uid != "0"
                    else []
                ),
                *("env", "--chdir", self.folder, *command),
            ]
        )
        steps.append(f"exec chroot {root} {inside}")
        namespaces = ["--mount", "--pid", "--fork", "--kill-child"]
        return ["unshare", *namespaces, "sh", "-c", "\n".join(steps)]


def build(folder: Path) -> Image:
    """Follow the Dockerfile; the last stage."""
    stages: dict[str, Image] = {}
    image: Image | None = None
    for word, value in instructions():
        if word == "FROM":
            name = value.partition(" AS ")[2] or "final"
            image = stages[name] = Image(folder / name)
            continue
        assert image is not None
        if word == "RUN":
            if not value.startswith("apt-get"):  # a compiler, which this machine has
                image.run(["sh", "-c", value])
        elif word == "COPY":
            _copy(image, stages, shlex.split(value))
        elif word == "WORKDIR":
            image.folder = value
            (image.root / value.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            for part in shlex.split(value):
                name, _, text = part.partition("=")
                image.environment[name] = text
        elif word == "USER":
            image.user = value
        elif word == "CMD":
            image.command = json.loads(value)
        elif word == "HEALTHCHECK":
            image.health = json.loads(value.partition(" CMD ")[2])
        else:
            assert word in ("LABEL", "STOPSIGNAL")
    assert image is not None
    return image


def _copy(image: Image, stages: Mapping[str, Image], words: list[str]) -> None:
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
        files = list(_below(source, Path(words[0].lstrip("/"))))
    else:
        source = ROOT
        files = [
            path
            for path in context()
            if any(path == Path(word) or Path(word) in path.parents for word in words[:-1])
        ]
    assert files, f"COPY {words} copies nothing"
    target = Path(image.folder, words[-1])
    # What is mounted at /usr/local while the image runs.
    target = Path("/local") if str(target) == "/usr/local" else target
    for path in files:
        single = next(Path(word.lstrip("/")) for word in words if _is_below(path, word))
        inside = path.name if (source / single).is_file() else path.relative_to(single)
        place = image.root / str(target).lstrip("/") / inside
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / path, place, follow_symlinks=False)


def _is_below(path: Path, word: str) -> bool:
    top = Path(word.lstrip("/"))
    return path == top or top in path.parents


def _below(root: Path, top: Path) -> Iterator[Path]:
    if (root / top).is_file():
        yield top
    for folder, _, names in os.walk(root / top):
        yield from (Path(folder, name).relative_to(root) for name in names)
