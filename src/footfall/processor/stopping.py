"""Told to stop: what waits, waits no longer."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Stopping(asyncio.Event):
    """Set once the processor is told to stop."""

    async def unless_set(self, awaitable: Awaitable[T]) -> T | None:
        """The result, or None when it is set before that is there; the awaitable is cancelled then."""
        wanted = asyncio.ensure_future(awaitable)
        stopped = asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait((wanted, stopped), return_when=asyncio.FIRST_COMPLETED)
            return wanted.result() if wanted.done() else None
        finally:
            wanted.cancel()
            stopped.cancel()

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until it is set."""
        await self.unless_set(asyncio.sleep(seconds))
