"""The real nginx with deploy/nginx.conf, before the real gunicorn."""

import json
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx

from tests.clients import PASSWORD
from tests.images import jpeg
from tests.servers import ROOT, START_SECONDS, Gunicorn, free_port
from workhub.headers import HEADERS

CONFIGURATION = ROOT / "deploy" / "nginx.conf"


class Certificate(NamedTuple):
    """What nginx shows, in `folder`, and the authority that a client trusts."""

    folder: Path
    authority: Path

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))


class Answer(NamedTuple):
    """What came over the wire, with each header as often as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: str


class BehindSocket(Gunicorn):
    """gunicorn on a socket for nginx, and on a port to be compared with."""

    def __init__(self, settings: Mapping[str, str], folder: Path) -> None:
        super().__init__({"TRUSTED_PROXIES": "1", **settings}, folder)
        self.socket = folder / "gunicorn.sock"
        self._arguments = ("--bind", f"127.0.0.1:{self.port}", "--bind", f"unix:{self.socket}")

    def __enter__(self) -> "BehindSocket":
        self.start()
        return self

    def lines(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]


class Nginx:
    """nginx with the configuration as it is deployed, but for places, ports and the host's name."""

    def __init__(
        self,
        program: str,
        folder: Path,
        certificate: Path,
        upstream: Path,
        changes: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.http_port, self.https_port = free_port(), free_port()
        self.url = f"https://localhost:{self.https_port}"
        self._program = program
        for name in ("log", "temporary", "acme", "uploads"):
            (folder / name).mkdir(exist_ok=True)
        text = CONFIGURATION.read_text(encoding="utf-8")
        for old, new in {
            "user www-data workhub;": "user root;" if os.geteuid() == 0 else "",
            "/run/nginx.pid": f"{folder}/nginx.pid",
            "/var/log/nginx/": f"{folder}/log/",
            "/var/lib/nginx/": f"{folder}/temporary/",
            "/etc/nginx/tls/": f"{certificate}/",
            "/run/workhub/gunicorn.sock": str(upstream),
            "/var/lib/workhub/uploads/": f"{folder}/uploads/",
            "/var/www/acme": f"{folder}/acme",
            "api.example.com": "localhost",
            "listen 80 ": f"listen 127.0.0.1:{self.http_port} ",
            "listen 443 ": f"listen 127.0.0.1:{self.https_port} ",
            **(changes or {}),
        }.items():
            assert old in text, f"deploy/nginx.conf does not hold {old!r} any more"
            text = text.replace(old, new)
        self.configuration = folder / "nginx.conf"
        self.configuration.write_text(re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.M))

    def test(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 (the distribution's nginx)
            [self._program, "-t", "-e", "stderr", "-c", str(self.configuration)],
            capture_output=True,
            text=True,
        )

    def __enter__(self) -> "Nginx":
        self._process = subprocess.Popen(  # noqa: S603 (the distribution's nginx)
            [
                *(self._program, "-e", "stderr", "-c", str(self.configuration)),
                *("-g", "daemon off;"),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.https_port)).close()
            except OSError:
                if self._process.poll() is not None:
                    raise AssertionError(self._process.communicate()[1]) from None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=START_SECONDS)

    def line_of(self, request_id: str) -> dict[str, Any]:
        """The line of a request in the log, which nginx writes after it has answered."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for text in (self.folder / "log" / "access.log").read_text().splitlines():
                line: dict[str, Any] = json.loads(text)
                if line["request_id"] == request_id:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no line has the id {request_id}")


class Site:
    """A running service as clients meet it: nginx, over TLS."""

    def __init__(self, nginx: Nginx, service: BehindSocket, certificate: Certificate) -> None:
        self.nginx = nginx
        self.service = service
        self.certificate = certificate

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(
            base_url=self.nginx.url,
            transport=httpx.HTTPTransport(verify=self.certificate.trusted(), **options),
        )

    def exchange(self, sent: bytes, *, tls: bool = True) -> list[Answer]:
        """Send bytes as they are; all answers until the server hangs up."""
        port = self.nginx.https_port
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            wire = (
                self.certificate.trusted().wrap_socket(plain, server_hostname="localhost")
                if tls
                else plain
            )
            wire.sendall(sent)
            received = b""
            while chunk := wire.recv(65536):
                received += chunk
            if wire is not plain:
                wire.close()
        return _answers(received)


def assert_refused(told: Answer, status: int, body: str, **more: str) -> None:
    """nginx's own answer as a whole, each header once."""
    assert (told.status, told.body) == (status, body)
    headers = [header for header in told.headers if header[0] not in ("Date", "Connection")]
    identifier = headers.pop([name for name, _ in headers].index("X-Request-ID"))
    assert re.fullmatch("[0-9a-f]{32}", identifier[1])
    assert sorted(headers) == sorted(
        [
            ("Server", "nginx"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body.encode()))),
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
            *HEADERS.items(),
            *((name.replace("_", "-"), value) for name, value in more.items()),
        ]
    )


def use(client: httpx.Client) -> str:
    """Register, log in, set a photo; the address of the photo."""
    email = f"{uuid4()}@example.com"
    ann = {"email": email, "name": "Ann", "password": PASSWORD}
    assert client.post("/auth/register", json=ann).status_code == 201
    tokens = client.post("/auth/login", json={"email": email, "password": PASSWORD}).json()
    access = {"Authorization": f"Bearer {tokens['access_token']}"}
    set_photo = client.patch("/auth/photo", files={"photo": jpeg()}, headers=access)
    assert set_photo.status_code == 200
    photo: str = client.get("/auth/me", headers=access).json()["photo"]
    return photo


def over(socket: Path) -> httpx.Client:
    """A client of gunicorn itself, over the socket that nginx uses."""
    transport = httpx.HTTPTransport(uds=str(socket), retries=3)
    return httpx.Client(base_url="http://localhost", transport=transport)


def _answers(received: bytes) -> list[Answer]:
    answers = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (s.partition(":") for s in lines)]
        length = int(dict(headers)["Content-Length"])
        answers.append(Answer(int(first.split()[1]), headers, rest[:length].decode()))
        received = rest[length:]
    return answers


def answer(response: httpx.Response) -> Answer:
    # The names as they were sent; httpx itself would answer them in lower case.
    headers = [(name.decode(), value.decode()) for name, value in response.headers.raw]
    return Answer(response.status_code, headers, response.text)
