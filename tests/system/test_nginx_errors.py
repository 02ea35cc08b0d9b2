"""What nginx refuses by itself: the catalogue's JSON, with every header of security."""

from typing import Final

import pytest

from tests.system.webserver import Site, answer, assert_refused

pytestmark = pytest.mark.system

LIMIT: Final = 10 * 1024 * 1024 + 64 * 1024
HOST: Final = b"Host: localhost\r\n"
REQUEST_INVALID: Final = '{"detail":"Некорректный запрос."}\n'
NOT_FOUND: Final = '{"detail":"Страница не найдена."}\n'
METHOD_NOT_ALLOWED: Final = '{"detail":"Метод не поддерживается."}\n'
BODY_TOO_LARGE: Final = '{"detail":"Тело запроса слишком большое."}\n'
PHOTO_TOO_LARGE: Final = '{"detail":"Фотография слишком большая."}\n'


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/9.1\r\n" + HOST + b"\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /uploads/../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /uploads/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /%zz HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost/a\r\n\r\n",
        b"GET /auth/me HTTP/1.1\r\n" + HOST + b"X-Large: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET /auth/me HTTP/1.1\r\n" + HOST + b"X-Name: a\r\n" * 9000 + b"\r\n",
        b"GET /auth/me HTTP/1.1\r\n" + HOST + b"X-Name: a\0b\r\n\r\n",
        b"GET /auth/me HTTP/1.0\r\n\r\n",
    ],
    ids=[
        *("garbage", "binary", "version", "long-line", "root", "uploads", "encoded", "nul"),
        *("percent", "connect", "no-host", "bad-host", "large-header", "many-headers"),
        *("nul-in-header", "http-1.0-without-host"),
    ],
)
def test_a_request_that_is_none_is_400_in_json(site: Site, sent: bytes) -> None:
    (told,) = site.exchange(sent)

    assert_refused(told, 400, REQUEST_INVALID)


SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (5 + len(SMUGGLED)),
        b"Content-Length: 5\r\nContent-Length: %d\r\n" % (5 + len(SMUGGLED)),
        b"Content-Length: 5, %d\r\n" % (5 + len(SMUGGLED)),
        b"Content-Length: -1\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length : 5\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X-Name: a\r\n Transfer-Encoding: chunked\r\n",
        b"Host: evil.example\r\n",
    ],
    ids=[
        *("length-and-chunks", "two-lengths", "list-of-lengths", "negative", "sign", "space"),
        *("two-codings", "gzip", "no-such-coding", "tab", "space-before-colon", "folded"),
        "two-hosts",
    ],
)
def test_no_request_can_be_hidden_in_another(site: Site, head: bytes) -> None:
    routes = len(site.service.lines("request"))

    told = site.exchange(
        b"POST /auth/login HTTP/1.1\r\n" + HOST + head + b"\r\n" + b"0\r\n\r\n" + SMUGGLED
    )

    assert len(told) == 1
    assert_refused(told[0], 400, REQUEST_INVALID)
    assert len(site.service.lines("request")) == routes


def test_a_chunk_of_no_size_is_400(site: Site) -> None:
    (told,) = site.exchange(
        b"POST /auth/login HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    )

    assert_refused(told, 400, REQUEST_INVALID)


def test_trace_is_refused(site: Site) -> None:
    with site.client() as client:
        told = answer(client.request("TRACE", "/auth/me", headers={"X-Secret": "a"}))

    assert_refused(told, 405, METHOD_NOT_ALLOWED, Allow="DELETE, GET, HEAD, PATCH, POST")


@pytest.mark.parametrize(
    "path",
    [
        *("/.git/config", "/.env", "/a/.b", "/%2eenv", "/.error", "/.problem"),
        *("/uploads/.a.webp.tmp", "/uploads/", "/uploads/nothing"),
    ],
)
def test_dotfiles_and_what_is_no_photo_are_not_asked_of_the_application(
    site: Site, path: str
) -> None:
    with site.client() as client:
        told = answer(client.get(path))

    assert_refused(told, 404, NOT_FOUND)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1"])
def test_an_unknown_host_is_400(site: Site, host: str) -> None:
    with site.client() as client:
        told = answer(client.get("/auth/me", headers={"Host": host}))

    assert_refused(told, 400, REQUEST_INVALID)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/auth/photo", PHOTO_TOO_LARGE),
        ("PATCH", "/auth/photo?a=b", PHOTO_TOO_LARGE),
        ("POST", "/auth/login", BODY_TOO_LARGE),
        ("POST", "/auth/photos", BODY_TOO_LARGE),
    ],
)
def test_a_body_above_the_limit_is_413(
    site: Site, method: str, path: str, body: str, chunked: bool
) -> None:
    sent = b"a" * (LIMIT + 1)
    with site.client() as client:
        told = answer(client.request(method, path, content=iter([sent]) if chunked else sent))

    assert_refused(told, 413, body)


@pytest.mark.parametrize(
    ("method", "path", "content_type", "body"),
    [
        ("POST", "/auth/login", "application/json", '{"detail":"Тело запроса слишком большое."}\n'),
        (
            "PATCH",
            "/auth/photo",
            "multipart/form-data; boundary=a",
            '{"detail":"Отсутствует заголовок с токеном."}\n',
        ),
    ],
)
def test_a_body_at_the_limit_is_answered_by_the_application(
    site: Site, method: str, path: str, content_type: str, body: str
) -> None:
    with site.client() as client:
        told = client.request(
            method, path, content=b"a" * LIMIT, headers={"Content-Type": content_type}
        )

    assert told.text == body
    assert told.headers["X-Request-ID"] == site.service.lines("request")[-1]["request_id"]
