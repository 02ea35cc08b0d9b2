"""nginx before an application that is gone, silent or broken, and what it tells one that works."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.system.webserver import Certificate, Nginx, answer, assert_refused

pytestmark = pytest.mark.system

UNAVAILABLE: Final = '{"detail":"Сервис временно недоступен. Повторите позже."}\n'


class Upstream:
    """In the place of gunicorn: hangs up, keeps silent or breaks off, by the path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections = 0
        self.received = ""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # nginx hangs up, too
            while request := connection.recv(65536):
                self.received = request.decode()
                path = request.split()[1].partition(b"?")[0]
                if path == b"/silent":
                    continue
                if path == b"/closing":
                    return
                connection.sendall(
                    {
                        b"/half": b"HTTP/1.1 200 OK\r\nCache-Control: public\r\nX\0: a\r\n\r\n",
                        b"/large": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 99999 + b"\r\n\r\n",
                    }.get(path, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                )

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def broken(
    nginx_program: str, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Nginx, Upstream]]:
    """nginx before something that is not WorkHub; it waits for an answer for one second."""
    folder = tmp_path_factory.mktemp("broken")
    impatient = {"proxy_read_timeout 30s": "proxy_read_timeout 1s"}
    with (
        closing(Upstream(folder / "upstream.sock")) as upstream,
        Nginx(nginx_program, folder, certificate.folder, upstream.path, impatient) as nginx,
    ):
        yield nginx, upstream


@pytest.mark.parametrize("path", ["/silent", "/closing", "/half", "/large"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_application_that_fails_is_503(
    broken: tuple[Nginx, Upstream], certificate: Certificate, method: str, path: str
) -> None:
    with httpx.Client(base_url=broken[0].url, verify=certificate.trusted()) as client:
        told = answer(client.request(method, path))

    assert_refused(told, 503, UNAVAILABLE, Retry_After="5")


def test_an_application_that_is_not_there_is_503(
    nginx_program: str, certificate: Certificate, tmp_path: Path
) -> None:
    with (
        Nginx(nginx_program, tmp_path, certificate.folder, tmp_path / "nobody.sock") as nginx,
        httpx.Client(base_url=nginx.url, verify=certificate.trusted()) as client,
    ):
        told = answer(client.get("/auth/me?token=secret"))

        assert_refused(told, 503, UNAVAILABLE, Retry_After="5")
        assert nginx.line_of(dict(told.headers)["X-Request-ID"])["upstream_status"] == "502"
        assert "secret" not in (tmp_path / "log" / "error.log").read_text()


def test_connections_to_the_application_are_kept(
    broken: tuple[Nginx, Upstream], certificate: Certificate
) -> None:
    nginx, upstream = broken
    with httpx.Client(base_url=nginx.url, verify=certificate.trusted()) as client:
        client.get("/first")
        before = upstream.connections

        answers = [client.get("/next").text for _ in range(5)]

    assert answers == ["ok"] * 5
    assert upstream.connections == before


def test_the_application_is_told_what_nginx_knows_and_no_client_can(
    broken: tuple[Nginx, Upstream], certificate: Certificate
) -> None:
    nginx, upstream = broken
    forged = {
        **dict.fromkeys(["X-Forwarded-For", "X-Real-IP", "Forwarded"], "203.0.113.9"),
        **dict.fromkeys(["X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Ssl"], "off"),
        **dict.fromkeys(["X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Port"], "/evil"),
        **dict.fromkeys(["Proxy", "X-Request-ID", "X_Forwarded_For", "Script_Name"], "evil"),
        **dict.fromkeys(["Connection", "TE", "Upgrade", "Keep-Alive"], "close"),
    }
    with httpx.Client(base_url=nginx.url, verify=certificate.trusted()) as client:
        client.get("/anything", headers={**forged, "Accept-Encoding": "gzip", "Accept": "*/*"})

    first, *lines = upstream.received.strip().split("\r\n")
    told = dict(line.split(": ", 1) for line in lines)
    identifier = told.pop("X-Request-ID")
    assert first == "GET /anything HTTP/1.1"
    assert told == {
        "Host": "localhost",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Real-IP": "127.0.0.1",
        "Accept": "*/*",
        "Accept-Encoding": "gzip",
        "User-Agent": f"python-httpx/{httpx.__version__}",
    }
    assert re.fullmatch("[0-9a-f]{32}", identifier)


def test_the_problem_of_an_unavailable_service_is_whole(
    broken: tuple[Nginx, Upstream], certificate: Certificate
) -> None:
    headers = {"Accept": "application/problem+json", "Accept-Language": "en"}
    with httpx.Client(base_url=broken[0].url, verify=certificate.trusted()) as client:
        told = client.get("/closing", headers=headers)

    assert told.headers["Content-Type"] == "application/problem+json"
    assert told.headers["Retry-After"] == "5"
    assert told.json() == {
        "type": "https://localhost/problems#unavailable",
        "title": "The service is unavailable for the moment. Try again later.",
        "status": 503,
        "detail": "The service is unavailable for the moment. Try again later.",
        "code": "unavailable",
        "request_id": told.headers["X-Request-ID"],
    }
