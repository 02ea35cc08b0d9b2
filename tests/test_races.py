"""Two requests at once: real threads against real gunicorn, two workers of eight threads."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests.clients import PASSWORD
from tests.servers import Gunicorn

pytestmark = [pytest.mark.race, pytest.mark.slow]

AT_ONCE = 16
REFUSED = {"detail": "Не удалось подтвердить учетные данные."}
NO_USER = {"detail": "Пользователь не найден."}


class People:
    """Callers of one server, each with a connection of their own, who start together."""

    def __init__(self, url: str) -> None:
        self.clients = [httpx.Client(base_url=url, timeout=30) for _ in range(AT_ONCE)]
        for client in self.clients:
            client.get("/nothing")

    def close(self) -> None:
        for client in self.clients:
            client.close()

    def at_once(self, *calls: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
        """The answers to these calls, which all leave at the same moment."""
        barrier = threading.Barrier(len(calls))

        def run(client: httpx.Client, call: Callable[[httpx.Client], Any]) -> httpx.Response:
            barrier.wait(30)
            answer: httpx.Response = call(client)
            return answer

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(run, self.clients, calls))

    def register(self, email: str) -> None:
        assert self.clients[0].post("/auth/register", json=person(email)).status_code == 201

    def log_in(self, email: str) -> dict[str, str]:
        answer = self.clients[0].post("/auth/login", json=person(email))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, str] = answer.json()
        return tokens

    def me(self, token: str) -> httpx.Response:
        return self.clients[0].get("/auth/me", headers=bearer(token))


def person(email: str) -> dict[str, str]:
    return {"email": email, "name": "Ann", "password": PASSWORD}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refresh(tokens: dict[str, str]) -> Callable[[httpx.Client], httpx.Response]:
    headers = bearer(tokens["refresh_token"])
    return lambda client: client.post("/auth/refresh", headers=headers)


def logging_in(email: str) -> Callable[[httpx.Client], httpx.Response]:
    return lambda client: client.post("/auth/login", json=person(email))


@pytest.fixture
def serve(database_url: str, uploads: Path) -> Iterator[Callable[..., People]]:
    """Starts a server with settings of the test's own, and gives the people who call it."""
    ends: list[Callable[[], object]] = []

    def start(**settings: str) -> People:
        server = Gunicorn(
            {"DATABASE_URL": database_url, "UPLOAD_FOLDER": str(uploads), **settings},
            uploads.parent,
            "--workers=2",
        ).start()
        ends.append(server.stop)
        people = People(server.url)
        ends.append(people.close)
        return people

    yield start
    for end in reversed(ends):
        end()


def query(database_url: str, statement: str) -> list[Any]:
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def test_parallel_refreshes_with_one_token_give_one_successor(
    serve: Callable[..., People], database_url: str
) -> None:
    people = serve()
    people.register("ann@example.com")
    tokens = people.log_in("ann@example.com")

    answers = people.at_once(*[refresh(tokens)] * AT_ONCE)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert len({answer.json()["access_token"] for answer in answers}) == AT_ONCE
    assert people.me(answers[0].json()["access_token"]).status_code == 200
    assert query(database_url, "SELECT count(*) FROM sessions WHERE previous_jti IS NOT NULL") == [
        (1,)
    ]


def test_without_a_window_parallel_refreshes_never_give_two_successors(
    serve: Callable[..., People],
) -> None:
    people = serve(REFRESH_REUSE_SECONDS="0")
    people.register("ann@example.com")

    for _ in range(5):
        answers = people.at_once(*[refresh(people.log_in("ann@example.com"))] * AT_ONCE)

        assert {answer.status_code for answer in answers} <= {200, 403}
        successors = {a.json()["refresh_token"] for a in answers if a.status_code == 200}
        assert len(successors) == 1
        assert all(a.json() == REFUSED for a in answers if a.status_code == 403)


def test_parallel_registrations_of_one_address_make_one_account(
    serve: Callable[..., People], database_url: str
) -> None:
    people = serve()
    spellings = ["ann@example.com", "ANN@example.com", "Ann@EXAMPLE.com", " ann@example.com"]

    answers = people.at_once(
        *(
            lambda client, email=spelling: client.post("/auth/register", json=person(email))
            for spelling in spellings * (AT_ONCE // len(spellings))
        )
    )

    assert sorted(answer.status_code for answer in answers) == [201] + [400] * (AT_ONCE - 1)
    assert [a.json() for a in answers if a.status_code == 400] == [
        {"detail": "Пользователь с такой почтой уже существует."}
    ] * (AT_ONCE - 1)
    assert query(database_url, "SELECT email FROM users") == [("ann@example.com",)]


def test_a_refresh_that_races_a_log_out_leaves_no_live_token(
    serve: Callable[..., People],
) -> None:
    people = serve()
    people.register("ann@example.com")

    for _ in range(15):
        tokens = people.log_in("ann@example.com")
        *refreshed, left = people.at_once(
            *[refresh(tokens)] * 3,
            lambda client, t=tokens["access_token"]: client.get("/auth/logout", headers=bearer(t)),
        )

        assert left.status_code == 200
        for answer in refreshed:
            assert answer.status_code in (200, 403)
            if answer.status_code == 200:
                assert people.me(answer.json()["access_token"]).json() == REFUSED
                assert refresh(answer.json())(people.clients[0]).json() == REFUSED


def test_a_refresh_that_races_a_deletion_leaves_no_live_token(
    serve: Callable[..., People], database_url: str
) -> None:
    people = serve()

    for _ in range(15):
        people.register("ann@example.com")
        tokens = people.log_in("ann@example.com")
        *refreshed, deleted = people.at_once(
            *[refresh(tokens)] * 3,
            lambda client, t=tokens["access_token"]: client.delete("/auth/me", headers=bearer(t)),
        )

        assert deleted.status_code == 200
        for answer in refreshed:
            assert answer.status_code in (200, 404)
            if answer.status_code == 200:
                assert people.me(answer.json()["access_token"]).json() == NO_USER
                assert refresh(answer.json())(people.clients[0]).json() == NO_USER
    assert query(database_url, "SELECT count(*) FROM sessions") == [(0,)]


def test_a_log_in_that_races_a_deletion_leaves_no_live_token(
    serve: Callable[..., People], database_url: str
) -> None:
    people = serve()

    for _ in range(15):
        people.register("ann@example.com")
        token = people.log_in("ann@example.com")["access_token"]
        *logged_in, deleted = people.at_once(
            *[logging_in("ann@example.com")] * 3,
            lambda client, t=token: client.delete("/auth/me", headers=bearer(t)),
        )

        assert deleted.status_code == 200
        for answer in logged_in:
            if answer.status_code == 200:
                assert people.me(answer.json()["access_token"]).json() == NO_USER
            else:
                assert answer.status_code == 400
                assert answer.json() == {"detail": "Неверно введена почта или пароль."}
    assert query(database_url, "SELECT count(*) FROM sessions") == [(0,)]


def test_log_ins_that_all_want_to_replace_the_hash_all_succeed(
    serve: Callable[..., People], database_url: str
) -> None:
    serve().register("ann@example.com")
    people = serve(BCRYPT_ROUNDS="5")

    answers = people.at_once(*[logging_in("ann@example.com")] * AT_ONCE)

    assert {answer.status_code for answer in answers} == {200}
    assert {people.me(a.json()["access_token"]).status_code for a in answers} == {200}
    ((password_hash,),) = query(database_url, "SELECT password_hash FROM users")
    assert password_hash.startswith("$bcrypt-sha256$v=2,t=2b,r=5$")


def test_changes_that_race_a_deletion_are_made_or_find_nobody(
    serve: Callable[..., People],
) -> None:
    people = serve()

    for _ in range(10):
        people.register("ann@example.com")
        headers = bearer(people.log_in("ann@example.com")["access_token"])

        renamed, left, again, deleted = people.at_once(
            lambda c, h=headers: c.patch("/auth/me", headers=h, json={"name": "Anna"}),
            lambda c, h=headers: c.delete("/auth/photo", headers=h),
            lambda c, h=headers: c.delete("/auth/me", headers=h),
            lambda c, h=headers: c.delete("/auth/me", headers=h),
        )

        assert (renamed.status_code, renamed.json()) in [(200, None), (404, NO_USER)]
        assert (left.status_code, left.json()) in [(200, None), (404, NO_USER)]
        assert sorted([again.status_code, deleted.status_code]) == [200, 404]


def test_two_log_outs_at_once_end_one_session_once(serve: Callable[..., People]) -> None:
    people = serve()
    people.register("ann@example.com")

    for _ in range(10):
        headers = bearer(people.log_in("ann@example.com")["access_token"])
        answers = people.at_once(
            *[lambda client, h=headers: client.get("/auth/logout", headers=h)] * 4
        )

        assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403]
