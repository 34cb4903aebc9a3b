"""Passwords that somebody sets: checked, and hashed outside of the event loop. None is ever logged."""

from functools import partial

import bcrypt

from footfall.domain.bcrypt_threads import BcryptThreads
from footfall.domain.passwords import MAX_BYTES, is_hash
from footfall.errors import InvalidError, OverloadedError

#: passwords that may wait to be hashed; each takes about 0.25 s of a processor with the default `bcrypt_cost`
_MOST = 32


class PasswordHasher:
    """Hashes clear passwords, in threads of its own."""

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._threads = BcryptThreads()

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
        if self._threads.pending >= _MOST:
            raise OverloadedError("too many passwords wait to be hashed")
        return await self._threads.run(partial(self._hash, password.encode()))

    def close(self) -> None:
        """Forget those that wait."""
        self._threads.close()

    def _hash(self, password: bytes) -> bytes:
        return bcrypt.hashpw(password, bcrypt.gensalt(self._cost))
