"""The gunicorn worker: threads, and errors below the application told from the same catalogue."""

import json
import os
import secrets
import select
import socket
import struct
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from email.utils import formatdate
from time import monotonic
from typing import Any, Final, NoReturn

import psycopg2.extensions  # type: ignore[import-untyped] # it has none
from gunicorn import util
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import DEFAULT_WORKER_DATA_TIMEOUT, ThreadWorker

from config import BODY_LIMIT_BYTES, DATABASE_TIMEOUT_SECONDS
from workhub import logs, problems
from workhub.headers import HEADERS
from workhub.problems import Problem, ProblemType

# Longer than the server's own limit for a statement, which costs no connection.
DATABASE_SILENCE_SECONDS: Final = DATABASE_TIMEOUT_SECONDS + 0.5
# gunicorn waits this long for the first byte of a request, and by itself for ever for the others.
CLIENT_SILENCE: Final = struct.pack("ll", int(DEFAULT_WORKER_DATA_TIMEOUT), 0)
# After the last answer a client that still sends is let do so, while it does, to read it then.
LINGER_SECONDS: Final = 2.0
LINGER_SILENCE_SECONDS: Final = 0.3


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """gthread, with differences that clients see."""

    wsgi: Any
    nr_conns: int

    def load_wsgi(self) -> None:
        """Take the application, and say so when a connection can't be used again."""
        super().load_wsgi()
        psycopg2.extensions.set_wait_callback(DatabaseWait())
        app: Any = self.wsgi
        app.register_error_handler(
            ParseException, lambda _: problems.answer(Problem(ProblemType.REQUEST_INVALID))
        )

        def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if "CONTENT_LENGTH" in environ:  # else a body that breaks off looks like a whole one
                del environ["wsgi.input_terminated"]

            def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                if _is_left_unread(environ["wsgi.input"]):
                    start_response.__self__.force_close()  # type: ignore[attr-defined]
                return start_response(status, headers, exc_info)

            answered: Iterable[bytes] = app(environ, start)
            return answered

        self.wsgi = wsgi

    def handle(self, conn: Any) -> Any:
        """Serve a connection; close it here, where waiting for the client holds up nobody else."""
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, CLIENT_SILENCE)
        going_on = super().handle(conn)
        if going_on is False:
            _close(conn.sock)
        return going_on

    def finish_request(self, conn: Any, served: Future[Any]) -> None:
        """Count a connection that `handle` has closed; gunicorn would close it in its main loop."""
        if served.exception() is None and served.result() is False:
            self.nr_conns -= 1
        else:
            super().finish_request(conn, served)

    def handle_quit(self, sig: int, frame: Any) -> NoReturn:
        """End at once, as Ctrl-C asks for. A mere exit waits for all threads."""
        os._exit(0)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer a request that never reached the application, in JSON."""
        request_id = secrets.token_hex(8)
        if isinstance(exc, ParseException):
            problem = ProblemType.REQUEST_INVALID
            logs.refused(exc, request_id, addr[0] if addr else None)
        else:
            problem = ProblemType.INTERNAL_ERROR
            logs.crash(exc, request_id)
        body = json.dumps({"detail": problem.text["ru"]}, ensure_ascii=False).encode()
        headers = {
            **HEADERS,
            "Date": formatdate(usegmt=True),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            "X-Request-ID": request_id,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        try:
            util.write_nonblock(client, f"HTTP/1.1 {problem.status} \r\n{head}\r\n".encode() + body)
        except OSError:
            self.log.debug("The client was gone before it could be told.")


def _close(sock: socket.socket) -> None:
    """Close in a way that the answer survives (RFC 9112, 9.6): what comes then would reset it."""
    deadline = monotonic() + LINGER_SECONDS
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(LINGER_SILENCE_SECONDS)
        while monotonic() < deadline and sock.recv(BODY_LIMIT_BYTES):
            pass
    sock.close()


def _is_left_unread(body: Body) -> bool:
    """Whether more of a body is left than gunicorn reads on before the next request."""
    if body.failed:
        return True
    if isinstance(body.reader, LengthReader):
        left: int = body.reader.length + body.buf.tell()
        return left >= BODY_LIMIT_BYTES
    return body.reader.parser is not None  # in chunks: nobody knows how many


class DatabaseWait:
    """Waits for PostgreSQL, but not for ever as libpq does for a machine that keeps silent.

    Who asks for a connection in the second after is refused at once: calls that have waited for a
    thread do not wait again.

    Raises:
        psycopg2.OperationalError: it keeps silent; psycopg2 closes the connection.
    """

    def __init__(self) -> None:
        self._silent_until = 0.0

    def __call__(self, connection: Any) -> None:
        time = monotonic()
        if connection.status == psycopg2.extensions.STATUS_SETUP and time < self._silent_until:
            raise psycopg2.OperationalError("The database has kept silent.")
        deadline = time + DATABASE_SILENCE_SECONDS
        while (wanted := connection.poll()) != psycopg2.extensions.POLL_OK:
            poll = select.poll()
            reading = wanted == psycopg2.extensions.POLL_READ
            poll.register(connection.fileno(), select.POLLIN if reading else select.POLLOUT)
            if not poll.poll(max(0, deadline - monotonic()) * 1000):
                self._silent_until = monotonic() + 1
                raise psycopg2.OperationalError("The database keeps silent.")
