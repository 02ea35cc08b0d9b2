"""The `Authorization` header: where a token is looked for, and what counts as one."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from flask import Flask

from tests.clients import Account, Client
from tests.forgery import of_kind
from tests.guarded import GUARDED, NO_TOKEN, REFUSED, Asking, Call, answers, everywhere
from tests.servers import Gunicorn


def test_the_documented_calls_are_guarded() -> None:
    assert set(GUARDED) >= {
        ("POST", "/auth/refresh"),
        ("GET", "/auth/me"),
        ("PATCH", "/auth/me"),
        ("DELETE", "/auth/me"),
        ("GET", "/auth/logout"),
        ("PATCH", "/auth/photo"),
        ("DELETE", "/auth/photo"),
    }


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["   "],
        ["{}"],
        ["Bearer"],
        ["Bearer "],
        ["Bearer ,"],
        ["Bearer{}"],
        ["Bearer: {}"],
        ["Bearer, {}"],
        ["Basic eDp5"],
        ["Basic {}"],
        ["Token {}"],
        ["Basic eDp5, Bearer {}"],
        ["Bearer {}, Basic eDp5"],
        ["Basic eDp5,Bearer {}"],
        ["Bearer {}, Bearer {}"],
        ["Bearer {} Bearer {}"],
        ["Bearer {}, {}"],
        ["Bearer {},{}"],
        ["Bearer {} {}"],
        ["Bearer {}", "Bearer {}"],
        ["Basic eDp5", "Bearer {}"],
        ["Bearer {}", "Basic eDp5"],
    ],
    ids=lambda values: " + ".join(map(repr, values)) or "no header",
)
def test_a_header_without_one_bearer_token_counts_as_none(
    app: Flask, account: Account, values: list[str]
) -> None:
    tokens = account.log_in()

    def asking(call: Call) -> Asking:
        token = of_kind(tokens, call.kind)
        return {"headers": [("Authorization", v.replace("{}", token)) for v in values]}

    assert answers(app, asking) == everywhere(NO_TOKEN)


@pytest.mark.parametrize(
    "value", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR {}", "Bearer     {}", "  Bearer {}  "]
)
def test_the_scheme_ignores_case_and_spaces_around_the_token(
    app: Flask, client: Client, account: Account, value: str
) -> None:
    tokens = account.log_in()
    bad = {"headers": {"Authorization": value.format("no-token")}}

    of_bad_tokens = answers(app, lambda _: bad)
    me = client.get("/auth/me", headers={"Authorization": value.format(tokens.access_token)})
    refresh = client.post(
        "/auth/refresh", headers={"Authorization": value.format(tokens.refresh_token)}
    )

    assert of_bad_tokens == everywhere(REFUSED)
    assert me.status_code == 200
    assert refresh.status_code == 200


def named(token: str) -> dict[str, str]:
    """A token under the names that libraries and clients look for."""
    names = ("access_token", "refresh_token", "token", "jwt", "bearer", "authorization")
    cookies = ("access_token_cookie", "refresh_token_cookie")
    return {**dict.fromkeys((*names, *cookies), token), "Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param(lambda token: {"query_string": named(token)}, id="query string"),
        pytest.param(lambda token: {"data": named(token)}, id="form"),
        pytest.param(
            lambda token: {"data": named(token), "content_type": "multipart/form-data"},
            id="multipart form",
        ),
        pytest.param(lambda token: {"json": named(token)}, id="JSON body"),
        pytest.param(
            lambda token: {
                "headers": {"Cookie": "; ".join(f'{k}="{v}"' for k, v in named(token).items())}
            },
            id="cookie",
        ),
        pytest.param(
            lambda token: {
                "headers": {
                    "Proxy-Authorization": f"Bearer {token}",
                    "X-Authorization": f"Bearer {token}",
                    "X-Access-Token": token,
                    "WWW-Authenticate": f"Bearer {token}",
                }
            },
            id="another header",
        ),
    ],
)
def test_a_token_is_read_from_the_authorization_header_alone(
    app: Flask, account: Account, asking: Callable[[str], Asking]
) -> None:
    tokens = account.log_in()

    assert answers(app, lambda call: asking(of_kind(tokens, call.kind))) == everywhere(NO_TOKEN)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    folder = tmp_path_factory.mktemp("server")
    with Gunicorn({"DATABASE_URL": f"sqlite:///{folder}/unused.db"}, folder) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "status"),
    [
        pytest.param(["bearer no-token"], 403, id="one"),
        pytest.param(["Bearer no-token", "Bearer no-token"], 400, id="the same twice"),
        pytest.param(["Basic eDp5", "Bearer no-token"], 400, id="two schemes"),
    ],
)
def test_two_headers_count_as_none_behind_the_real_server_too(
    server: Gunicorn, values: list[str], status: int
) -> None:
    answer = httpx.get(f"{server.url}/auth/me", headers=[("Authorization", v) for v in values])

    assert answer.status_code == status
