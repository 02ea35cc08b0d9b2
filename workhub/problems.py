"""All that can go wrong, in one catalogue, and how a client is told.

Everywhere else `raise Problem(...)`: no status, no message. Source: RFC 9457.
"""

from enum import Enum, unique
from http import HTTPStatus

from flask import Flask, Response, current_app, g, jsonify, request
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.datastructures import Accept
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from workhub import logs

PROBLEM_JSON = "application/problem+json"
UNAVAILABLE_RETRY_SECONDS = 5


@unique  # of two equal rows an Enum keeps one, and a client gets the other's code
class ProblemType(Enum):
    """A row: status, Russian, English. The member's name in lower case is the `code`."""

    AUTHORIZATION_MISSING = (
        400,
        "Отсутствует заголовок с токеном.",
        "The header with the token is missing.",
    )
    TOKEN_EXPIRED = 401, "Срок действия токена истёк.", "The token has expired."
    CREDENTIALS_INVALID = (
        403,
        "Не удалось подтвердить учетные данные.",
        "The credentials could not be confirmed.",
    )
    USER_NOT_FOUND = 404, "Пользователь не найден.", "There is no such user."
    SESSION_NOT_FOUND = 404, "Сеанс не найден.", "There is no such session."
    EMAIL_TAKEN = (
        400,
        "Пользователь с такой почтой уже существует.",
        "This e-mail address is taken.",
    )
    LOGIN_FAILED = (
        400,
        "Неверно введена почта или пароль.",
        "The e-mail address or the password is wrong.",
    )
    PASSWORD_TOO_SHORT = (
        400,
        "Пароль должен содержать минимум 8 символов.",
        "The password needs at least 8 characters.",
    )
    PASSWORD_NEEDS_BOTH_CASES = (
        400,
        "Пароль должен содержать минимум 2 буквы разных регистров.",
        "The password needs an upper-case and a lower-case letter.",
    )
    PASSWORD_NEEDS_SPECIAL = (
        400,
        "Пароль должен содержать минимум 1 специальный символ.",
        "The password needs a special character.",
    )
    PASSWORD_NEEDS_DIGIT = (
        400,
        "Пароль должен содержать минимум 1 цифру.",
        "The password needs a digit.",
    )
    VALIDATION_FAILED = 422, "Проверьте введённые данные.", "Some fields are not valid."
    BODY_UNREADABLE = (
        422,
        "Не удалось прочитать тело запроса.",
        "The body of the request could not be read.",
    )
    PHOTO_UNREADABLE = 422, "Файл не является фотографией.", "The file is not a photo."
    PHOTO_TOO_LARGE = 413, "Фотография слишком большая.", "The photo is too large."
    BODY_TOO_LARGE = (
        413,
        "Тело запроса слишком большое.",
        "The body of the request is too large.",
    )
    CONTENT_TYPE_UNSUPPORTED = (
        415,
        "Тип содержимого не поддерживается.",
        "The content type is not supported.",
    )
    NOT_FOUND = 404, "Страница не найдена.", "There is nothing at this address."
    METHOD_NOT_ALLOWED = 405, "Метод не поддерживается.", "The method is not supported here."
    REQUEST_INVALID = 400, "Некорректный запрос.", "The request is not valid."
    # nginx's, for who comes without TLS
    HTTPS_REQUIRED = (
        426,
        "Сервис доступен только по HTTPS.",
        "The service is available over HTTPS only.",
    )
    UNAVAILABLE = (
        503,
        "Сервис временно недоступен. Повторите позже.",
        "The service is unavailable for the moment. Try again later.",
    )
    INTERNAL_ERROR = 500, "Произошла неизвестная ошибка.", "An unknown error has happened."

    def __init__(self, status: int, russian: str, english: str) -> None:
        self.status = status
        self.text = {"ru": russian, "en": english}

    @property
    def code(self) -> str:
        """The stable name that a program compares."""
        return self.name.lower()


@unique
class FieldError(Enum):
    """What is wrong with one field of a body: Russian, English."""

    REQUIRED = "Обязательное поле.", "This field is required."
    NOT_TEXT = "Должно быть строкой.", "This has to be a string."
    CHARACTERS = "Недопустимые символы.", "Some characters are not allowed."
    REPEATED = "Поле указано несколько раз.", "The field is given more than once."
    EMAIL_FORM = "Неверный адрес электронной почты.", "This is no e-mail address."
    NAME_LENGTH = "Длина имени: от 1 до 100 символов.", "A name has 1 to 100 characters."
    PASSWORD_LENGTH = (
        "Длина пароля: не более 1024 символов.",
        "A password has at most 1024 characters.",
    )
    NOT_A_PHOTO = "Файл не является фотографией.", "The file is not a photo."

    def __init__(self, russian: str, english: str) -> None:
        self.text = {"ru": russian, "en": english}


class Problem(Exception):
    """What a client is told: a row of the catalogue and what belongs to this one occurrence.

    Args:
        type: the row.
        errors: field to its errors; `{}` where no field is to blame. Only with a 422.
        retry_after: seconds after which another try makes sense.
    """

    def __init__(
        self,
        type: ProblemType,
        errors: dict[str, list[FieldError]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(type.name)
        self.type = type
        self.errors = errors or {}
        self.retry_after = retry_after


def _wants_problem_json() -> bool:
    """Whether `Accept` names the problem type, and not below `application/json`."""
    named = {
        media_type.partition(";")[0].lower(): quality
        for media_type, quality in request.accept_mimetypes
    }
    problem = named.get(PROBLEM_JSON, 0)
    return problem > 0 and problem >= named.get("application/json", 0)


def _language() -> str:
    """The language that `Accept-Language` likes better, of whatever country it is."""
    # Werkzeug's own best match takes "ru-RU, en;q=0.5" for English.
    named = [(tag.partition("-")[0], quality) for tag, quality in request.accept_languages]
    return Accept(named).best_match(["ru", "en"], "ru")


def answer(problem: Problem) -> Response:
    """The answer of a problem: the documented `detail`, or RFC 9457 for who asks for it."""
    kind = problem.type
    problem_json = _wants_problem_json()
    language = _language() if problem_json else "ru"
    text = kind.text[language]
    body: dict[str, object] = {"detail": text}
    if kind.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        body["errors"] = {
            field: [error.text[language] for error in errors]
            for field, errors in problem.errors.items()
        }
    if problem_json:
        body = {
            "type": f"{current_app.config['PUBLIC_URL']}/problems#{kind.code}",
            "title": text,
            "status": kind.status,
            **body,
            "code": kind.code,
            "request_id": g.request_id,
        }
    response = jsonify(body)
    response.status_code = kind.status
    if problem_json:
        response.mimetype = PROBLEM_JSON
    if kind.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    g.problem = kind.code
    return response


_OF_STATUS = {
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    413: ProblemType.BODY_TOO_LARGE,
    415: ProblemType.CONTENT_TYPE_UNSUPPORTED,
}


def _answer_http(error: HTTPException) -> Response:
    """What Flask and Werkzeug refuse by themselves, told from the same catalogue."""
    status = error.code or 500
    other = ProblemType.INTERNAL_ERROR if status >= 500 else ProblemType.REQUEST_INVALID
    response = answer(Problem(_OF_STATUS.get(status, other)))
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _answer_database(error: Exception) -> Response:
    logs.database_gone(error, g.request_id)
    return answer(Problem(ProblemType.UNAVAILABLE, retry_after=UNAVAILABLE_RETRY_SECONDS))


def _answer_crash(error: Exception) -> Response:
    logs.crash(error, g.request_id)
    return answer(Problem(ProblemType.INTERNAL_ERROR))


def init_app(app: Flask) -> None:
    """Answer every error of the application. After flask-smorest: the last handler wins."""
    app.register_error_handler(Problem, answer)
    app.register_error_handler(HTTPException, _answer_http)
    # InternalError: a PostgreSQL that has turned read-only, as hosts do where the disk is full.
    for gone in (OperationalError, InterfaceError, InternalError, PoolTimeoutError):
        app.register_error_handler(gone, _answer_database)
    app.register_error_handler(Exception, _answer_crash)
