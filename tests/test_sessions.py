"""Sessions: one log-in each, rotated, ended, and never alive again."""

from datetime import timedelta

from sqlalchemy import select

from tests.clients import Account, Client, Clock
from workhub.accounts.models import Session
from workhub.extensions import db

REFUSED = {"detail": "Не удалось подтвердить учетные данные."}


def test_reused_refresh_token_ends_its_own_session_alone(
    client: Client, account: Account, clock: Clock
) -> None:
    laptop, phone = account.log_in(), account.log_in()
    rotated = client.refresh(laptop.refresh_token)
    clock.shift(timedelta(seconds=11))

    reuse = client.post("/auth/refresh", token=laptop.refresh_token)

    assert reuse.status_code == 403
    assert reuse.json == REFUSED
    assert client.get("/auth/me", token=rotated.access_token).status_code == 403
    assert client.get("/auth/me", token=phone.access_token).status_code == 200
