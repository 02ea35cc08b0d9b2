"""Deleting the account: everything of it goes, and nothing of anybody else's."""

from pathlib import Path

from flask import Flask

from tests import images
from tests.clients import PASSWORD, Account, Client
from tests.database import before, crash, rows
from workhub.accounts.models import Session, User

DONE = {"detail": "Успешно."}
NO_USER = {"detail": "Пользователь не найден."}
CRASHED = {"detail": "Произошла неизвестная ошибка."}
ANN = {"name": "Ann", "email": "ann@example.com", "photo": None}
BOB = {"name": "Bob", "email": "bob@example.com", "photo": None}


def test_delete_removes_the_account_its_sessions_and_its_photo(
    app: Flask, client: Client, account: Account, uploads: Path
) -> None:
    laptop, _phone = account.log_in(), account.log_in()
    images.send(client, laptop.access_token, images.jpeg())
    photo = images.path_of(client, laptop.access_token)

    answer = client.delete("/auth/me", token=laptop.access_token)

    assert answer.status_code == 200
    assert answer.json == DONE
    assert rows(app, User.id) == []
    assert rows(app, Session.id) == []
    assert list(uploads.iterdir()) == []
    gone = client.get(photo, buffered=True)
    assert gone.status_code == 404
    assert gone.json == {"detail": "Страница не найдена."}


def test_delete_leaves_other_accounts_alone(client: Client, account: Account) -> None:
    client.register("bob@example.com", "Bob")
    bob = client.log_in("bob@example.com")
    images.send(client, bob.access_token, images.jpeg())
    photo = images.path_of(client, bob.access_token)

    client.delete("/auth/me", token=account.log_in().access_token)

    assert client.get("/auth/me", token=bob.access_token).json == {**BOB, "photo": photo}
    assert client.get(photo, buffered=True).status_code == 200
    assert client.refresh(bob.refresh_token).access_token


def test_delete_ignores_a_body_and_its_type(client: Client, account: Account) -> None:
    token = account.log_in().access_token

    answer = client.delete("/auth/me", token=token, data=b"{", content_type="text/plain")

    assert answer.status_code == 200
    assert answer.json == DONE


def test_delete_does_not_mind_that_the_photo_is_gone(
    client: Client, account: Account, uploads: Path
) -> None:
    token = account.log_in().access_token
    images.send(client, token, images.jpeg())
    [file] = uploads.iterdir()
    file.unlink()

    answer = client.delete("/auth/me", token=token)

    assert answer.status_code == 200
    assert answer.json == DONE


def test_delete_that_crashes_leaves_account_sessions_and_photo(
    app: Flask, client: Client, account: Account
) -> None:
    tokens = account.log_in()
    images.send(client, tokens.access_token, images.jpeg())
    photo = images.path_of(client, tokens.access_token)

    with before(app, "DELETE", crash):
        answer = client.delete("/auth/me", token=tokens.access_token)

    assert answer.status_code == 500
    assert answer.json == CRASHED
    assert client.get("/auth/me", token=tokens.access_token).json == {**ANN, "photo": photo}
    assert client.get(photo, buffered=True).status_code == 200
    assert client.refresh(tokens.refresh_token).access_token


CALLS = [
    ("GET", "/auth/me"),
    ("PATCH", "/auth/me"),
    ("DELETE", "/auth/me"),
    ("GET", "/auth/logout"),
    ("PATCH", "/auth/photo"),
    ("DELETE", "/auth/photo"),
    ("POST", "/auth/refresh"),
]


def test_after_delete_its_tokens_find_no_user_in_any_call(client: Client, account: Account) -> None:
    laptop, phone = account.log_in(), account.log_in()
    client.delete("/auth/me", token=laptop.access_token)

    answers = {
        (method, path, tokens): client.request(
            method,
            path,
            token=tokens.refresh_token if path == "/auth/refresh" else tokens.access_token,
        )
        for method, path in CALLS
        for tokens in (laptop, phone)
    }

    assert len(answers) == 14
    assert {(answer.status_code, answer.text) for answer in answers.values()} == {
        (404, '{"detail":"Пользователь не найден."}\n')
    }


def test_after_delete_the_address_may_register_again_and_old_tokens_stay_dead(
    client: Client, account: Account
) -> None:
    old = account.log_in()
    client.delete("/auth/me", token=old.access_token)

    refused = client.post("/auth/login", json={"email": account.email, "password": PASSWORD})
    registered = client.register(name="Another Ann")

    assert refused.status_code == 400
    assert refused.json == {"detail": "Неверно введена почта или пароль."}
    assert registered.status_code == 201
    assert registered.json == {"detail": "Пользователь был успешно добавлен."}
    new = account.log_in()
    assert client.get("/auth/me", token=new.access_token).json == {**ANN, "name": "Another Ann"}
    assert client.get("/auth/me", token=old.access_token).json == NO_USER
    assert client.post("/auth/refresh", token=old.refresh_token).json == NO_USER
