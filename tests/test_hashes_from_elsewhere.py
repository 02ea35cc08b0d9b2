"""Hashes from elsewhere: log-in takes them as they were made; a broken one is nobody's."""

import bcrypt
import pytest
from flask import Flask
from sqlalchemy import update

from tests.clients import PASSWORD, Account, Client
from tests.database import execute, rows
from workhub.accounts.models import Session, User
from workhub.accounts.passwords import verify

FAILED = {"detail": "Неверно введена почта или пароль."}
CREDENTIALS = {"email": "ann@example.com", "password": PASSWORD}

# Made with passlib 1.7.4 and bcrypt 4.0.1.
LONG = "Пароль1!" + "я" * 40
WITH_NUL = "Passw0rd!\0tail"
FROM_ELSEWHERE = {
    "$2a$": (PASSWORD, "$2a$04$y2Yzi/KD.GjDa63z8q.rBOlIHi2NhgzxVvFuP8RZ/CzSaaivdBMCa"),
    "$2b$": (PASSWORD, "$2b$04$.lM4g.5sAGZfVcFyXuWyxe2sBEzj4TrTGCZUhwcwmNtOjTk8y.mzq"),
    "$2y$": (PASSWORD, "$2y$04$fljH7zUhtcChbSITdjbdC.ofWD5nGC2aCoTxIynKTgsZF4J35.aci"),
    "v1": (PASSWORD, "$bcrypt-sha256$2b,4$zPt62YRjrtPGgALb5VNF2e$pT3363oKtApnUW6Z0dkCPS/hEaX5Lte"),
    "v1, 2a": (
        PASSWORD,
        "$bcrypt-sha256$2a,4$NJV3zPGlirL4J4hZVCL9q.$4BiF7QiuRRix0MdM.s9TSm6HSsMg/lq",
    ),
    "v1, long": (
        LONG,
        "$bcrypt-sha256$2b,4$4aF9l6s0VktL3BMkHGwVn.$WOmpO83T8lMQlzd.1qNmaQCFQQ9UVam",
    ),
    "v1, with NUL": (
        WITH_NUL,
        "$bcrypt-sha256$2b,4$epAAcBD6p8v2VT0p5n3Oxe$HlILKI5CQXqFTzb.aa5KKi1TzDu3Fs2",
    ),
}
OF_OURS = {
    "v2": (
        PASSWORD,
        "$bcrypt-sha256$v=2,t=2b,r=4$nYOd1tOEeBgobAmNnTrVMe$ltZKdnHr9YywgPa.jTfznd.9BOONnju",
    ),
    "v2, long": (
        LONG,
        "$bcrypt-sha256$v=2,t=2b,r=4$/AakKi4M4ydGo2PrsOGcMe$kBAlLPGv/BfzP4AEBy3fpazDR3UxW.m",
    ),
    "v2, with NUL": (
        WITH_NUL,
        "$bcrypt-sha256$v=2,t=2b,r=4$n.DVthUDCHzCdmctgvZfy.$yYBQaoRkS5r6MreP3w2i.trHl7RghpC",
    ),
}


@pytest.mark.parametrize(("password", "stored"), FROM_ELSEWHERE.values(), ids=FROM_ELSEWHERE)
def test_a_log_in_takes_a_hash_from_elsewhere_and_replaces_it(
    app: Flask, client: Client, account: Account, password: str, stored: str
) -> None:
    execute(app, update(User).values(password_hash=stored))
    refused = client.post("/auth/login", json={**CREDENTIALS, "password": password[:-1] + "z"})
    kept = rows(app, User.password_hash)

    client.log_in(password=password)

    assert (refused.status_code, refused.json) == (400, FAILED)
    assert kept == [(stored,)]
    [(replaced,)] = rows(app, User.password_hash)
    assert replaced.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert client.log_in(password=password).access_token


@pytest.mark.parametrize(("password", "stored"), OF_OURS.values(), ids=OF_OURS)
def test_a_log_in_takes_a_hash_of_ours_made_by_passlib_and_keeps_it(
    app: Flask, client: Client, account: Account, password: str, stored: str
) -> None:
    execute(app, update(User).values(password_hash=stored))
    refused = client.post("/auth/login", json={**CREDENTIALS, "password": password[:-1] + "z"})

    client.log_in(password=password)

    assert (refused.status_code, refused.json) == (400, FAILED)
    assert rows(app, User.password_hash) == [(stored,)]


def test_verify_takes_the_example_of_passlibs_documentation() -> None:
    documented = (
        "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2"
    )

    assert verify("password", documented)


def test_a_plain_hash_of_a_long_password_counts_72_bytes_until_it_is_replaced(
    app: Flask, client: Client, account: Account
) -> None:
    made_of = "Aa1!" + "x" * 68
    plain = bcrypt.hashpw(made_of.encode(), bcrypt.gensalt(4)).decode()
    execute(app, update(User).values(password_hash=plain))

    client.log_in(password=made_of + "the rest")

    refused = client.post("/auth/login", json={**CREDENTIALS, "password": made_of + "another"})
    assert (refused.status_code, refused.json) == (400, FAILED)
    assert client.log_in(password=made_of + "the rest").access_token


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "x",
        PASSWORD,
        "$2b$12$",
        "$2b$04$" + "*" * 53,
        "$2b$99$" + "." * 53,
        "$2z$04$" + "." * 53,
        "$bcrypt-sha256$v=2,t=2b,r=0$" + "." * 22 + "$" + "." * 31,
        "$bcrypt-sha256$v=2,t=2b,r=99$" + "." * 22 + "$" + "." * 31,
        "$bcrypt-sha256$v=3,t=2b,r=4$" + "." * 22 + "$" + "." * 31,
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
        "пароль",
    ],
    ids=lambda stored: stored[:30] or "empty",
)
def test_log_in_against_a_broken_hash_is_a_wrong_password(
    app: Flask, client: Client, account: Account, stored: str
) -> None:
    execute(app, update(User).values(password_hash=stored))

    answer = client.post("/auth/login", json=CREDENTIALS)

    assert answer.status_code == 400
    assert answer.json == FAILED
    assert rows(app, User.password_hash) == [(stored,)]
    assert rows(app, Session.id) == []
