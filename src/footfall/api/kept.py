"""An answer that many ask for at once, and that takes long to make."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: seconds for which an answer is given again, and at least so many times as long as it took to make
_KEPT_S = 1.0
_PAUSES = 4


class Kept(Generic[T]):
    """Makes an answer once for all who ask within a second, and never spends more than a fifth of the time on it."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._making: asyncio.Task[T] | None = None
        self._until = 0.0

    async def get(self) -> T:
        """The answer. Raises what making it raises; that is not kept."""
        now = asyncio.get_running_loop().time()
        if self._making is None or (self._making.done() and (now > self._until or self._making.exception())):
            self._making = asyncio.create_task(self._timed())
        return await asyncio.shield(self._making)

    async def _timed(self) -> T:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            return await self._make()
        finally:
            self._until = loop.time() + max(_KEPT_S, _PAUSES * (loop.time() - begun))
