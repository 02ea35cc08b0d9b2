"""Passwords: the documented rules; hash, verify, rehash.

A hash is bcrypt over base64(HMAC-SHA-256(key = the bcrypt salt, NFC password)), written as passlib
does: `$bcrypt-sha256$v=2,t=2b,r=12$<salt, 22>$<digest, 31>`. So no character is cut, neither at 72
bytes nor at NUL, and a leaked plain SHA-256 of a password does not help against its hash.
Plain bcrypt hashes from elsewhere (`$2a$`, `$2b$`, `$2y$`) verify as they were made.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import bcrypt
from flask import current_app

from workhub.problems import Problem, ProblemType

MIN_CHARACTERS = 8
_BCRYPT_MAX_BYTES = 72
_KEYED = re.compile(
    r"\$bcrypt-sha256\$v=2,t=2b,r=(?P<cost>\d{1,2})"
    r"\$(?P<salt>[./A-Za-z0-9]{22})\$(?P<digest>[./A-Za-z0-9]{31})"
)


def _is_special(character: str) -> bool:
    return not (character.isalpha() or character.isdigit() or character.isspace())


_RULES: list[tuple[Callable[[str], bool], ProblemType]] = [
    (lambda p: len(p) >= MIN_CHARACTERS, ProblemType.PASSWORD_TOO_SHORT),
    (
        lambda p: any(map(str.isupper, p)) and any(map(str.islower, p)),
        ProblemType.PASSWORD_NEEDS_BOTH_CASES,
    ),
    (lambda p: any(map(_is_special, p)), ProblemType.PASSWORD_NEEDS_SPECIAL),
    (lambda p: any(map(str.isdigit, p)), ProblemType.PASSWORD_NEEDS_DIGIT),
]


def check_rules(password: str) -> None:
    """Refuse a password (in NFC) that breaks a documented rule.

    Raises:
        Problem: that of the first broken rule.
    """
    for holds, problem in _RULES:
        if not holds(password):
            raise Problem(problem)


def hash(password: str) -> str:
    """The hash of a password (in NFC) with a fresh salt, at the cost that is set."""
    return _keyed_hash(password, bcrypt.gensalt(current_app.config["BCRYPT_ROUNDS"]))


def _keyed_hash(password: str, setting: bytes) -> str:
    """Hash with bcrypt's own `$2b$<cost>$<salt>` as setting."""
    _, _, cost, salt = setting.split(b"$")
    keyed = base64.b64encode(hmac.digest(salt, password.encode(), hashlib.sha256))
    digest = bcrypt.hashpw(keyed, setting)[len(setting) :]
    return f"$bcrypt-sha256$v=2,t=2b,r={int(cost)}${salt.decode()}${digest.decode()}"


def verify(password: str, password_hash: str | None) -> bool:
    """Whether the password (in NFC) is the one that was hashed. A broken hash is nobody's.

    Without a hash (there is no such account) it takes as long and says no.
    """
    if password_hash is None:
        _keyed_hash(password, b"$2b$%02d$" % current_app.config["BCRYPT_ROUNDS"] + b"." * 22)
        return False
    try:
        if keyed := _KEYED.fullmatch(password_hash):
            setting = f"$2b${int(keyed['cost']):02d}${keyed['salt']}".encode()
            return hmac.compare_digest(_keyed_hash(password, setting), password_hash)
        return bcrypt.checkpw(password.encode()[:_BCRYPT_MAX_BYTES], password_hash.encode())
    except ValueError:
        return False


def needs_rehash(password_hash: str) -> bool:
    """Whether a hash is of another form than ours, or of a lower cost than is set."""
    keyed = _KEYED.fullmatch(password_hash)
    return keyed is None or int(keyed["cost"]) < current_app.config["BCRYPT_ROUNDS"]
