"""The gunicorn worker: threads, and errors below the application told from the same catalogue."""

import json
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from workhub import logs, problems
from workhub.headers import HEADERS
from workhub.problems import Problem, ProblemType


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """gthread, with two differences that clients see."""

    wsgi: Any

    def load_wsgi(self) -> None:
        """Take the application, and let it close a connection: gunicorn drops its header."""
        super().load_wsgi()
        app: Any = self.wsgi
        for broken_body in (ParseException, NoMoreData):
            app.register_error_handler(
                broken_body, lambda _: problems.answer(Problem(ProblemType.REQUEST_INVALID))
            )

        def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                if ("Connection", "close") in headers:
                    start_response.__self__.force_close()  # type: ignore[attr-defined]
                return start_response(status, headers, exc_info)

            answered: Iterable[bytes] = app(environ, start)
            return answered

        self.wsgi = wsgi

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer a request that never reached the application, in JSON."""
        invalid = isinstance(exc, ParseException)
        problem = ProblemType.REQUEST_INVALID if invalid else ProblemType.INTERNAL_ERROR
        request_id = secrets.token_hex(8)
        logs.refused(exc, request_id, problem.status, addr[0] if addr else None)
        body = json.dumps({"detail": problem.text["ru"]}, ensure_ascii=False).encode()
        headers = {
            **HEADERS,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            "X-Request-ID": request_id,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        try:
            write_nonblock(client, f"HTTP/1.1 {problem.status} \r\n{head}\r\n".encode() + body)
        except OSError:
            self.log.debug("The client was gone before it could be told.")
