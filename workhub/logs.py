"""What is written about requests and faults: one JSON line each on standard output.

No line holds a token, a password, a hash or an e-mail address. What an exception says may hold any
of them, so of a crash only types and places are told, and words that the database's driver or the
operating system chose.
"""

import sys
import traceback
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import structlog
from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError

log = structlog.get_logger()


class _Output:
    """Standard output, whole lines. A log that can't be written must not fail a request."""

    def msg(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):  # a full disk, a closed pipe
            pass

    debug = info = warning = error = critical = msg


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
    if sys.stdout.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)


def configure(level: str) -> None:
    """Write this module's lines to standard output: JSON, or readable colours on a terminal.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
    """
    structlog.configure(
        processors=[_stamp, _renderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Output(),
        cache_logger_on_first_use=True,
    )


def standard_library(level: str) -> dict[str, Any]:
    """The standard library's logging in the same form, for `logging.config.dictConfig`."""
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
                "stream": "ext://sys.stdout",
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
        log.info(
            "request",
            request_id=g.request_id,
            method=request.method[:16],
            route=request.url_rule.rule if request.url_rule else None,
            status=response.status_code,
            problem=g.get("problem"),
            duration_ms=round((perf_counter() - g.started) * 1000, 1),
            user=g.get("user_id"),
            session=g.get("session_id"),
            ip=request.remote_addr,
        )
        return response


def crash(error: Exception) -> None:
    """Tell of an exception that nothing in the application expected."""
    log.error("crash", request_id=g.request_id, **_told(error))


def database_gone(error: Exception) -> None:
    """Tell of a database that did not answer."""
    log.error("database_unavailable", request_id=g.request_id, **_told(error))


def refused(error: Exception, request_id: str, status: int, ip: str | None) -> None:
    """Tell of a request that was broken off before the application saw it."""
    log.warning("request_refused", request_id=request_id, status=status, ip=ip, **_told(error))


def photo_left_behind(name: str, error: OSError) -> None:
    """Tell of a file that could not be removed, although no row names it."""
    log.error("photo_left_behind", file=name, **_told(error))


def _told(error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "trace": [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ],
    }
    if isinstance(error, DBAPIError):
        told["sqlstate"] = getattr(error.orig, "pgcode", None)
    if isinstance(error, OSError):
        told["reason"] = error.strerror
    return told
