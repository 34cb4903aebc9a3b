"""Entries that others have removed from the stream before they were processed: noticed, counted, said."""

import time

from footfall.keys import Keys
from footfall.logs import log
from footfall.store.calls.metadata import Position
from footfall.store.calls.stream import count_lost
from footfall.store.pipeline import Connection

#: seconds after which it is due again: it costs a round trip, which check-ins that come one by one would notice
_EVERY_S = 1.0


class Gaps:
    """Sets the count of processed entries right when entries are gone, so that the backlog is what it says.

    How many are gone is known exactly when nothing, or everything, in the stream lies after the checkpoint.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._last = float("-inf")
        #: how many entries were found to be gone
        self.lost = 0

    @property
    def is_due(self) -> bool:
        """Whether some time has passed since the last `check`."""
        return time.monotonic() - self._last >= _EVERY_S

    async def check(self, connection: Connection, position: Position) -> None:
        """Look for what is gone. `position`: where processing stands, with nothing under way."""
        found = await count_lost(self._keys, position).start(connection)
        self._last = time.monotonic()
        if found > 0:
            self.lost += found
            log.error(
                "%s gone from the stream before %s processed: trimmed or deleted, but not by Footfall. "
                "Their check-ins are not counted; processing goes on.",
                f"{found:,} {'entry is' if found == 1 else 'entries are'}",
                "it was" if found == 1 else "they were",
            )
        elif found < 0:
            log.info("%s entries that were said to be lost never were; that is set right.", f"{-found:,}")
