"""Every call that asks for a token, asked at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.test import TestResponse

from tests.clients import Tokens
from tests.forgery import Kind, of_kind
from workhub import create_app

OPEN = {"/auth/register", "/auth/login", "/uploads/<name>"}

NO_TOKEN = (400, {"detail": "Отсутствует заголовок с токеном."})
EXPIRED = (401, {"detail": "Срок действия токена истёк."})
REFUSED = (403, {"detail": "Не удалось подтвердить учетные данные."})
NO_USER = (404, {"detail": "Пользователь не найден."})


class Call(NamedTuple):
    method: str
    path: str

    @property
    def kind(self) -> Kind:
        return "refresh" if self.path == "/auth/refresh" else "access"


def guarded_calls() -> list[Call]:
    """All calls but the open ones, so that nobody can forget to guard a new one."""
    app = create_app({"DATABASE_URL": "postgresql://127.0.0.1/nobody-connects"})
    return [
        Call(method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD"})
        if rule.rule not in OPEN
    ]


GUARDED = guarded_calls()

Answers = dict[Call, tuple[int, object]]
Asking = dict[str, Any]


def responses(app: Flask, asking: Callable[[Call], Asking]) -> dict[Call, TestResponse]:
    """What each guarded call answers to these arguments of the test client."""
    http = app.test_client(use_cookies=False)  # else it drops a header of that name
    return {call: http.open(call.path, method=call.method, **asking(call)) for call in GUARDED}


def answers(app: Flask, asking: Callable[[Call], Asking]) -> Answers:
    return {call: (it.status_code, it.json) for call, it in responses(app, asking).items()}


def carrying(tokens: Tokens, **more: Any) -> Callable[[Call], Asking]:
    """The token of the right kind, in the header."""
    return lambda call: {
        "headers": {"Authorization": f"Bearer {of_kind(tokens, call.kind)}"},
        **more,
    }


def everywhere(answer: tuple[int, object]) -> Answers:
    return dict.fromkeys(GUARDED, answer)
