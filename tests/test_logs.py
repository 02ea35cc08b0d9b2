"""Logs: one JSON line for each request and fault, and nothing in it that is a secret."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import jwt
import pytest

from tests.clients import PASSWORD, Tokens
from tests.images import jpeg
from tests.servers import Gunicorn, sqlite_in
from tests.wire import connected, request

EMAIL = "ann.sensitive@example.com"
NAME = "Anna Sensitive"
JSON = {"Content-Type": "application/json"}
ANN = {"email": EMAIL, "password": PASSWORD}
MEMBERS = [
    "time", "level", "event", "request_id", "method", "route", "status", "problem", "duration_ms",
    "user", "session", "ip",
]  # fmt: skip
ROUTES = [
    ("POST", "/auth/register", 201, None),
    ("POST", "/auth/register", 400, "email_taken"),
    ("POST", "/auth/register", 400, "password_too_short"),
    ("POST", "/auth/register", 422, "validation_failed"),
    ("POST", "/auth/login", 400, "login_failed"),
    ("POST", "/auth/login", 422, "body_unreadable"),
    ("POST", "/auth/login", 200, None),
    ("GET", "/auth/me", 200, None),
    ("PATCH", "/auth/me", 200, None),
    ("PATCH", "/auth/photo", 200, None),
    ("GET", "/uploads/<name>", 200, None),
    ("PATCH", "/auth/photo", 422, "photo_unreadable"),
    ("DELETE", "/auth/photo", 200, None),
    ("POST", "/auth/refresh", 200, None),
    ("GET", "/auth/me", 400, "authorization_missing"),
    ("GET", "/auth/me", 403, "credentials_invalid"),
    ("GET", None, 404, "not_found"),
    ("PUT", None, 405, "method_not_allowed"),
    ("POST", "/auth/refresh", 500, "internal_error"),
    ("GET", "/auth/logout", 503, "unavailable"),
    ("GET", "/auth/logout", 200, None),
    ("DELETE", "/auth/me", 200, None),
]


class Tour(NamedTuple):
    answers: list[httpx.Response]
    tokens: Tokens
    secrets: list[str]
    log: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def request_lines(self) -> list[dict[str, Any]]:
        """Those of the tour, in its order."""
        lines = {line["request_id"]: line for line in self.events("request")}
        return [lines[answer.headers["X-Request-ID"]] for answer in self.answers]


@pytest.fixture(scope="module", params=["INFO", "DEBUG"])
def tour(
    request: pytest.FixtureRequest,
    migrated_sqlite: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Tour:
    """Everything that can be called, with its failures, at each level that writes requests."""
    folder = tmp_path_factory.mktemp("logs")
    settings = {**sqlite_in(folder, migrated_sqlite), "LOG_LEVEL": request.param}
    with Gunicorn(settings, folder) as gunicorn, httpx.Client(base_url=gunicorn.url) as http:
        return called(gunicorn, http, folder)


def called(gunicorn: Gunicorn, http: httpx.Client, folder: Path) -> Tour:
    answers = []

    def call(method: str, path: str, token: str | None = None, **arguments: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= arguments.pop("headers", {})
        answers.append(http.request(method, path, headers=headers, **arguments))
        return answers[-1].json() if "json" in answers[-1].headers["Content-Type"] else None

    def execute(statement: str, *values: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(folder / "workhub.db", isolation_level=None)) as database:
            return database.execute(statement, values).fetchall()

    call("POST", "/auth/register", json={**ANN, "name": NAME})
    call("POST", "/auth/register", json={**ANN, "name": NAME})
    call("POST", "/auth/register", json={**ANN, "name": NAME, "password": "hunter2"})
    call("POST", "/auth/register", json={"email": f"{EMAIL} {EMAIL}", "password": 5})
    call("POST", "/auth/login", json={**ANN, "password": PASSWORD + "-wrong"})
    call("POST", "/auth/login", content=b'{"password": "hunter2', headers=JSON)
    tokens = Tokens(**call("POST", "/auth/login", json=ANN))
    access = tokens.access_token
    call("GET", f"/auth/me?email={EMAIL}", access)
    call("PATCH", "/auth/me", access, json={"name": NAME})
    call("PATCH", "/auth/photo", access, files={"photo": ("sensitive.jpg", jpeg())})
    photo = http.get("/auth/me", headers={"Authorization": f"Bearer {access}"}).json()["photo"]
    call("GET", photo)
    call("PATCH", "/auth/photo", access, files={"photo": ("sensitive.jpg", b"no photo")})
    call("DELETE", "/auth/photo", access)
    refreshed = Tokens(**call("POST", "/auth/refresh", tokens.refresh_token))
    call("GET", "/auth/me")
    call("GET", "/auth/me", access + "x")
    call("GET", f"/{EMAIL}/{access}?password={PASSWORD}")
    call("PUT", "/auth/me", access)

    (expires_at,) = execute("SELECT expires_at FROM sessions")[0]
    execute("UPDATE sessions SET expires_at = ?", f"{EMAIL} {PASSWORD}")
    call("POST", "/auth/refresh", tokens.refresh_token)
    execute("UPDATE sessions SET expires_at = ?", expires_at)
    execute("ALTER TABLE users RENAME TO elsewhere")
    call("GET", "/auth/logout", access)
    execute("ALTER TABLE elsewhere RENAME TO users")
    (password_hash,) = execute("SELECT password_hash FROM users")[0]

    call("GET", "/auth/logout", access)
    again = Tokens(**http.post("/auth/login", json=ANN).json())
    call("DELETE", "/auth/me", again.access_token)
    send_no_http(gunicorn, access)
    http.close()
    assert gunicorn.stop() == 0
    issued = [*tokens_of(tokens), *tokens_of(refreshed), *tokens_of(again)]
    secrets = [PASSWORD, "hunter2", EMAIL, NAME, "ensitive", password_hash, photo, *issued]
    return Tour(answers, tokens, secrets, gunicorn.log.read_text())


def tokens_of(tokens: Tokens) -> list[str]:
    """The tokens, their parts, and what they are known by."""
    return [
        secret
        for token in (tokens.access_token, tokens.refresh_token)
        for secret in (
            *token.split("."),
            jwt.decode(token, options={"verify_signature": False})["jti"],
        )
    ]


def send_no_http(gunicorn: Gunicorn, token: str) -> None:
    bearer = f"Authorization: Bearer {token}"
    for sent in (
        b"GET /auth/me?password=hunter2 SPDY/1\r\n\r\n",
        request("GET /auth/me", bearer, f" {EMAIL}"),
        request("POST /auth/login", bearer, "Transfer-Encoding: chunked", body=b"hunter2\r\n"),
        request("POST /auth/login", bearer, "Content-Length: 90", body=b'{"password": "hunter2'),
        request("GET /auth/me", bearer)[:-4],
    ):
        with connected(gunicorn.port) as wire:
            wire.send(sent)
            wire.no_more()
            while wire.socket.recv(4096):
                pass


def test_every_line_is_json_and_says_when_and_how_grave(tour: Tour) -> None:
    assert {type(line) for line in tour.lines} == {dict}
    assert {tuple(line)[:3] for line in tour.lines} == {("time", "level", "event")}
    assert {line["level"] for line in tour.lines} == {"info", "warning", "error"}
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    assert [line["time"] for line in tour.lines if not form.fullmatch(line["time"])] == []


def test_every_request_has_one_line_with_its_members(tour: Tour) -> None:
    ids = [line["request_id"] for line in tour.events("request")]
    lines = tour.request_lines()

    assert len(set(ids)) == len(ids)
    assert [list(line) for line in lines] == [MEMBERS] * len(ROUTES)
    assert [(it["method"], it["route"], it["status"], it["problem"]) for it in lines] == ROUTES
    assert {it["ip"] for it in lines} == {"127.0.0.1"}
    assert all(type(it["duration_ms"]) is float and 0 <= it["duration_ms"] < 5000 for it in lines)


def test_request_line_names_the_user_and_the_session_and_nobody_else(tour: Tour) -> None:
    claims = jwt.decode(tour.tokens.access_token, options={"verify_signature": False})
    known = {
        (it["route"], it["status"]): (it["user"], it["session"]) for it in tour.request_lines()
    }
    ann = (claims["sub"], claims["sid"])

    assert [str(UUID(it)) for it in ann] == list(ann)
    assert known["/auth/login", 200] == ann
    assert known["/auth/refresh", 200] == ann
    assert known["/auth/photo", 422] == ann
    assert known["/auth/login", 400] == (None, None)
    assert known["/auth/me", 400] == (None, None)


def test_crash_tells_its_type_and_place_and_not_what_it_said(tour: Tour) -> None:
    (crash,) = tour.events("crash")

    assert list(crash) == ["time", "level", "event", "request_id", "error", "trace"]
    assert (crash["level"], crash["error"]) == ("error", "builtins.ValueError")
    assert crash["request_id"] in {it.headers["X-Request-ID"] for it in tour.answers}
    assert [it for it in crash["trace"] if not re.fullmatch(r"\S+\.py:\d+ \S+", it)] == []
    assert any(re.search(r"/accounts/sessions\.py:\d+ look_up", it) for it in crash["trace"])


def test_database_fault_tells_its_kind(tour: Tour) -> None:
    (fault,) = tour.events("database_unavailable")

    assert list(fault) == [
        "time", "level", "event", "request_id", "error", "trace", "sqlstate",
    ]  # fmt: skip
    assert fault["error"] == "sqlalchemy.exc.OperationalError"


def test_what_is_no_http_has_one_line_too(tour: Tour) -> None:
    refused = tour.events("request_refused")

    assert [list(it) for it in refused] == [
        ["time", "level", "event", "request_id", "ip", "error"]
    ] * 2
    assert [it["error"] for it in refused] == [
        "gunicorn.http.errors.InvalidHTTPVersion",
        "gunicorn.http.errors.ObsoleteFolding",
    ]


def test_lines_of_the_server_have_the_same_form(tour: Tour) -> None:
    events = [line["event"] for line in tour.lines if list(line) == ["time", "level", "event"]]

    assert any(event.startswith("Listening at: http://127.0.0.1:") for event in events)
    assert any(event.startswith("Booting worker with pid: ") for event in events)
    assert events[-1] == "Shutting down: Master"


def test_log_holds_no_secret(tour: Tour) -> None:
    assert len(tour.answers) == len(ROUTES)
    assert [secret for secret in tour.secrets if secret in tour.log] == []
