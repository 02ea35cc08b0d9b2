"""Calls on the account: register, me."""

from typing import Any

from workhub.accounts import users
from workhub.auth import guard, schemas
from workhub.auth.blueprint import auth
from workhub.auth.guard import Current


@auth.post("/register")
@auth.arguments(schemas.Registration, as_kwargs=True)
@auth.response(201, schemas.Detail)
def register(email: str, name: str, password: str) -> dict[str, str]:
    """Add an account."""
    users.register(email, name, password)
    return {"detail": "Пользователь был успешно добавлен."}


@auth.get("/me")
@guard.access_token
@auth.response(200, schemas.Profile)
def me(current: Current) -> dict[str, Any]:
    """The caller's account."""
    photo = current.photo and f"/uploads/{current.photo}"
    return {"name": current.name, "email": current.email, "photo": photo}


@auth.patch("/me")
@guard.access_token
@auth.arguments(schemas.Name, as_kwargs=True)
@auth.response(200)
def rename(current: Current, name: str) -> None:
    """Change the name of the account."""
    users.rename(current.user_id, name)


@auth.delete("/me")
@guard.access_token
@auth.response(200, schemas.Detail)
def remove(current: Current) -> dict[str, str]:
    """Delete the account, its log-ins and its photo."""
    users.remove(current.user_id)
    return {"detail": schemas.DONE}
