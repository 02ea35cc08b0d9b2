"""The settings: what each is by default, what is refused, and in which words."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import config
from config import SettingError
from tests.servers import ROOT, SECRETS

README = "The table of settings is in README.md."
DEFAULTS: dict[str, Any] = {
    "SECRET_JWT": None,
    "SECRET_JWT_REFRESH": None,
    "SECRET_MANAGER": None,
    "ACCESS_TOKEN_SECONDS": timedelta(minutes=30),
    "REFRESH_TOKEN_SECONDS": timedelta(days=14),
    "REFRESH_REUSE_SECONDS": timedelta(seconds=10),
    "SESSION_MAX_DAYS": timedelta(days=90),
    "JWT_ISSUER": "workhub",
    "BCRYPT_ROUNDS": 12,
    "UPLOAD_FOLDER": ROOT / "uploads",
    "MAX_UPLOAD_BYTES": 10_485_760,
    "MAX_UPLOAD_PIXELS": 50_000_000,
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "WORKHUB_BIND": "127.0.0.1:8000",
    "TRUSTED_PROXIES": 0,
    "LOG_LEVEL": "INFO",
    "DEBUG": False,
}
NUMBERS = [
    ("ACCESS_TOKEN_SECONDS", 1, 31_622_400),
    ("REFRESH_TOKEN_SECONDS", 1, 31_622_400),
    ("REFRESH_REUSE_SECONDS", 0, 300),
    ("SESSION_MAX_DAYS", 1, 3660),
    ("BCRYPT_ROUNDS", 4, 16),
    ("MAX_UPLOAD_BYTES", 1024, 104_857_600),
    ("MAX_UPLOAD_PIXELS", 10_000, 100_000_000),
    ("TRUSTED_PROXIES", 0, 10),
    ("PORT", 1, 65535),
]
POSTGRES = {
    "POSTGRES_DB": "workhub",
    "POSTGRES_USER": "owner",
    "POSTGRES_PASSWORD": "p@ss/word",
    "HOST": "db.example",
}


def refusal(values: dict[str, str | None]) -> str:
    with pytest.raises(SettingError) as refused:
        config.load(values)
    return refused.value.message


def url(values: dict[str, str | None]) -> str:
    chosen: str = config.load(values)["SQLALCHEMY_DATABASE_URI"].render_as_string(
        hide_password=False
    )
    return chosen


def test_defaults_are_the_documented_ones() -> None:
    settings = config.load({})

    assert {name: settings[name] for name in DEFAULTS} == DEFAULTS


def test_empty_value_counts_as_none() -> None:
    names = [*DEFAULTS, "FLASK_DEBUG", "DATABASE_URL", "PORT", *POSTGRES, "SECRET_JWT_FILE"]

    settings = config.load(dict.fromkeys(names, ""))

    assert settings == config.load({})


@pytest.mark.parametrize(("name", "low", "high"), NUMBERS, ids=[n for n, _, _ in NUMBERS])
def test_number_is_taken_within_its_bounds_alone(name: str, low: int, high: int) -> None:
    out_of_bounds = (
        f"{name}: Must be greater than or equal to {low} and less than or equal to {high}. {README}"
    )

    assert config.load({**POSTGRES, name: str(low)})
    assert config.load({**POSTGRES, name: str(high)})
    assert refusal({**POSTGRES, name: str(low - 1)}) == out_of_bounds
    assert refusal({**POSTGRES, name: str(high + 1)}) == out_of_bounds


@pytest.mark.parametrize("name", [name for name, _, _ in NUMBERS])
@pytest.mark.parametrize("text", ["many", "1.5", "0x10", "10s"])
def test_number_that_is_none_is_refused(name: str, text: str) -> None:
    assert refusal({**POSTGRES, name: text}) == f"{name}: Not a valid integer. {README}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ACCESS_TOKEN_SECONDS", "60", timedelta(minutes=1)),
        ("SESSION_MAX_DAYS", "30", timedelta(days=30)),
        ("REFRESH_REUSE_SECONDS", "0", timedelta()),
        ("JWT_ISSUER", "https://id.example", "https://id.example"),
        ("BCRYPT_ROUNDS", "4", 4),
        ("UPLOAD_FOLDER", "photos", ROOT / "photos"),
        ("UPLOAD_FOLDER", "/var/lib/workhub", Path("/var/lib/workhub")),
        ("PUBLIC_URL", "https://api.example/", "https://api.example"),
        ("PUBLIC_URL", "http://localhost:8000", "http://localhost:8000"),
        ("WORKHUB_BIND", "0.0.0.0:80", "0.0.0.0:80"),
        ("WORKHUB_BIND", "[::1]:8000", "[::1]:8000"),
        ("WORKHUB_BIND", "unix:/run/workhub.sock", "unix:/run/workhub.sock"),
        ("LOG_LEVEL", "WARNING", "WARNING"),
    ],
)
def test_setting_is_taken(name: str, text: str, value: object) -> None:
    assert config.load({name: text})[name] == value


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("PUBLIC_URL", "api.example", "Not a valid URL."),
        ("PUBLIC_URL", "ftp://api.example", "Not a valid URL."),
        ("LOG_LEVEL", "loud", "Must be one of: DEBUG, INFO, WARNING, ERROR."),
        ("FLASK_DEBUG", "perhaps", "Not a valid boolean."),
        ("WORKHUB_BIND", "127.0.0.1", "Neither host:port nor unix:/path."),
        ("WORKHUB_BIND", "127.0.0.1:0", "Neither host:port nor unix:/path."),
        ("WORKHUB_BIND", "127.0.0.1:65536", "Neither host:port nor unix:/path."),
        ("WORKHUB_BIND", "127.0.0.1:80 ", "Neither host:port nor unix:/path."),
        ("WORKHUB_BIND", "::1:8000", "Neither host:port nor unix:/path."),
        ("WORKHUB_BIND", "http://127.0.0.1:8000", "Neither host:port nor unix:/path."),
    ],
)
def test_malformed_setting_is_named(name: str, text: str, reason: str) -> None:
    assert refusal({name: text}) == f"{name}: {reason} {README}"


def test_text_that_is_not_utf_8_is_refused() -> None:
    assert refusal({"SECRET_JWT": "\udcff" * 32}) == "SECRET_JWT is not UTF-8."


class TestDatabase:
    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"HOST": "db.example", "PORT": "8080"},
            {"HOST": "0.0.0.0", "PORT": "a web server's"},  # noqa: S104 (a platform sets it)
            {"POSTGRES_USER": "owner", "POSTGRES_PASSWORD": "secret"},
        ],
        ids=["nothing", "HOST and PORT", "a PORT that is no number", "user and password"],
    )
    def test_is_sqlite_unless_one_is_named(self, values: dict[str, str | None]) -> None:
        assert url(values) == "sqlite:///workhub.db"

    def test_is_postgresql_where_postgres_db_names_one(self) -> None:
        assert url({**POSTGRES}) == (
            "postgresql+psycopg2://owner:p%40ss%2Fword@db.example:5432/workhub"
        )
        assert url({**POSTGRES, "PORT": "6432"}).endswith("@db.example:6432/workhub")

    @pytest.mark.parametrize("name", ["POSTGRES_USER", "POSTGRES_PASSWORD", "HOST"])
    def test_postgres_db_needs_the_rest(self, name: str) -> None:
        assert refusal({**POSTGRES, name: None}) == f"{name} is missing: POSTGRES_DB needs it."

    @pytest.mark.parametrize(
        ("given", "taken"),
        [
            ("postgres://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
            ("postgresql://u:p@h:5433/d", "postgresql+psycopg2://u:p@h:5433/d"),
            ("postgresql+asyncpg://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
            ("postgresql://h/d?sslmode=require", "postgresql+psycopg2://h/d?sslmode=require"),
            ("sqlite:////var/lib/workhub.db", "sqlite:////var/lib/workhub.db"),
        ],
    )
    def test_is_that_of_database_url_before_all_else(self, given: str, taken: str) -> None:
        assert url({**POSTGRES, "DATABASE_URL": given}) == taken

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ("hunter2", "DATABASE_URL is no database URL."),
            ("postgresql://u:hunter2@h:port/d", "DATABASE_URL is no database URL."),
            (
                "hunter2://u:p@h/d",
                "DATABASE_URL begins neither with postgresql:// nor with sqlite://.",
            ),
            (
                "mysql://u:hunter2@h/d",
                "DATABASE_URL begins neither with postgresql:// nor with sqlite://.",
            ),
            ("sqlite://", "DATABASE_URL names no file: SQLite needs one."),
            ("sqlite:///:memory:", "DATABASE_URL names no file: SQLite needs one."),
        ],
    )
    def test_url_that_is_none_is_refused_and_not_told(self, given: str, reason: str) -> None:
        assert refusal({"DATABASE_URL": given}) == reason


class TestFiles:
    @pytest.mark.parametrize("name", [*SECRETS, "POSTGRES_PASSWORD", "DATABASE_URL"])
    def test_value_may_be_in_a_file(self, name: str, tmp_path: Path) -> None:
        value = "sqlite:////elsewhere.db" if name == "DATABASE_URL" else "from the file"
        file = tmp_path / "value"
        file.write_text(f"{value}\n")
        rest = POSTGRES if name == "POSTGRES_PASSWORD" else {}

        by_file = config.load({**rest, name: None, f"{name}_FILE": str(file)})
        above_the_text = config.load({**rest, name: "something else", f"{name}_FILE": str(file)})

        assert by_file == config.load({**rest, name: value})
        assert above_the_text == by_file

    @pytest.mark.parametrize("name", [*SECRETS, "DATABASE_URL"])
    def test_file_that_can_not_be_read_is_refused_and_not_told(
        self, name: str, tmp_path: Path
    ) -> None:
        latin_1 = tmp_path / "latin-1"
        latin_1.write_bytes(b"\xff" * 40)
        reason = f"{name}_FILE names a file that can't be read."

        assert refusal({f"{name}_FILE": "a secret by mistake"}) == reason
        assert refusal({f"{name}_FILE": str(tmp_path)}) == reason
        assert refusal({f"{name}_FILE": str(latin_1)}) == reason

    @pytest.mark.parametrize("name", [*SECRETS, "DATABASE_URL"])
    def test_empty_file_is_refused(self, name: str, tmp_path: Path) -> None:
        file = tmp_path / "empty"
        file.write_text("\n")

        assert refusal({f"{name}_FILE": str(file)}) == f"{name}_FILE names a file that is empty."


class TestEnvironment:
    @pytest.fixture(autouse=True)
    def _dotenv(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dotenv = tmp_path / ".env"
        monkeypatch.setattr(config, "DOTENV", self.dotenv)

    def test_dotenv_is_read(self) -> None:
        self.dotenv.write_text("JWT_ISSUER=from the file\nBCRYPT_ROUNDS=5\n")

        settings = config.load()

        assert settings["JWT_ISSUER"] == "from the file"
        assert settings["BCRYPT_ROUNDS"] == 5

    def test_environment_wins_over_dotenv(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dotenv.write_text("JWT_ISSUER=from the file\n")
        monkeypatch.setenv("JWT_ISSUER", "from the environment")

        assert config.load()["JWT_ISSUER"] == "from the environment"

    def test_empty_environment_leaves_dotenv(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dotenv.write_text("JWT_ISSUER=from the file\n")
        monkeypatch.setenv("JWT_ISSUER", "")

        assert config.load()["JWT_ISSUER"] == "from the file"

    def test_environment_wins_whether_by_text_or_by_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "secret").write_text("from a file")
        self.dotenv.write_text(f"SECRET_JWT_FILE={tmp_path / 'secret'}\nSECRET_MANAGER=from .env\n")
        monkeypatch.setenv("SECRET_JWT", "from the environment")
        monkeypatch.setenv("SECRET_MANAGER_FILE", str(tmp_path / "secret"))

        settings = config.load()

        assert settings["SECRET_JWT"] == "from the environment"
        assert settings["SECRET_MANAGER"] == "from a file"

    def test_dotenv_that_can_not_be_read_is_refused(self) -> None:
        self.dotenv.write_bytes(b"JWT_ISSUER=\xff\n")

        with pytest.raises(SettingError) as refused:
            config.load()

        assert refused.value.message == f"{self.dotenv} can't be read."


class TestSecrets:
    @pytest.mark.parametrize("name", SECRETS)
    @pytest.mark.parametrize(
        ("value", "fault"),
        [
            (None, "is missing"),
            ("", "is missing"),
            ("s" * 31, "is shorter than 32 bytes"),
            ("ы" * 15 + "s", "is shorter than 32 bytes"),
        ],
        ids=["missing", "empty", "31 bytes", "16 characters of 31 bytes"],
    )
    def test_unfit_one_is_named_with_what_mends_it(
        self, name: str, value: str | None, fault: str
    ) -> None:
        settings = config.load({**SECRETS, name: value})

        with pytest.raises(SettingError) as refused:
            config.check_service(settings)

        assert refused.value.message == f"{name} {fault}. Mend it with: flask secrets init"

    def test_two_that_are_the_same_are_refused(self) -> None:
        same = SECRETS["SECRET_JWT"]
        settings = config.load({**SECRETS, "SECRET_JWT_REFRESH": same})

        with pytest.raises(SettingError) as refused:
            config.check_service(settings)

        assert refused.value.message == (
            "SECRET_JWT_REFRESH is the same as SECRET_JWT. Mend it with: flask secrets init"
        )

    def test_32_bytes_are_enough(self, tmp_path: Path) -> None:
        settings = config.load(
            {
                "SECRET_JWT": "a" * 32,
                "SECRET_JWT_REFRESH": "ы" * 16,
                "SECRET_MANAGER": "c" * 32,
                "UPLOAD_FOLDER": str(tmp_path),
            }
        )

        assert config.unfit_secrets(settings) == {}
        config.check_service(settings)


class TestService:
    def test_makes_the_folder_of_the_photos(self, tmp_path: Path) -> None:
        folder = tmp_path / "new" / "photos"

        config.check_service(config.load({**SECRETS, "UPLOAD_FOLDER": str(folder)}))

        assert folder.is_dir()

    def test_refuses_a_folder_that_is_none(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.touch()

        with pytest.raises(SettingError) as refused:
            config.check_service(config.load({**SECRETS, "UPLOAD_FOLDER": str(file)}))

        assert refused.value.message == (
            f"UPLOAD_FOLDER: {file} is no folder that can be written to."
        )

    def test_refuses_the_debug_mode(self, tmp_path: Path) -> None:
        settings = config.load({**SECRETS, "UPLOAD_FOLDER": str(tmp_path), "FLASK_DEBUG": "1"})

        with pytest.raises(SettingError) as refused:
            config.check_service(settings)

        assert refused.value.message == ("FLASK_DEBUG is on: it would show tracebacks to clients.")
