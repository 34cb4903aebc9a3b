"""Checking passwords, in threads; not more at once than are answered soon."""

import math
import time
from functools import partial

import bcrypt

from footfall.auth.metrics import Metrics
from footfall.domain.bcrypt_threads import BcryptThreads
from footfall.domain.passwords import MAX_BYTES, is_hash
from footfall.errors import OverloadedError

#: seconds that a check may have to wait for its turn, as far as the last ones tell
_MAX_WAIT_S = 2.0
#: checks that wait for each thread, at most, however short they are
_WAITING_EACH = 16
#: seconds that a check is taken to last until one was made: of one with cost 12, and twice as long with each more
_SECONDS_AT_12 = 0.25
#: how much the last check counts for what the next one is taken to last
_WEIGHT = 0.25


class Passwords:
    """Checks passwords off the event loop."""

    def __init__(self, metrics: Metrics, cost: int, threads: BcryptThreads | None = None) -> None:
        """`cost`: what a check costs for nobody, until one has cost something else."""
        self._threads = threads or BcryptThreads()
        self._seconds = _SECONDS_AT_12 * 2.0 ** (cost - 12)
        self._metrics = metrics
        self._cost = cost

    async def check(self, password: str, stored: bytes | None) -> bool:
        """Whether `stored` is the hash of the password.

        Without one (there is no such user, or the password is longer than any can be) it is False and takes as long.
        Raises OverloadedError, without a look, when it would have to wait for too long.
        """
        pending, count = self._threads.pending, self._threads.count
        wait_s = max(0, pending - count + 1) * self._seconds / count
        if wait_s > _MAX_WAIT_S or pending >= count * (1 + _WAITING_EACH):
            error = OverloadedError("too many people sign in at the moment")
            error.retry_after = max(1, math.ceil(wait_s))  # type: ignore[misc]
            raise error
        clear = password.encode()
        if stored is None or not is_hash(stored.decode(errors="replace")):
            stored = None
        else:
            self._cost = int(stored[4:6])
        # a check against a hash of random bytes: nothing has it
        against = bcrypt.gensalt(self._cost) + b"." * 31 if stored is None or len(clear) > MAX_BYTES else stored
        self._metrics.waiting(pending + 1)
        try:
            matches, seconds = await self._threads.run(partial(self._check, clear[:MAX_BYTES], against))
            self._seconds += (seconds - self._seconds) * _WEIGHT
        finally:
            self._metrics.waiting(self._threads.pending)
        return matches and against is stored

    def close(self) -> None:
        """Let the checks under way end; the others are not begun."""
        self._threads.close()

    def _check(self, clear: bytes, against: bytes) -> tuple[bool, float]:
        """Whether it matches, and how long that took."""
        began = time.perf_counter()
        matches = bcrypt.checkpw(clear, against)
        seconds = time.perf_counter() - began
        self._metrics.checked(seconds)
        return matches, seconds
