"""What HTTP sees of accounts. Thin: schema in, one call into `accounts`, answer out."""

from workhub.auth import account, login
from workhub.auth.blueprint import auth
from workhub.auth.photo import uploads

__all__ = ["account", "auth", "login", "uploads"]
