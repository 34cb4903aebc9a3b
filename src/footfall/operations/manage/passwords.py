"""Passwords that somebody sets: checked, and hashed outside of the event loop. None is ever logged."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from footfall.domain.passwords import MAX_BYTES, is_hash, processors
from footfall.errors import InvalidError, OverloadedError

#: passwords that may wait to be hashed; each takes about 0.25 s of a processor with the default `bcrypt_cost`
_MOST = 32


class PasswordHasher:
    """Hashes clear passwords in threads of its own, as many as there are processors."""

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._pool = ThreadPoolExecutor(processors(), thread_name_prefix="bcrypt")
        self._waiting = 0

    async def hash(self, password: str) -> bytes:
        """The bcrypt hash, with a salt of its own.

        Raises InvalidError for a password that bcrypt would cut off, and for what is a hash already: taken as clear
        text nobody could sign in with it, taken as it is its cost would be whatever the sender likes. `footfall load`
        takes hashes. Raises OverloadedError when too many wait.
        """
        if is_hash(password):
            raise InvalidError([("password", "is a bcrypt hash; only `footfall load` takes these")])
        if len(password.encode()) > MAX_BYTES:
            raise InvalidError([("password", f"is longer than the {MAX_BYTES} bytes that bcrypt takes")])
        if self._waiting >= _MOST:
            raise OverloadedError("too many passwords wait to be hashed")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._hash, password.encode())
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Forget those that wait."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _hash(self, password: bytes) -> bytes:
        return bcrypt.hashpw(password, bcrypt.gensalt(self._cost))
