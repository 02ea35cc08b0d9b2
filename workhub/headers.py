"""The headers that every answer carries. Source: OWASP REST Security Cheat Sheet, ASVS 5.0 V3.4."""

import secrets
from typing import Final

from flask import Flask, Response, g

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; object-src 'none'; form-action 'none'; "
        "frame-ancestors 'none'; sandbox"
    ),
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def init_app(app: Flask) -> None:
    """Name each request, and complete each answer. A header that the view has set stays."""

    @app.before_request
    def name() -> None:
        g.request_id = secrets.token_hex(8)

    @app.after_request
    def complete(response: Response) -> Response:
        for header, value in HEADERS.items():
            response.headers.setdefault(header, value)
        response.headers["X-Request-ID"] = g.request_id
        return response
