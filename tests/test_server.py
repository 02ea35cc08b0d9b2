"""The server: what is said on a connection, and when it is closed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers import Gunicorn, sqlite_in
from tests.wire import Wire, connected, request

INVALID = {"detail": "Некорректный запрос."}
NO_TOKEN = {"detail": "Отсутствует заголовок с токеном."}
NOT_FOUND = {"detail": "Страница не найдена."}
TOO_LARGE = {"detail": "Тело запроса слишком большое."}
NO_OBJECT = {"detail": "Проверьте введённые данные.", "errors": {}}
LIMIT = 64 * 1024

JSON = "Content-Type: application/json"
FORM = "Content-Type: multipart/form-data; boundary=B"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def server(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    folder = tmp_path_factory.mktemp("server")
    with Gunicorn(sqlite_in(folder, migrated_sqlite), folder) as gunicorn:
        yield gunicorn


@pytest.fixture
def wire(server: Gunicorn) -> Iterator[Wire]:
    with connected(server.port) as wire:
        yield wire


NO_HTTP = {
    "no request line": b"HELLO\r\n\r\n",
    "a bare line feed": b"GET /auth/me HTTP/1.1\nHost: x\n\n",
    "another protocol": b"GET /auth/me SPDY/1\r\n\r\n",
    "a later version": b"GET /auth/me HTTP/2.0\r\n\r\n",
    "a method in small letters": request("get /auth/me"),
    "a method that is no token": request("G@T /auth/me"),
    "no path": b"GET  HTTP/1.1\r\n\r\n",
    "a path that is not ASCII": request("GET /\xff"),
    "too long an address": request("GET /" + "a" * 10_000),
    "an endless address": request("GET /" + "a" * 2_000_000),
    "a header without a colon": request("GET /auth/me", "Authorization"),
    "a space before the colon": request("GET /auth/me", "Authorization : Bearer x"),
    "a folded header": request("GET /auth/me", "Authorization: Bearer\r\n x"),
    "a control character": request("GET /auth/me", "X: a\x00b"),
    "too long a header": request("GET /auth/me", "X: " + "a" * 10_000),
    "too many headers": request("GET /auth/me", *[f"X-{number}: 1" for number in range(200)]),
    "two hosts": request("GET /auth/me", "Host: other.example"),
    "an expectation": request("GET /auth/me", "Expect: miracles"),
    "two lengths": request(
        "POST /auth/login", JSON, "Content-Length: 2", "Content-Length: 3", body=b"{} "
    ),
    "a negative length": request("POST /auth/login", JSON, "Content-Length: -1"),
    "a length that is no number": request("POST /auth/login", JSON, "Content-Length: 2x"),
    "a length of 5,000 digits": request("POST /auth/login", "Content-Length: " + "9" * 5000),
    "a length and chunks": request(
        "POST /auth/login", JSON, "Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"
    ),
    "chunks twice": request("POST /auth/login", JSON, CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "chunks that are not the last coding": request(
        "POST /auth/login", JSON, "Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"
    ),
    "an unknown coding": request("POST /auth/login", JSON, "Transfer-Encoding: rot13"),
    "chunks in HTTP/1.0": b"POST /auth/login HTTP/1.0\r\n" + CHUNKED.encode() + b"\r\n\r\n",
    "a size of a chunk that is no number": request(
        "POST /auth/login", JSON, CHUNKED, body=b"two\r\n{}\r\n0\r\n\r\n"
    ),
    "a negative size of a chunk": request(
        "POST /auth/login", JSON, CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n"
    ),
    "an endless size of a chunk": request("POST /auth/login", JSON, CHUNKED, body=b"0" * 20_000),
    "a chunk longer than its size": request(
        "POST /auth/login", JSON, CHUNKED, body=b"2\r\n{  }\r\n0\r\n\r\n"
    ),
    "a token behind the chunks": request(
        "POST /auth/login", JSON, CHUNKED, body=b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
    ),
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_told_so_and_the_connection_closed(wire: Wire, sent: bytes) -> None:
    wire.send(sent)

    answer = wire.answer()

    assert (answer.status, answer.body) == (400, INVALID)
    assert answer.content_type == "application/json"
    assert answer.connection == "close"
    assert wire.is_closed()


BROKEN_OFF = {
    "JSON": request("POST /auth/register", JSON, "Content-Length: 20", body=b"{}"),
    "a form": request(
        "POST /auth/login",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 80",
        body=b"email=ann@example.com&password=Passw0rd!x",
    ),
    "within a chunk": request("POST /auth/register", JSON, CHUNKED, body=b"20\r\n{}"),
    "between chunks": request("POST /auth/register", JSON, CHUNKED, body=b"2\r\n{}\r\n"),
    "before the last line": request("POST /auth/register", JSON, CHUNKED, body=b"2\r\n{}\r\n0\r\n"),
}


@pytest.mark.parametrize("sent", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_body_that_breaks_off_is_never_taken_for_a_whole_one(wire: Wire, sent: bytes) -> None:
    wire.send(sent)
    wire.no_more()

    answer = wire.answer()

    assert (answer.status, answer.body) == (400, INVALID)
    assert wire.is_closed()


MEGABYTES = b"x" * 12_000_000
UNREAD = {
    "without a token": (request("PATCH /auth/photo", FORM, "Content-Length: 12000000"), NO_TOKEN),
    "of a call without a body": (request("GET /auth/me", "Content-Length: 12000000"), NO_TOKEN),
    "of no call": (request("POST /nothing", "Content-Length: 12000000"), NOT_FOUND),
    "too large": (request("POST /auth/login", JSON, "Content-Length: 12000000"), TOO_LARGE),
}


@pytest.mark.parametrize(("head", "expected"), UNREAD.values(), ids=UNREAD)
def test_answer_arrives_although_the_client_still_sends_what_nobody_reads(
    wire: Wire, head: bytes, expected: dict[str, str]
) -> None:
    wire.send(head + MEGABYTES)

    answer = wire.answer()

    assert answer.body == expected
    assert answer.connection == "close"
    assert wire.is_closed()


@pytest.mark.parametrize(
    ("size", "connection"),
    [(0, "keep-alive"), (1, "keep-alive"), (LIMIT - 1, "keep-alive"), (LIMIT, "close")],
)
def test_connection_ends_where_more_is_left_unread_than_the_server_reads_on(
    wire: Wire, size: int, connection: str
) -> None:
    wire.send(request("POST /nothing", f"Content-Length: {size}", body=b"x" * size))

    answer = wire.answer()

    assert (answer.status, answer.body, answer.connection) == (404, NOT_FOUND, connection)
    if connection == "keep-alive":
        wire.send(request("GET /auth/me"))
        assert wire.answer().body == NO_TOKEN
    else:
        assert wire.is_closed()


READ = {
    "64 KiB": (
        request("POST /auth/register", JSON, f"Content-Length: {LIMIT}", body=b"[]".ljust(LIMIT)),
        (422, NO_OBJECT),
    ),
    "chunks": (
        request("POST /auth/register", JSON, CHUNKED, body=b"1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"),
        (422, NO_OBJECT),
    ),
    "64 KiB in a chunk": (
        request(
            "POST /auth/register",
            JSON,
            CHUNKED,
            body=b"10000\r\n" + b"[]".ljust(LIMIT) + b"\r\n0\r\n\r\n",
        ),
        (422, NO_OBJECT),
    ),
    "a form of 64 KiB": (
        request(
            "POST /auth/login",
            FORM,
            f"Content-Length: {LIMIT}",
            body=b"--B--\r\n".ljust(LIMIT),
        ),
        (
            422,
            {
                "detail": "Проверьте введённые данные.",
                "errors": {"email": ["Обязательное поле."], "password": ["Обязательное поле."]},
            },
        ),
    ),
}


@pytest.mark.parametrize(("sent", "expected"), READ.values(), ids=READ)
def test_connection_goes_on_after_a_body_that_was_read(
    wire: Wire, sent: bytes, expected: tuple[int, object]
) -> None:
    wire.send(sent)

    first = wire.answer()
    wire.send(request("GET /auth/me"))
    second = wire.answer()

    assert (first.status, first.body) == expected
    assert first.connection == "keep-alive"
    assert (second.status, second.body) == (400, NO_TOKEN)


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login"])
def test_byte_more_than_64_kib_is_too_large_in_chunks_too(wire: Wire, path: str) -> None:
    body = b"10001\r\n" + b"[]".ljust(LIMIT + 1) + b"\r\n0\r\n\r\n"
    wire.send(request(f"POST {path}", JSON, CHUNKED, body=body))

    answer = wire.answer()

    assert (answer.status, answer.body) == (413, TOO_LARGE)


def test_requests_that_are_sent_together_are_answered_in_turn(wire: Wire) -> None:
    wire.send(request("GET /auth/me") + request("GET /nothing", "Connection: close"))
    received = b"".join(iter(lambda: wire.socket.recv(65536), b""))

    first, second = NO_TOKEN["detail"].encode(), NOT_FOUND["detail"].encode()
    assert received.count(b"HTTP/1.1 ") == 2
    assert 0 < received.index(first) < received.index(second)


def test_client_that_asks_first_is_told_to_go_on(wire: Wire) -> None:
    wire.send(request("POST /auth/login", JSON, "Content-Length: 2", "Expect: 100-continue"))

    told = wire.socket.recv(1000)
    wire.send(b"[]")

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert wire.answer().body == NO_OBJECT


def test_clients_that_keep_a_refused_connection_open_hold_up_nobody(server: Gunicorn) -> None:
    with ExitStack() as held:
        for _ in range(6):
            garbage = held.enter_context(connected(server.port))
            garbage.send(b"HELLO\r\n\r\n")
            assert garbage.answer().status == 400
        begun = time.monotonic()
        for _ in range(4):
            other = held.enter_context(connected(server.port))
            other.send(request("GET /auth/me"))
            assert other.answer().body == NO_TOKEN

        assert time.monotonic() - begun < 1
