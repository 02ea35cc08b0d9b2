"""flask secrets: what it writes into .env, what it keeps, and what it refuses."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from dotenv import dotenv_values

import config
from tests.servers import SECRETS
from workhub import create_app

GOOD = "".join(f"{name}={value}\n" for name, value in SECRETS.items())
KEPT = "SECRET_JWT: fine, kept\nSECRET_JWT_REFRESH: fine, kept\nSECRET_MANAGER: fine, kept\n"


@pytest.fixture
def dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of .env, where there is none yet."""
    path = tmp_path / ".env"
    monkeypatch.setattr(config, "DOTENV", path)
    return path


@pytest.fixture
def flask(dotenv: Path) -> Callable[..., Result]:
    """The `flask` command."""
    runner = create_app({}).test_cli_runner()
    return lambda *arguments: runner.invoke(args=arguments)


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


class TestInit:
    def test_makes_three_secrets_for_the_owner_alone(
        self, flask: Callable[..., Result], dotenv: Path
    ) -> None:
        ended = flask("secrets", "init")

        secrets = dotenv_values(dotenv)
        assert ended.exit_code == 0
        assert ended.output == (
            "SECRET_JWT: written to .env\n"
            "SECRET_JWT_REFRESH: written to .env\n"
            "SECRET_MANAGER: written to .env\n"
        )
        assert mode(dotenv) == "0o600"
        assert list(secrets) == list(SECRETS)
        assert len(set(secrets.values())) == 3
        assert all(len(secret or "") >= 43 for secret in secrets.values())

    def test_makes_others_each_time(self, flask: Callable[..., Result], dotenv: Path) -> None:
        flask("secrets", "init")
        first = dotenv_values(dotenv)
        dotenv.unlink()

        flask("secrets", "init")

        assert not set(first.values()) & set(dotenv_values(dotenv).values())

    def test_tells_no_secret(self, flask: Callable[..., Result], dotenv: Path) -> None:
        ended = flask("secrets", "init")

        assert not any(str(secret) in ended.output for secret in dotenv_values(dotenv).values())

    def test_keeps_good_secrets_and_closes_the_file_to_others(
        self, flask: Callable[..., Result], dotenv: Path
    ) -> None:
        dotenv.write_text(GOOD)
        dotenv.chmod(0o644)

        ended = flask("secrets", "init")

        assert (ended.exit_code, ended.output) == (0, KEPT)
        assert dotenv.read_text() == GOOD
        assert mode(dotenv) == "0o600"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SECRET_JWT", "short"),
            ("SECRET_JWT_REFRESH", ""),
            ("SECRET_MANAGER", SECRETS["SECRET_JWT"]),
        ],
        ids=["short", "empty", "the same as another"],
    )
    def test_mends_an_unfit_one_alone(
        self, flask: Callable[..., Result], dotenv: Path, name: str, value: str
    ) -> None:
        before = {**SECRETS, name: value}
        dotenv.write_text("".join(f"{key}={text}\n" for key, text in before.items()))

        ended = flask("secrets", "init")

        after = dotenv_values(dotenv)
        assert ended.exit_code == 0
        assert f"{name}: written to .env\n" in ended.output
        assert after.keys() == SECRETS.keys()
        assert [key for key in SECRETS if after[key] != before[key]] == [name]
        assert config.unfit_secrets(config.load()) == {}

    def test_keeps_the_other_lines_in_their_places(
        self, flask: Callable[..., Result], dotenv: Path
    ) -> None:
        dotenv.write_text(
            "# mine\n\nexport SECRET_JWT = short\nBCRYPT_ROUNDS=5\n"
            'SECRET_JWT_REFRESH="two\nlines"\nSECRET_JWT=again\nJWT_ISSUER="a b"'
        )

        ended = flask("secrets", "init")

        secrets = dotenv_values(dotenv)
        assert ended.exit_code == 0
        assert dotenv.read_text().splitlines() == [
            "# mine",
            "",
            f"SECRET_JWT={secrets['SECRET_JWT']}",
            "BCRYPT_ROUNDS=5",
            f"SECRET_JWT_REFRESH={secrets['SECRET_JWT_REFRESH']}",
            f"SECRET_JWT={secrets['SECRET_JWT']}",
            'JWT_ISSUER="a b"',
            f"SECRET_MANAGER={secrets['SECRET_MANAGER']}",
        ]
        assert config.unfit_secrets(config.load()) == {}

    def test_refuses_where_the_environment_gives_the_bad_one(
        self, flask: Callable[..., Result], dotenv: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dotenv.write_text(GOOD)
        monkeypatch.setenv("SECRET_MANAGER", "hunter2")

        ended = flask("secrets", "init")

        assert ended.exit_code == 1
        assert ended.output == (
            "Error: SECRET_MANAGER is shorter than 32 bytes, and comes from the environment or a "
            "file, which win over .env. Mend it there.\n"
        )
        assert dotenv.read_text() == GOOD

    def test_refuses_where_a_file_gives_the_bad_one(
        self, flask: Callable[..., Result], dotenv: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_text("hunter2")
        dotenv.write_text(f"SECRET_JWT_FILE={tmp_path / 'secret'}\n")

        ended = flask("secrets", "init")

        assert ended.exit_code == 1
        assert ended.output == (
            "Error: SECRET_JWT is shorter than 32 bytes, and comes from the environment or a "
            "file, which win over .env. Mend it there.\n"
        )

    def test_needs_no_file_where_the_environment_gives_good_ones(
        self, flask: Callable[..., Result], dotenv: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)

        ended = flask("secrets", "init")

        assert (ended.exit_code, ended.output) == (0, KEPT)
        assert not dotenv.exists()

    def test_leaves_the_old_file_alone_on_a_full_disk(
        self, flask: Callable[..., Result], dotenv: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        dotenv.write_text("JWT_ISSUER=mine\n")
        monkeypatch.setattr(os, "fsync", full)

        ended = flask("secrets", "init")

        assert ended.exit_code == 1
        assert ended.output == f"Error: {dotenv} can't be written: No space left on device.\n"
        assert dotenv.read_text() == "JWT_ISSUER=mine\n"
        assert [path.name for path in dotenv.parent.iterdir()] == [".env"]


class TestCheck:
    def test_says_that_good_secrets_are_fine(
        self, flask: Callable[..., Result], dotenv: Path
    ) -> None:
        dotenv.write_text(GOOD)

        ended = flask("secrets", "check")

        assert (ended.exit_code, ended.output) == (0, "The secrets are fine.\n")

    def test_names_the_first_unfit_one(self, flask: Callable[..., Result], dotenv: Path) -> None:
        dotenv.write_text(f"SECRET_JWT={SECRETS['SECRET_JWT']}\nSECRET_JWT_REFRESH=hunter2\n")

        ended = flask("secrets", "check")

        assert ended.exit_code == 1
        assert ended.output == (
            "Error: SECRET_JWT_REFRESH is shorter than 32 bytes. Mend it with: flask secrets init\n"
        )
