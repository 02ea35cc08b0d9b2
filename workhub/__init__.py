"""WorkHub: the account service. `create_app` is the one place where things are wired together."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

import config
from workhub import cli, headers, logs, problems
from workhub.accounts.tokens import jwt
from workhub.auth import auth, uploads
from workhub.auth.bodies import StrictRequest
from workhub.extensions import api, db, migrate


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: Mapping[str, str | None] | None = None,
    clock: Callable[[], datetime] = _utc_now,
) -> Flask:
    """Build the application.

    Args:
        settings: names and texts as in README.md; without it, the environment and `.env`.
        clock: the time, aware UTC.
    Raises:
        config.SettingError: a setting is malformed. Missing secrets are found by
            `config.check_service`, so that a migration needs none.
    """
    app = Flask(__name__, instance_path=str(config.ROOT / "instance"), static_folder=None)
    app.request_class = StrictRequest
    app.config.from_mapping(config.load(settings))
    app.extensions["clock"] = clock
    assert isinstance(app.json, DefaultJSONProvider)  # noqa: S101 (for the type checker)
    app.json.ensure_ascii = False
    app.json.sort_keys = False
    app.url_map.merge_slashes = False  # else a doubled slash is a redirect
    if proxies := app.config["TRUSTED_PROXIES"]:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]

    logs.init_app(app)
    headers.init_app(app)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(config.ROOT / "migrations"))
    jwt.init_app(app)
    api.init_app(app)
    api.register_blueprint(auth)
    app.register_blueprint(uploads)
    problems.init_app(app)
    cli.init_app(app)
    # A browser's prefetch or a link checker must not log anybody out.
    for rule in app.url_map.iter_rules("auth.logout"):
        if rule.methods:
            rule.methods.discard("HEAD")
    return app
