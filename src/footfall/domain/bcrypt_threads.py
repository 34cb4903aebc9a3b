"""Threads for bcrypt: it takes a fifth of a second on purpose, outside of Python's lock, and must not hold the loop."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BcryptThreads:
    """As many threads as there are processors; what is more waits for its turn."""

    def __init__(self, count: int | None = None) -> None:
        self.count = processors() if count is None else count
        #: what is under way, or waits
        self.pending = 0
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="bcrypt")

    async def run(self, work: Callable[[], T]) -> T:
        """What the work comes to, done in one of the threads."""
        self.pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self.pending -= 1

    def close(self) -> None:
        """Let what is under way end; the rest is not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def processors() -> int:
    """How many this process may use: a container or `taskset` may leave it fewer than there are."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1
