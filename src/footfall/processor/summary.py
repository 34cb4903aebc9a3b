"""What the processor says of its work: how much it was, about once a second, and never nothing of it.

One that ends with the stream (`--once`) shows how far it is instead, and says at its end how much it was.
"""

import contextlib
import time
from typing import TYPE_CHECKING, Self

from footfall.errors import BrokenKeyError
from footfall.keys import Keys
from footfall.logs import log
from footfall.process.terminal import Bars, progress
from footfall.store.calls.stream import backlog
from footfall.store.pipeline import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

#: seconds between two lines: a batch may be one check-in, and there may be a thousand a second
_EVERY_S = 1.0


class Summary:
    """Counts what is applied, and logs it: the first at once, then what has come together in a second.

    Inside its `with`. `ends`: the work has an end, towards which there is progress.
    """

    def __init__(self, keys: Keys, *, ends: bool) -> None:
        self._keys = keys
        self._checkins = 0
        self._last_id = b""
        self._said_at = float("-inf")
        self._progress = progress() if ends else None
        self._advance: Callable[[int], None] | None = None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
        self.say()

    async def begin(self, connection: Connection) -> None:
        """The work begins, or goes on after an outage."""
        if self._progress is None or self._advance is not None:
            return
        with contextlib.suppress(BrokenKeyError):  # whatever is wrong, the work itself says
            left = await backlog(self._keys).start(connection)
            if left.entries > 0:
                self._advance = Bars(self._progress).bar("processing", left.entries)

    def add(self, entries: int, checkins: int, last_id: bytes) -> None:
        """A batch of entries was applied, up to this one; so many of them were check-ins, not dead letters."""
        self._checkins += checkins
        self._last_id = last_id
        if self._advance is not None:
            self._advance(entries)
        self.say_when_due()

    def say_when_due(self) -> None:
        """Log what was applied since the last line, when that is a second ago. Costs little."""
        if self._last_id and self._progress is None and time.monotonic() - self._said_at >= _EVERY_S:
            self.say()

    def say(self) -> None:
        """Log what was applied since the last line, if there is something."""
        if self._last_id:
            plural = "" if self._checkins == 1 else "s"
            log.info("Processed %s check-in%s up to %s.", f"{self._checkins:,}", plural, self._last_id.decode())
            self._checkins, self._last_id, self._said_at = 0, b"", time.monotonic()
