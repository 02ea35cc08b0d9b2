"""What is written about requests and faults: one JSON line each on standard output.

No line holds a token, a password, a hash or an e-mail address. What an exception says may hold any
of them, so of a crash only types and places are told, and words that the database's driver or the
operating system chose.
"""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter
from traceback import walk_tb
from typing import Any, Final

import structlog
from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError

FRAMES: Final = 20  # of a crash, from the innermost: an endless recursion has a thousand

log = structlog.get_logger()


class _Output:
    """Standard output, where there is one. A log that can't be written must not fail a request."""

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError, AttributeError):  # a full disk; closed; none
            sys.stdout.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()


def _stamp(
    _logger: object, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """The members that every line has come first."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"time": time, "level": method, "event": event.pop("event"), **event}


def _without_exception(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Other libraries' exceptions, reduced like our own."""
    exc_info = event.pop("exc_info", None)
    if isinstance(exc_info, tuple) and exc_info[1] is not None:
        event.update(_told(exc_info[1]))
    return event


def _renderer() -> Any:
    if os.isatty(1):
        return structlog.dev.ConsoleRenderer(timestamp_key="time", sort_keys=False)
    return structlog.processors.JSONRenderer()  # in ASCII: nothing in it can end the line


def configure(level: str) -> None:
    """Write this module's lines to standard output: JSON, or readable colours on a terminal.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
    """
    structlog.configure(
        processors=[_stamp, _renderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(_Output()),  # type: ignore[arg-type] # as much as it uses
        cache_logger_on_first_use=True,
    )


def standard_library(level: str) -> dict[str, Any]:
    """The standard library's logging in the same form, for `logging.config.dictConfig`."""
    if level == "DEBUG":  # there the server tells what clients have sent: tokens, passwords
        level = "INFO"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [_stamp, _without_exception],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _renderer(),
                ],
            }
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": _Output(),
                "formatter": "line",
            }
        },
        "root": {"level": level, "handlers": ["stdout"]},
        "loggers": {"gunicorn.error": {"level": level, "handlers": [], "propagate": True}},
    }


def init_app(app: Flask) -> None:
    """Write a line for each request that `app` answers."""

    @app.before_request
    def start() -> None:
        g.started = perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        user_id, session_id = g.get("user_id"), g.get("session_id")
        log.info(
            "request",
            request_id=g.request_id,
            method=request.method[:16],
            route=request.url_rule.rule if request.url_rule else None,
            status=response.status_code,
            problem=g.get("problem"),
            duration_ms=round((perf_counter() - g.started) * 1000, 1),
            user=user_id and str(user_id),
            session=session_id and str(session_id),
            ip=request.remote_addr,
        )
        return response


def crash(error: BaseException, request_id: str) -> None:
    """Tell of an exception that nothing expected."""
    log.error("crash", request_id=request_id, **_told(error))


def database_gone(error: BaseException, request_id: str) -> None:
    """Tell of a database that did not answer."""
    log.error("database_unavailable", request_id=request_id, **_told(error))


def refused(error: BaseException, request_id: str, ip: str | None) -> None:
    """Tell of a request that the application never saw, since it is no HTTP."""
    log.warning("request_refused", request_id=request_id, ip=ip, error=_type(error))


def photo_left_behind(name: str, error: OSError) -> None:
    """Tell of a file that could not be removed, although no row names it."""
    log.error("photo_left_behind", file=name, **_told(error))


def hashing_alone(error: OSError) -> None:
    """Tell of a worker that can't take turns at hashing with the others."""
    log.warning("hashing_alone", **_told(error))


def _told(error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {
        "error": _type(error),
        "trace": [
            f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}"
            for frame, line in list(walk_tb(error.__traceback__))[-FRAMES:]
        ],
    }
    if isinstance(error, DBAPIError):
        told["sqlstate"] = getattr(error.orig, "pgcode", None)
    if isinstance(error, OSError):
        told["reason"] = error.strerror
    return told


def _type(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"
