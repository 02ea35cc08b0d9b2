"""Passwords: the documented rules; hash, verify, rehash.

A hash is bcrypt over base64(HMAC-SHA-256(key = the bcrypt salt, NFC password)), written as passlib
does: `$bcrypt-sha256$v=2,t=2b,r=12$<salt, 22>$<digest, 31>`. So no character is cut, neither at 72
bytes nor at NUL, and a leaked plain SHA-256 of a password does not help against its hash.
Hashes from elsewhere verify as they were made, and are replaced at the next log-in: plain bcrypt
(`$2a$`, `$2b$`, `$2y$`) and passlib's first form (`$bcrypt-sha256$2b,12$...`: no key).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import bcrypt
from flask import current_app

from workhub.accounts.hashing import pool
from workhub.problems import Problem, ProblemType

MIN_CHARACTERS = 8
MAX_COST = 16  # of a hash from elsewhere: above, a log-in takes seconds
_BCRYPT_MAX_BYTES = 72
_SALT_AND_DIGEST = r"(?P<salt>[./A-Za-z0-9]{22})\$?(?P<digest>[./A-Za-z0-9]{31})"
_KEYED = re.compile(
    r"\$bcrypt-sha256\$v=2,t=(?P<type>2[ab]),r=(?P<cost>\d{1,2})\$" + _SALT_AND_DIGEST
)
_UNKEYED = re.compile(r"\$bcrypt-sha256\$(?P<type>2[ab]),(?P<cost>\d{1,2})\$" + _SALT_AND_DIGEST)
_PLAIN = re.compile(r"\$(?P<type>2[aby])\$(?P<cost>\d\d)\$" + _SALT_AND_DIGEST)


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
    setting = bcrypt.gensalt(current_app.config["BCRYPT_ROUNDS"])
    _, _, cost, salt = setting.split(b"$")
    digest = pool.run(bcrypt.hashpw, _keyed(password, salt), setting)[len(setting) :]
    return f"$bcrypt-sha256$v=2,t=2b,r={int(cost)}${salt.decode()}${digest.decode()}"


def _keyed(password: str, salt: bytes) -> bytes:
    return base64.b64encode(hmac.digest(salt, password.encode(), hashlib.sha256))


def verify(password: str, password_hash: str | None) -> bool:
    """Whether the password (in NFC) is the one that was hashed. A broken hash is nobody's.

    Without a hash (there is no such account) it takes as long and says no.
    """
    if password_hash is None:
        salt = b"." * 22
        pool.run(
            bcrypt.hashpw,
            _keyed(password, salt),
            b"$2b$%02d$" % current_app.config["BCRYPT_ROUNDS"] + salt,
        )
        return False
    if made := _KEYED.fullmatch(password_hash):
        given = _keyed(password, made["salt"].encode())
    elif made := _UNKEYED.fullmatch(password_hash):
        given = base64.b64encode(hashlib.sha256(password.encode()).digest())
    elif made := _PLAIN.fullmatch(password_hash):
        given = password.encode()[:_BCRYPT_MAX_BYTES]
    else:
        return False
    plain = f"${made['type']}${int(made['cost']):02d}${made['salt']}{made['digest']}"
    try:
        return pool.run(bcrypt.checkpw, given, plain.encode())
    except ValueError:  # a cost or a salt that bcrypt does not know
        return False


def needs_rehash(password_hash: str) -> bool:
    """Whether a hash is of another form than ours, or of a lower cost than is set."""
    made = _KEYED.fullmatch(password_hash)
    return made is None or int(made["cost"]) < current_app.config["BCRYPT_ROUNDS"]


def fault(password_hash: str) -> str | None:
    """Why a hash from elsewhere can't be taken over, in words; None where it can."""
    made = next(
        filter(None, (form.fullmatch(password_hash) for form in (_KEYED, _UNKEYED, _PLAIN))), None
    )
    if made is None:
        return "is no hash of a kind that is known ($2a$, $2b$, $2y$, $bcrypt-sha256$)"
    if not 4 <= int(made["cost"]) <= MAX_COST:
        return f"has a cost outside 4 to {MAX_COST}"
    return None
