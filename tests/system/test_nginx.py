"""The service as its clients meet it: real nginx, TLS, real gunicorn, PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.clients import PASSWORD
from tests.images import jpeg
from tests.system.webserver import Certificate, Nginx, Site, answer
from workhub.headers import HEADERS

pytestmark = pytest.mark.system

HSTS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
HTTPS_REQUIRED = '{"detail":"Сервис доступен только по HTTPS."}\n'


@pytest.fixture
def https(site: Site) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client


def test_nginx_accepts_the_configuration_without_a_complaint(site: Site) -> None:
    tested = site.nginx.test()

    said = [line for line in tested.stderr.splitlines() if "listen ... http2" not in line]
    assert tested.returncode == 0
    assert said == [
        f"nginx: the configuration file {site.nginx.configuration} syntax is ok",
        f"nginx: configuration file {site.nginx.configuration} test is successful",
    ]


def test_all_nine_calls_work_over_tls(https: httpx.Client) -> None:
    email = f"{uuid4()}@example.com"
    ann = {"email": email, "name": "Ann", "password": PASSWORD}
    credentials = {"email": (None, email), "password": (None, PASSWORD)}

    registered = https.post("/auth/register", json=ann)
    tokens = https.post("/auth/login", files=credentials)
    access = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    renamed = https.patch("/auth/me", json={"name": "Anna"}, headers=access)
    photo_set = https.patch("/auth/photo", files={"photo": jpeg()}, headers=access)
    refresh = {"Authorization": f"Bearer {tokens.json()['refresh_token']}"}
    refreshed = https.post("/auth/refresh", headers=refresh)
    access = {"Authorization": f"Bearer {refreshed.json()['access_token']}"}
    me = https.get("/auth/me", headers=access)
    photo_removed = https.delete("/auth/photo", headers=access)
    logged_out = https.get("/auth/logout", headers=access)
    refused = https.get("/auth/me", headers=access)
    again = https.post("/auth/login", json={"email": email, "password": PASSWORD})
    access = {"Authorization": f"Bearer {again.json()['access_token']}"}
    deleted = https.delete("/auth/me", headers=access)
    gone = https.get("/auth/me", headers=access)

    assert (registered.status_code, registered.json()) == (
        201,
        {"detail": "Пользователь был успешно добавлен."},
    )
    assert tokens.status_code == refreshed.status_code == again.status_code == 200
    assert tokens.json().keys() == refreshed.json().keys() == {"access_token", "refresh_token"}
    assert (renamed.status_code, renamed.json()) == (200, None)
    assert (photo_set.status_code, photo_set.json()) == (200, {"detail": "Успешно."})
    photo = me.json()["photo"]
    assert me.json() == {"name": "Anna", "email": email, "photo": photo}
    assert photo.startswith("/uploads/")
    assert (photo_removed.status_code, photo_removed.json()) == (200, None)
    assert https.get(photo).status_code == 404
    assert (logged_out.status_code, logged_out.json()) == (200, {"detail": "Успешно."})
    assert (refused.status_code, refused.json()) == (
        403,
        {"detail": "Не удалось подтвердить учетные данные."},
    )
    assert (deleted.status_code, deleted.json()) == (200, {"detail": "Успешно."})
    assert (gone.status_code, gone.json()) == (404, {"detail": "Пользователь не найден."})


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/auth/me"), ("POST", "/auth/login"), ("GET", "/nothing"), ("PUT", "/auth/me")],
)
def test_an_answer_of_the_application_gains_hsts_and_nothing_else(
    site: Site, https: httpx.Client, method: str, path: str
) -> None:
    hop = ("Server", "Date", "Connection", "X-Request-ID")

    through_nginx = answer(https.request(method, path))
    by_gunicorn = answer(httpx.request(method, f"{site.service.url}{path}"))

    assert sorted(header for header in through_nginx.headers if header[0] not in hop) == sorted(
        [HSTS, *(header for header in by_gunicorn.headers if header[0] not in hop)]
    )
    assert through_nginx.body == by_gunicorn.body
    sent = dict(through_nginx.headers)
    assert {name: sent[name] for name in HEADERS} == HEADERS
    assert [name for name, _ in through_nginx.headers].count("X-Request-ID") == 1


def test_no_header_tells_a_version(https: httpx.Client) -> None:
    headers = https.get("/auth/me").headers

    assert headers["Server"] == "nginx"
    assert "X-Powered-By" not in headers


@pytest.mark.parametrize("path", ["/", "/auth/me", "/uploads/x.webp", "/.env", "/a?token=b"])
def test_plain_http_is_told_of_https_and_not_redirected(site: Site, path: str) -> None:
    told = answer(httpx.get(f"http://localhost:{site.nginx.http_port}{path}"))

    assert (told.status, told.body) == (426, HTTPS_REQUIRED)
    assert _without(told.headers, "Date", "X-Request-ID") == [
        ("Server", "nginx"),
        ("Content-Type", "application/json"),
        ("Content-Length", "68"),
        ("Connection", "close"),
        *HEADERS.items(),
        ("Upgrade", "TLS/1.2, HTTP/1.1"),
        ("Connection", "Upgrade"),
    ]


def test_a_token_sent_over_plain_http_reaches_nobody(site: Site) -> None:
    before = len(site.service.lines("request"))

    told = httpx.post(
        f"http://localhost:{site.nginx.http_port}/auth/refresh",
        headers={"Authorization": "Bearer x"},
    )

    assert told.status_code == 426
    assert len(site.service.lines("request")) == before


def test_plain_http_on_the_port_of_tls_is_told_of_https(site: Site) -> None:
    (told,) = site.exchange(b"GET /auth/me HTTP/1.1\r\nHost: localhost\r\n\r\n", tls=False)

    assert (told.status, told.body) == (426, HTTPS_REQUIRED)
    assert ("Upgrade", "TLS/1.2, HTTP/1.1") in told.headers
    assert HSTS not in told.headers


def test_the_proof_for_a_certificate_is_served_over_plain_http(site: Site) -> None:
    folder = site.nginx.folder / "acme" / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0").write_text("proof")
    (folder / "proof.html").write_text("<b>")
    base = f"http://localhost:{site.nginx.http_port}/.well-known/acme-challenge"

    served = httpx.get(f"{base}/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0")

    assert (served.status_code, served.text) == (200, "proof")
    assert served.headers["Content-Type"] == "text/plain"
    assert httpx.get(f"{base}/no-such-proof").status_code == 404
    assert httpx.get(f"{base}/proof.html").status_code == 426


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "203.0.113.9, 203.0.113.10"},
        {"X-Real-IP": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"X_Forwarded_For": "203.0.113.9"},
        {"X-Forwarded-Proto": "http", "X-Forwarded-Ssl": "off", "X-Forwarded-Protocol": "http"},
        {"Script_Name": "/auth", "Path_Info": "/auth/me"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"},
    ],
    ids=lambda forged: next(iter(forged)) + str(len(next(iter(forged.values())))),
)
def test_a_forged_address_does_not_reach_the_log(site: Site, forged: dict[str, str]) -> None:
    with site.client(local_address="127.0.0.2") as client:
        told = client.get("/auth/me", headers=forged)

    assert told.status_code == 400
    assert told.json() == {"detail": "Отсутствует заголовок с токеном."}
    line = site.service.lines("request")[-1]
    assert line["request_id"] == told.headers["X-Request-ID"]
    assert line["ip"] == "127.0.0.2"
    assert line["route"] == "/auth/me"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "api.example.com"])
def test_the_name_of_another_host_is_refused(https: httpx.Client, host: str) -> None:
    told = https.get("/auth/me", headers={"Host": host})

    assert (told.status_code, told.json()) == (400, {"detail": "Некорректный запрос."})


def test_the_log_tells_the_call_and_nothing_that_a_client_made_up(
    site: Site, https: httpx.Client
) -> None:
    told = [
        https.post("/auth/login?token=secret", json={}, headers={"Referer": "https://secret"}),
        https.get("/secret", headers={"User-Agent": "secret", "Authorization": "Bearer secret"}),
        https.request("SECRET", "/auth/photo", content=b"secret"),
        https.get("/uploads/secret.webp"),
    ]

    lines = [site.nginx.line_of(answer.headers["X-Request-ID"]) for answer in told]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/auth/login", 422),
        ("GET", "", 404),
        ("other", "/auth/photo", 405),
        ("GET", "/uploads/<name>", 404),
    ]
    assert lines[0].keys() == {
        *("time", "event", "request_id", "method", "route", "status", "upstream_status"),
        *("seconds", "bytes_in", "bytes_out", "tls", "ip"),
    }
    for name in ("access.log", "error.log"):
        assert "secret" not in (site.nginx.folder / "log" / name).read_text().lower()


def test_both_logs_name_a_request_alike(site: Site, https: httpx.Client) -> None:
    told = https.get("/auth/me")

    identifier = told.headers["X-Request-ID"]
    assert site.nginx.line_of(identifier)["upstream_status"] == "400"
    assert site.service.lines("request")[-1]["request_id"] == identifier


@pytest.mark.slow
def test_a_slow_client_is_hung_up_on(
    site: Site, nginx_program: str, certificate: Certificate, tmp_path: Path
) -> None:
    waits = {
        "client_header_timeout 10s": "client_header_timeout 1s",
        "client_body_timeout 15s": "client_body_timeout 1s",
    }
    upstream = tmp_path / "nobody.sock"
    head = b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\n"
    with Nginx(nginx_program, tmp_path, certificate.folder, upstream, waits) as nginx:
        impatient = Site(nginx, site.service, certificate)

        assert impatient.exchange(head) == []
        assert impatient.exchange(head + b"Content-Length: 9\r\n\r\n{") == []


def _without(headers: list[tuple[str, str]], *names: str) -> list[tuple[str, str]]:
    return [header for header in headers if header[0] not in names]
