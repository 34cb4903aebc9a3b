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

_hash = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}").fullmatch


def is_hash(password: str) -> bool:
    """Whether it is a bcrypt hash."""
    return _hash(password) is not None


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
