"""The blueprint of all calls, with the strict parser of bodies."""

from flask_smorest import Blueprint

from workhub.auth.bodies import Parser


class _Blueprint(Blueprint):  # type: ignore[misc] # flask-smorest has no types
    ARGUMENTS_PARSER = Parser()


auth = _Blueprint("auth", __name__, url_prefix="/auth", description="Accounts and log-ins.")
