"""README.md: its tour runs as it is pasted, and its tables say what the code does."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values
from flask import Flask
from PIL import Image

import config
from tests.servers import ROOT, Gunicorn

README = (ROOT / "README.md").read_text(encoding="utf-8")
POSTGRES = {"POSTGRES_DB": "d", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "p", "HOST": "h"}


def section(title: str) -> str:
    text = README.partition(f"\n## {title}\n")[2]
    assert text
    return text.partition("\n## ")[0]


def blocks(text: str) -> list[str]:
    return re.findall(r"^```\w+\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def rows(text: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


SETTINGS = {row[0].strip("`"): row[1:] for row in rows(section("Settings"))}
BOUNDS = {
    name: (int(match[1]), int(match[2]))
    for name, (_, _, bounds) in SETTINGS.items()
    if (match := re.fullmatch(r"(\d+) to (\d+)", bounds))
}


@pytest.mark.skipif(not shutil.which("curl"), reason="the tour needs curl")
def test_tour_works_as_it_is_pasted(database_url: str, uploads: Path, tmp_path: Path) -> None:
    tour, output, photo = blocks(section("A tour"))
    assert tour.count("http://127.0.0.1:8000") == 1
    Image.new("RGB", (64, 48), "red").save(tmp_path / "me.jpg")

    with Gunicorn({"DATABASE_URL": database_url}, uploads) as server:
        pasted = subprocess.run(  # noqa: S603 (this project's own README)
            [shutil.which("bash") or "bash"],
            input=f"{tour}echo photo\n{photo}".replace("http://127.0.0.1:8000", server.url),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )

    first, second = pasted.stdout.split("photo\n", 1)
    assert (first, pasted.stderr) == (output, "")
    assert re.fullmatch(
        '{"detail":"Успешно."}\n'
        r'{"name":"Ann","email":"ann@example.com","photo":"/uploads/[\w-]{22}\.webp"}\n'
        '{"detail":"Успешно."}\n',
        second,
    )


def test_table_of_calls_is_that_of_the_application(app: Flask) -> None:
    documented = {call.strip("`") for call, *_ in rows(section("The calls"))}

    assert documented == {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("auth.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


class Asked(dict[str, str | None]):
    """Settings that remember for which names they were asked."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.names: list[str] = []

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.names.append(name)
        return super().get(name, default)


def test_every_setting_is_in_the_readme_and_in_the_example() -> None:
    by_default, with_postgres = Asked({}), Asked(POSTGRES)
    config.load(by_default)
    config.load(with_postgres)
    asked = {*by_default.names, *with_postgres.names}
    files = {name for name in asked if name.endswith("_FILE")}

    assert SETTINGS.keys() == asked - files
    assert dotenv_values(ROOT / ".env.example").keys() == asked - files
    assert {
        f"{name}_FILE" for name, (_, meaning, _) in SETTINGS.items() if f"`{name}_FILE`" in meaning
    } == files


def test_defaults_are_the_same_in_the_readme_the_example_and_the_code() -> None:
    documented = {name: default.strip("`") for name, (default, _, _) in SETTINGS.items()}

    assert documented == dotenv_values(ROOT / ".env.example")
    assert config.load({**documented}) == config.load({})
    assert config.load({**documented, **POSTGRES}) == config.load({**POSTGRES})


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_are_those_of_the_code(name: str) -> None:
    low, high = BOUNDS[name]

    for inside in (low, high):
        config.load({**POSTGRES, name: str(inside)})
    for outside in (low - 1, high + 1):
        with pytest.raises(config.SettingError, match=name):
            config.load({**POSTGRES, name: str(outside)})
