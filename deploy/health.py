"""Whether the service answers: status 0 or 1, for the health check of the image.

It asks over WORKHUB_BIND, as nginx does, and for nothing that the database has to be asked for: a
service is not started anew because its database is away.
"""

import os
import socket
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 4


def connect(bind: str) -> socket.socket:
    if bind.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(bind.removeprefix("unix:"))
        return connection
    host, _, port = bind.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_SECONDS)


def is_healthy(bind: str) -> bool:
    http = HTTPConnection("localhost")
    try:
        http.sock = connect(bind)
        http.request("GET", "/auth/me")
        return http.getresponse().status == 400  # no token: the guard has answered
    except (OSError, HTTPException):
        return False


if __name__ == "__main__":
    sys.exit(not is_healthy(os.environ.get("WORKHUB_BIND") or "127.0.0.1:8000"))
