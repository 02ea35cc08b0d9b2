"""The lock files: make lint says when they are not those of pyproject.toml."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What the check reads, to be changed."""
    for path in (ROOT / "pyproject.toml", *ROOT.glob("requirements*.txt")):
        shutil.copy(path, tmp_path)
    return tmp_path


def check(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (this project's own command)
        [sys.executable, ROOT / "tools" / "check_locks.py"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def without(file: Path, name: str) -> None:
    lines = file.read_text().splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith(" "))
    file.write_text("".join(lines[:start] + lines[end:]))


def test_lock_files_are_in_step(tree: Path) -> None:
    checked = check(tree)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == "The lock files are in step with pyproject.toml.\n"


def test_new_dependency_is_missing_from_both_locks(tree: Path) -> None:
    change(tree / "pyproject.toml", '"flask>=', '"tablib>=1",\n    "flask>=')

    checked = check(tree)

    assert checked.returncode == 1
    assert checked.stderr == (
        "requirements.txt: tablib>=1 is missing, pyproject.toml needs it\n"
        "requirements-dev.txt: tablib>=1 is missing, pyproject.toml needs it\n"
        "Mend it with: make lock\n"
    )


def test_raised_bound_does_not_fit_the_old_pin(tree: Path) -> None:
    change(tree / "pyproject.toml", '"ruff>=', '"ruff>=999,>=')

    checked = check(tree)

    assert checked.returncode == 1
    assert "is not the ruff" in checked.stderr
    assert "that pyproject.toml needs" in checked.stderr


def test_dropped_dependency_is_needed_by_nobody(tree: Path) -> None:
    change(tree / "pyproject.toml", '"pillow>=', '# "')

    checked = check(tree)

    assert checked.returncode == 1
    assert checked.stderr == (
        "requirements.txt: pillow is needed by nobody\n"
        "requirements-dev.txt: pillow is needed by nobody\n"
        "Mend it with: make lock\n"
    )


def test_dependency_of_a_dependency_is_missing(tree: Path) -> None:
    without(tree / "requirements.txt", "click")

    checked = check(tree)

    assert checked.returncode == 1
    assert "requirements.txt: click" in checked.stderr
    assert "is missing, flask needs it" in checked.stderr


def test_two_locks_differ(tree: Path) -> None:
    lock = tree / "requirements-dev.txt"
    first_hash = lock.read_text().split("--hash=sha256:", 2)[1][:64]
    change(lock, first_hash, "0" * 64)

    checked = check(tree)

    assert checked.returncode == 1
    assert "is not as in requirements.txt" in checked.stderr


@pytest.mark.parametrize(
    "line",
    ["tablib==1.0\n", "--index-url https://packages.example/simple\n", "-e .\n"],
    ids=["no hash", "an index", "a folder"],
)
def test_lock_holds_pins_with_hashes_alone(tree: Path, line: str) -> None:
    lock = tree / "requirements.txt"
    lock.write_text(line + lock.read_text())

    checked = check(tree)

    assert checked.returncode == 1
    assert checked.stderr == (f"Error: requirements.txt: no pin with hashes: {line.strip()}\n")
