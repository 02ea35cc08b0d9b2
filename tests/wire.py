"""A connection to the service as the bytes that it is made of."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any, NamedTuple

PATIENCE_SECONDS = 15


class Answer(NamedTuple):
    status: int
    body: Any
    connection: str
    content_type: str
    retry_after: str | None


class Wire:
    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def send(self, request: bytes) -> None:
        self.socket.sendall(request)

    def no_more(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self) -> Answer:
        response = HTTPResponse(self.socket)
        response.begin()
        body = response.read()
        headers = response.headers
        response.close()
        return Answer(
            response.status,
            json.loads(body),
            headers["Connection"],
            headers["Content-Type"],
            headers["Retry-After"],
        )

    def is_closed(self) -> bool:
        """Whether the service has closed it: waits until it does, or until patience ends."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


@contextmanager
def connected(port: int) -> Iterator[Wire]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as sock:
        yield Wire(sock)


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A request of HTTP/1.1 with these headers and no others but `Host`."""
    head = [f"{line} HTTP/1.1", "Host: workhub.example", *headers, "", ""]
    return "\r\n".join(head).encode("latin-1") + body
