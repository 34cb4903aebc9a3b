"""Hashing clear passwords: with all processors, in order, and with a word before on how long it takes."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import bcrypt

from footfall.domain.bcrypt_threads import processors
from footfall.domain.passwords import is_hash
from footfall.logs import log
from footfall.process.terminal import duration

#: passwords that are given to each thread ahead of the one whose hash is wanted next: so threads work on while hashes
#: are written
_AHEAD_EACH = 4
#: bcrypt's cost when it is measured (some 12 ms), and how often each thread does it
_MEASURED_COST, _MEASURED_TIMES = 8, 8
#: seconds: what takes less is not said before, and to what takes longer belongs how it would take less
WORTH_A_LINE_S, _LONG_S = 2.0, 600.0
_ADVICE = " A --bcrypt-cost of one less takes half of that; bcrypt hashes in the file are kept as they are."


class Hasher:
    """Hashes with all processors: bcrypt runs outside of Python's lock, so threads do.

    Leaving its `with` waits for the hashes under way, one for each processor, and begins no others.
    """

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._threads = processors()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="bcrypt")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def say_how_long(self, passwords: Iterable[str]) -> None:
        """Log about how long `hash_all` will take, when that is worth a line: with the default cost it may be days."""
        clear = sum(not is_hash(password) for password in passwords)
        if clear <= self._threads:
            return
        seconds = clear * self._seconds_each()
        if seconds < WORTH_A_LINE_S:
            return
        log.info(
            "%s passwords are in clear text; hashing them with bcrypt (cost %d, %s) takes about %s.%s",
            *(f"{clear:,}", self._cost, "1 processor" if self._threads == 1 else f"{self._threads} processors"),
            *(duration(seconds), _ADVICE if seconds >= _LONG_S else ""),
        )

    def hash_all(self, passwords: Iterable[str]) -> Iterator[bytes]:
        """The hash of each, in order, a few ahead; every clear password gets a salt of its own, bcrypt hashes stay."""
        ahead: deque[bytes | Future[bytes]] = deque()
        for password in passwords:
            ahead.append(
                password.encode() if is_hash(password) else self._pool.submit(self._hash, password, self._cost)
            )
            if len(ahead) > _AHEAD_EACH * self._threads:
                yield _result(ahead.popleft())
        while ahead:
            yield _result(ahead.popleft())

    def _seconds_each(self) -> float:
        """Measured with all threads at once: they may share what computes, or get less of it than they see."""
        cost = min(self._cost, _MEASURED_COST)
        times = _MEASURED_TIMES * self._threads
        began = time.perf_counter()
        for _ in self._pool.map(self._hash, ["measured"] * times, [cost] * times):
            pass
        # one more of the cost is twice the time
        return (time.perf_counter() - began) / times * 2.0 ** (self._cost - cost)

    @staticmethod
    def _hash(password: str, cost: int) -> bytes:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))


def _result(hashed: bytes | Future[bytes]) -> bytes:
    return hashed if isinstance(hashed, bytes) else hashed.result()
