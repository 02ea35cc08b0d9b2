"""One request over HTTP/2, of fields that no library would send. Source: RFC 9113, 7541."""

import socket
import struct
from typing import Final

from tests.system.webserver import Site

DATA, HEADERS, RST_STREAM, SETTINGS = 0x0, 0x1, 0x3, 0x4
END_STREAM, END_HEADERS = 0x1, 0x4
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# A status that is one byte of a block of headers: the static table, RFC 7541, appendix A.
STATUS: Final = {0x88: 200, 0x8C: 400, 0x8D: 404, 0x8E: 500}


def first_answer(site: Site, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
    """The status and the body of a GET with these headers; None where it was broken off."""
    context = site.certificate.trusted()
    context.set_alpn_protocols(["h2"])
    block = b"".join(
        _literal(name, value)
        for name, value in [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":authority", b"localhost"),
            *headers,
        ]
    )
    with (
        socket.create_connection(("127.0.0.1", site.nginx.https_port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wire,
    ):
        assert wire.selected_alpn_protocol() == "h2"
        wire.sendall(PREFACE + _frame(SETTINGS, 0, 0, b""))
        wire.sendall(_frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
        status, body = 0, b""
        with wire.makefile("rb") as frames:
            while head := frames.read(9):
                length = int.from_bytes(head[:3], "big")
                kind, flags, stream = struct.unpack(">BBL", head[3:])
                payload = frames.read(length)
                if stream == 1 and kind == RST_STREAM:
                    return None
                if stream == 1 and kind == HEADERS:
                    status = STATUS[next(byte for byte in payload if byte & 0x80)]
                if stream == 1 and kind == DATA:
                    body += payload
                if stream == 1 and flags & END_STREAM:
                    break
    return status, body.decode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBL", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A field as it is, neither indexed nor compressed; both parts are short."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
