"""Are the requirements files in step with pyproject.toml? No index is asked.

What a package needs is read from the packages that are installed, which are those of
requirements-dev.txt. Run from the top of the tree: python -m tools.check_locks
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# A line with name, version and marker, then a line for each hash.
_PIN = re.compile(r"([a-z0-9-]+==[^\\\n]+?) \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+")


def read(lock: Path) -> dict[str, str]:
    """The pins of a lock file as they are written, hashes included, by the package's name.

    Raises:
        click.ClickException: something in it is no pin with hashes.
    """
    text = lock.read_text(encoding="utf-8")
    if rest := _PIN.sub("", text).strip():
        raise click.ClickException(f"{lock}: no pin with hashes: {rest.splitlines()[0]}")
    return {canonicalize_name(_requirement(pin[0]).name): pin[0] for pin in _PIN.finditer(text)}


def _requirement(pin: str) -> Requirement:
    return Requirement(pin.partition("\\")[0])


def faults(direct: list[str], pins: dict[str, str]) -> Iterator[str]:
    """What a lock lacks, what does not fit, and what nobody needs.

    Args:
        direct: the requirements of pyproject.toml.
        pins: as `read` returns them.
    """
    queue = [(Requirement(text), "pyproject.toml", "") for text in direct]
    walked: set[tuple[str, str]] = set()
    needed: set[str] = set()
    while queue:
        requirement, by, extra = queue.pop()
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        if marker and not marker.evaluate({"extra": extra}):
            if "extra" not in str(marker):  # another platform's, another Python's
                needed.add(name)
            continue
        needed.add(name)
        if name not in pins:
            yield f"{requirement} is missing, {by} needs it"
            continue
        (pinned,) = _requirement(pins[name]).specifier
        if not requirement.specifier.contains(pinned.version, prereleases=True):
            yield f"{name}=={pinned.version} is not the {requirement} that {by} needs"
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = "none"
        if installed != pinned.version:
            yield f"{name}=={pinned.version} is not installed, but {installed}: can't be checked"
            continue
        for wanted in {"", *requirement.extras} - {e for n, e in walked if n == name}:
            walked.add((name, wanted))
            queue += [(Requirement(r), name, wanted) for r in metadata.requires(name) or []]
    for unneeded in sorted(pins.keys() - needed):
        marker = _requirement(pins[unneeded]).marker
        if marker is None or marker.evaluate():
            yield f"{unneeded} is needed by nobody"


def faults_alone(direct: list[str], pins: dict[str, str]) -> Iterator[str]:
    """The same for packages that need no others, and that nobody has installed."""
    wanted = {canonicalize_name(r.name): r for r in map(Requirement, direct)}
    for name, requirement in wanted.items():
        if name not in pins:
            yield f"{requirement} is missing, pyproject.toml needs it"
            continue
        (pinned,) = _requirement(pins[name]).specifier
        if not requirement.specifier.contains(pinned.version, prereleases=True):
            yield f"{name}=={pinned.version} is not the {requirement} that pyproject.toml needs"
    yield from (f"{name} is needed by nobody" for name in sorted(pins.keys() - wanted.keys()))


@click.command()
def main() -> None:
    """Say what is out of step, and how to mend it."""
    with Path("pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    direct = project["project"]["dependencies"]
    locked, locked_dev = read(Path("requirements.txt")), read(Path("requirements-dev.txt"))
    found = [f"requirements.txt: {fault}" for fault in faults(direct, locked)]
    found += [
        f"requirements-dev.txt: {fault}"
        for fault in faults(direct + project["dependency-groups"]["dev"], locked_dev)
    ]
    found += [
        f"requirements-dev.txt: {name} is not as in requirements.txt"
        for name in locked
        if locked[name] != locked_dev.get(name)
    ]
    fast, build = read(Path("requirements-fast.txt")), read(Path("requirements-build.txt"))
    found += [
        f"requirements-fast.txt: {name} is not as in requirements.txt"
        for name in locked
        if locked[name] != fast.get(name)
    ]
    extra = {name: pin for name, pin in fast.items() if name not in locked}
    for name, requirements, pins in (
        ("fast", project["project"]["optional-dependencies"]["fast"], extra),
        ("build", project["dependency-groups"]["build"], build),
    ):
        found += [f"requirements-{name}.txt: {fault}" for fault in faults_alone(requirements, pins)]
    for fault in found:
        click.echo(fault, err=True)
    if found:
        click.echo("Mend it with: make lock", err=True)
        sys.exit(1)
    click.echo("The lock files are in step with pyproject.toml.")


if __name__ == "__main__":
    main()
