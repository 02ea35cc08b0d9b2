"""How bodies are read: strictly, by webargs and flask-smorest's decorators."""

import json
from collections.abc import Iterable
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from flask import Request, current_app, request
from marshmallow import EXCLUDE, Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import CombinedMultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from config import BODY_LIMIT_BYTES
from workhub.problems import FieldError, Problem, ProblemType

JSON = "application/json"
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"


class Body(Schema):
    """A body whose unnamed fields are ignored."""

    class Meta:
        unknown = EXCLUDE


class StrictRequest(Request):
    """A request whose form is refused where it is broken, instead of being empty."""

    def make_form_data_parser(self) -> FormDataParser:
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser


class Parser(FlaskParser):
    __location_map__ = {  # noqa: RUF012 (webargs' own name)
        **FlaskParser.__location_map__,
        "json_or_form": "load_json_or_form",
    }

    def load_json(self, req: Request, schema: Schema) -> Any:
        """One JSON object in UTF-8, each key once, numbers as RFC 8259 has them."""
        _require(JSON)
        try:
            loaded = json.loads(
                _read(req).decode(),
                object_pairs_hook=_each_key_once,
                parse_constant=_refuse,
            )
            halved = _has_half_characters(loaded)
        except (ValueError, RecursionError):
            raise Problem(ProblemType.BODY_UNREADABLE) from None
        if not isinstance(loaded, dict):
            raise Problem(ProblemType.VALIDATION_FAILED)
        if halved:
            raise _invalid(
                FieldError.CHARACTERS,
                [field for field in schema.fields if _has_half_characters(loaded.get(field))],
            )
        return loaded

    def load_json_or_form(self, req: Request, schema: Schema) -> Any:
        """The same fields as JSON or as a form of either encoding."""
        if req.mimetype == JSON:
            return self.load_json(req, schema)
        _require(MULTIPART, URLENCODED)
        body = _read(req)
        try:
            # Werkzeug would put other characters in the place of those that are no UTF-8.
            (unquote_to_bytes(body) if req.mimetype == URLENCODED else body).decode()
        except UnicodeDecodeError:
            raise Problem(ProblemType.BODY_UNREADABLE) from None
        return _single_fields(req, schema)

    def load_files(self, req: Request, schema: Schema) -> Any:
        """A photo's form, up to the limit of a photo instead of that of other bodies."""
        _require(MULTIPART)
        limit = current_app.config["MAX_UPLOAD_BYTES"]
        req.max_content_length = limit + BODY_LIMIT_BYTES
        req.max_form_memory_size = None  # a part that is no file is told so, whatever its size
        try:
            return _single_fields(req, schema)
        except RequestEntityTooLarge:
            raise Problem(ProblemType.PHOTO_TOO_LARGE) from None

    def handle_error(
        self, error: ValidationError, req: Request, schema: Schema, **_: Any
    ) -> NoReturn:
        """A body of the wrong shape. webargs puts the errors below the name of the location."""
        (errors,) = error.messages_dict.values()
        raise Problem(ProblemType.VALIDATION_FAILED, errors)


def _require(*content_types: str) -> None:
    if request.mimetype not in content_types:
        raise Problem(ProblemType.CONTENT_TYPE_UNSUPPORTED)


def _read(req: Request) -> bytes:
    """The body, which a form is read from again. In chunks, Werkzeug cuts it off at the limit."""
    body = req.get_data()
    chunked = req.content_length is None
    if chunked and len(body) == BODY_LIMIT_BYTES and req.environ["wsgi.input"].read(1):
        raise Problem(ProblemType.BODY_TOO_LARGE)
    return body


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(loaded := dict(pairs)) < len(pairs):
        raise ValueError
    return loaded


def _refuse(constant: str) -> NoReturn:
    """NaN and the infinities are no JSON (RFC 8259, 6)."""
    raise ValueError(constant)


def _has_half_characters(loaded: Any) -> bool:
    """Whether there is a lone surrogate, which JSON can escape and no encoder takes."""
    try:
        json.dumps(loaded, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _single_fields(req: Request, schema: Schema) -> dict[str, Any]:
    """The parts of a form that the schema names, each of which may be given once."""
    try:
        parts = CombinedMultiDict[str, Any]([req.files, req.form])
    except ValueError:
        raise Problem(ProblemType.BODY_UNREADABLE) from None
    if repeated := [field for field in schema.fields if len(parts.getlist(field)) > 1]:
        raise _invalid(FieldError.REPEATED, repeated)
    return {field: parts[field] for field in schema.fields if field in parts}


def _invalid(error: FieldError, fields: Iterable[str]) -> Problem:
    return Problem(ProblemType.VALIDATION_FAILED, {field: [error] for field in fields})
