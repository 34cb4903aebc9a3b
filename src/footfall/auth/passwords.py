"""Checking passwords: bcrypt takes a fifth of a second on purpose, so it runs in threads, and not in too many."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from footfall.auth.metrics import Metrics
from footfall.errors import OverloadedError
from footfall.loader.passwords import MAX_BYTES, is_hash, processors

#: checks that wait for each thread, at most: with the usual cost the last one waits for about four seconds
_WAITING_EACH = 16


class Passwords:
    """Checks passwords off the event loop; bcrypt runs outside of Python's lock."""

    def __init__(self, metrics: Metrics, cost: int) -> None:
        """`cost`: what a check costs for nobody, until one has cost something else."""
        threads = processors()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        self._most = threads * (1 + _WAITING_EACH)
        self._metrics = metrics
        self._pending = 0
        self._cost = cost

    async def check(self, password: str, stored: bytes | None) -> bool:
        """Whether `stored` is the hash of the password.

        Without one (there is no such user, or the password is longer than any can be) it is False and takes as long.
        Raises OverloadedError, without a look, when too many checks wait.
        """
        if self._pending >= self._most:
            raise OverloadedError("too many people sign in at the moment")
        clear = password.encode()
        if stored is None or not is_hash(stored.decode(errors="replace")):
            stored = None
        else:
            self._cost = int(stored[4:6])
        # a check against a hash of random bytes: nothing has it
        against = bcrypt.gensalt(self._cost) + b"." * 31 if stored is None or len(clear) > MAX_BYTES else stored
        self._pending += 1
        self._metrics.waiting(self._pending)
        try:
            matches = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._check, clear[:MAX_BYTES], against
            )
        finally:
            self._pending -= 1
            self._metrics.waiting(self._pending)
        return matches and against is stored

    def close(self) -> None:
        """Let the checks under way end; the others are not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, clear: bytes, against: bytes) -> bool:
        began = time.perf_counter()
        matches = bcrypt.checkpw(clear, against)
        self._metrics.checked(time.perf_counter() - began)
        return matches
