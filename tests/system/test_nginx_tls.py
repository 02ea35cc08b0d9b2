"""TLS as nginx speaks it, and HTTP/2."""

import subprocess
from pathlib import Path

import pytest

from tests.system.http2 import first_answer
from tests.system.webserver import Site

pytestmark = pytest.mark.system


@pytest.mark.parametrize("protocol", ["-tls1_2", "-tls1_3"])
def test_tls_of_today_is_spoken(site: Site, openssl: str, protocol: str) -> None:
    session = _shake_hands(site, openssl, protocol)

    assert session.returncode == 0
    assert "Verify return code: 0 (ok)" in session.stdout


@pytest.mark.parametrize("protocol", ["-tls1", "-tls1_1"])
def test_tls_of_yesterday_is_refused(site: Site, openssl: str, protocol: str) -> None:
    session = _shake_hands(site, openssl, protocol, "-cipher", "DEFAULT@SECLEVEL=0")

    assert session.returncode != 0
    assert "alert protocol version" in session.stderr


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ],
)
def test_a_suite_with_forward_secrecy_and_authenticated_encryption_is_taken(
    site: Site, openssl: str, suite: str
) -> None:
    session = _shake_hands(site, openssl, "-tls1_2", "-cipher", suite)

    assert session.returncode == 0
    assert f"Cipher    : {suite}" in session.stdout


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"])
def test_a_suite_without_authenticated_encryption_is_refused(
    site: Site, openssl: str, suite: str
) -> None:
    session = _shake_hands(site, openssl, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")

    assert session.returncode != 0
    assert "alert handshake failure" in session.stderr


def _shake_hands(site: Site, openssl: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (the distribution's openssl)
        [
            *(openssl, "s_client", "-connect", f"127.0.0.1:{site.nginx.https_port}"),
            *("-servername", "localhost", "-verify_return_error"),
            *("-CAfile", str(site.certificate.authority), *options),
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def _over_http_2(site: Site, curl: str, path: str, *options: str) -> tuple[str, str]:
    """The head and the body of an answer."""
    told = subprocess.run(  # noqa: S603 (the distribution's curl)
        [
            *(curl, "--silent", "--http2", "--include", "--cacert", site.certificate.authority),
            *(*options, f"{site.nginx.url}{path}"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    head, _, body = told.stdout.partition("\n\n")
    return head, body


def test_http_2_is_spoken(site: Site, curl: str) -> None:
    head, body = _over_http_2(site, curl, "/auth/me")

    assert head.startswith("HTTP/2 400")
    assert "strict-transport-security: max-age=31536000; includeSubDomains" in head
    assert body == '{"detail":"Отсутствует заголовок с токеном."}\n'


def test_a_body_above_the_limit_is_413_over_http_2(site: Site, curl: str, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"a" * 20_000_000)
    photo = ("--request", "PATCH", "--data-binary", f"@{tmp_path}/photo")

    head, body = _over_http_2(site, curl, "/auth/photo", *photo)

    assert head.startswith("HTTP/2 413")
    assert "content-type: application/json" in head
    assert body == '{"detail":"Фотография слишком большая."}\n'


def test_hop_by_hop_headers_of_http_2_do_not_reach_the_application(site: Site) -> None:
    hops = [(b"connection", b"close, authorization"), (b"upgrade", b"websocket")]

    told = first_answer(site, [(b":path", b"/auth/me"), *hops, (b"te", b"trailers")])

    assert told == (400, '{"detail":"Отсутствует заголовок с токеном."}\n')


@pytest.mark.parametrize(
    "header",
    [(b"x-name", b"a\r\nauthorization: Bearer x"), (b"x-name", b"a\nb"), (b"x-name", b"a\0b")],
    ids=["cr-lf", "lf", "nul"],
)
def test_a_line_break_in_a_header_of_http_2_does_not_reach_the_application(
    site: Site, header: tuple[bytes, bytes]
) -> None:
    before = len(site.service.lines("request"))

    told = first_answer(site, [(b":path", b"/auth/me"), header])

    assert told is None
    assert len(site.service.lines("request")) == before
