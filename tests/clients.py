"""What tests call the service with: a client that carries tokens, a person with an account."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

PASSWORD = "Passw0rd!x"


class Clock:
    """The application's time. It stands still, years from now, until a test shifts it."""

    def __init__(self) -> None:
        self.time = datetime(2031, 5, 4, 3, 2, 1, 500_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def shift(self, by: timedelta) -> None:
        self.time += by


@dataclass(frozen=True)
class Tokens:
    access_token: str
    refresh_token: str


class Client:
    """Flask's test client, with `token=` for the header that carries it."""

    def __init__(self, app: Flask) -> None:
        self._http = app.test_client()

    def request(
        self, method: str, path: str, token: str | None = None, **kwargs: Any
    ) -> TestResponse:
        headers = dict(kwargs.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self._http.open(path, method=method, headers=headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> TestResponse:
        return self.request("POST", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> TestResponse:
        return self.request("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> TestResponse:
        return self.request("DELETE", path, **kwargs)

    def register(
        self, email: str = "ann@example.com", name: str = "Ann", password: str = PASSWORD
    ) -> TestResponse:
        return self.post(
            "/auth/register", json={"email": email, "name": name, "password": password}
        )

    def log_in(self, email: str = "ann@example.com", password: str = PASSWORD) -> Tokens:
        answer = self.post("/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return Tokens(**answer.json)

    def refresh(self, refresh_token: str) -> Tokens:
        answer = self.post("/auth/refresh", token=refresh_token)
        assert answer.status_code == 200, answer.text
        return Tokens(**answer.json)


@dataclass(frozen=True)
class Account:
    """Somebody who has registered."""

    client: Client
    email: str = "ann@example.com"
    name: str = "Ann"
    password: str = PASSWORD

    def log_in(self) -> Tokens:
        return self.client.log_in(self.email, self.password)
