"""What comes in and what goes out: types, lengths, normal forms. No rule of the business."""

import unicodedata
from typing import Any

import email_validator
from email_validator import EmailNotValidError, validate_email
from marshmallow import Schema, ValidationError, fields
from werkzeug.datastructures import FileStorage

from workhub.auth.bodies import Body
from workhub.problems import FieldError

EMAIL_MAX_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
NAME_MAX_CHARACTERS = 100
PASSWORD_MAX_CHARACTERS = 1024
DONE = "Успешно."
# Controls, line and paragraph separators.
_NOT_IN_A_NAME = {"Cc", "Zl", "Zp"}

# Names of tests and of home networks are addresses too; whether mail arrives is not asked here.
for _domain in ("test", "local"):
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_domain)


class _Text(fields.String):
    """A string, with the messages of the catalogue."""

    default_error_messages: dict[str, Any] = {  # noqa: RUF012 (marshmallow's own name)
        "required": [FieldError.REQUIRED],
        "null": [FieldError.NOT_TEXT],
        "invalid": [FieldError.NOT_TEXT],
        "invalid_utf8": [FieldError.CHARACTERS],
    }


class Email(_Text):
    """An address in its normal form: trimmed, lower case, NFC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text) > EMAIL_MAX_CHARACTERS:
            raise ValidationError([FieldError.EMAIL_FORM])
        try:
            # Lower case first, too: it may be longer, and is what has to be an address.
            form = validate_email(_lower(text.strip()), check_deliverability=False).normalized
        except EmailNotValidError:
            raise ValidationError([FieldError.EMAIL_FORM]) from None
        return _lower(form)


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


class PersonName(_Text):
    """A name: trimmed, 1 to 100 characters, no control characters."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if not 1 <= len(text) <= NAME_MAX_CHARACTERS:
            raise ValidationError([FieldError.NAME_LENGTH])
        if any(unicodedata.category(character) in _NOT_IN_A_NAME for character in text):
            raise ValidationError([FieldError.CHARACTERS])
        return text


class Password(_Text):
    """A password in NFC, otherwise just as it was typed."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))
        if len(text) > PASSWORD_MAX_CHARACTERS:
            raise ValidationError([FieldError.PASSWORD_LENGTH])
        return text


class Upload(fields.Raw):
    """A part of a form that is a file."""

    default_error_messages: dict[str, Any] = {  # noqa: RUF012 (marshmallow's own name)
        "required": [FieldError.REQUIRED],
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> FileStorage:
        if not isinstance(value, FileStorage):
            raise ValidationError([FieldError.NOT_A_PHOTO])
        return value


class Address(Body):
    email = Email(required=True)


class Credentials(Address):
    password = Password(required=True)


class Registration(Credentials):
    name = PersonName(required=True)


class Name(Body):
    name = PersonName(required=True)


class Photo(Body):
    photo = Upload(required=True, metadata={"type": "string", "format": "binary"})


class Profile(Schema):
    name = fields.String()
    email = fields.String()
    photo = fields.String(allow_none=True)


class Tokens(Schema):
    access_token = fields.String()
    refresh_token = fields.String()


class Detail(Schema):
    detail = fields.String()
