"""Passwords to load: bcrypt hashes are kept, clear ones are hashed, and never logged."""

import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import bcrypt

#: bytes that bcrypt takes
MAX_BYTES = 72

#: hexadecimal digits of common digests
_DIGESTS = {32: "an MD5", 40: "a SHA-1", 56: "a SHA-224", 64: "a SHA-256", 96: "a SHA-384", 128: "a SHA-512"}
_hexadecimal = re.compile(r"[0-9a-f]+|[0-9A-F]+").fullmatch
_incomplete_bcrypt = re.compile(r"\$2[abxy]?\$[0-9]{2}\$").match
#: of crypt(3) and the PHC string format, of Django, of LDAP
_other_hash = re.compile(
    r"\$(1|5|6|7|y|gy|md5|sha1|apr1|argon2(id|i|d)|scrypt|pbkdf2(-[a-z0-9]+)?)\$.*\$"
    r"|(pbkdf2_sha(1|256)|bcrypt(_sha256)?|argon2|scrypt|md5|sha1)\$.*\$"
    r"|\{(S?MD5|S?SHA|S?SHA(256|384|512)|CRYPT|PBKDF2[-A-Z0-9]*)\}."
).match
_hash = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}").fullmatch


def is_hash(password: str) -> bool:
    """Whether it is a bcrypt hash."""
    return _hash(password) is not None


def digest_in(password: str) -> str | None:
    """What a password is that was hashed in another way: nobody could sign in who knows what it was made of.

    None for clear text, as far as one can tell, and for a bcrypt hash.
    """
    if is_hash(password):
        return None
    if name := _DIGESTS.get(len(password)) if _hexadecimal(password) else None:
        return f"{name} digest ({len(password)} hexadecimal digits)"
    if _incomplete_bcrypt(password):
        return "a bcrypt hash that was cut off or changed"
    return "a password hash of another kind" if _other_hash(password) else None


class Hasher:
    """Hashes with all processors: bcrypt runs outside of Python's lock."""

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._pool = ThreadPoolExecutor(os.cpu_count())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def hash_all(self, passwords: Iterable[str]) -> Iterator[bytes]:
        """The hash of each, in order; every clear password gets a salt of its own."""
        return self._pool.map(self._hash, passwords)

    def _hash(self, password: str) -> bytes:
        if is_hash(password):
            return password.encode()
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(self._cost))
