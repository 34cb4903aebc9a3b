"""Trimming: the newest processed entries stay, and for a while those that a consumer group still needs."""

import asyncio
import time

from footfall.config import Settings
from footfall.keys import Keys
from footfall.logs import log
from footfall.store.pipeline import Connection
from footfall.store.trimming import Held, trim_call

#: processed entries after which it is due again, or more when fewer than are retained are there
_EVERY = 10_000
#: seconds after which it is due again while a group holds it back: the group may have caught up
EVERY_S = 10.0
#: most entries that one call removes
AT_ONCE = 20_000


class Trim:
    """Keeps the newest `retain` processed entries; never removes one after the checkpoint.

    Entries that a consumer group has pending or has not been delivered stay, too, up to `retain_for_groups` of them.
    """

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._settings = settings
        self._passed, self._every = 0, 1
        self._last = 0.0
        #: groups that are said to hold it back
        self._said: set[str] = set()
        #: the group that still needed what was removed; empty for none
        self._cut = ""
        #: how many entries it has removed
        self.removed = 0
        #: how many of these a consumer group still needed, or came after one that it needed
        self.removed_needed = 0
        #: who holds it back now
        self.held: Held | None = None

    def start_over(self) -> None:
        """Be due with the next batch: the stream may be another one."""
        self._every = 1

    def passed(self, entries: int) -> None:
        """The checkpoint has passed so many entries."""
        self._passed += entries

    @property
    def is_due(self) -> bool:
        """Whether `run` may have something to do."""
        return self._passed >= self._every or (self.held is not None and time.monotonic() - self._last >= EVERY_S)

    async def run(self, connection: Connection, stopping: asyncio.Event) -> None:
        """Trim, in calls of about 2 ms, until nothing is left to trim or `stopping` is set."""
        cut = ""
        while True:
            trimmed = await trim_call(self._keys, self._settings, AT_ONCE).start(connection)
            self.removed += trimmed.removed
            self.removed_needed += trimmed.needed
            if trimmed.needed:
                cut = trimmed.group
            if not trimmed.removed or not trimmed.excess:
                break
            if stopping.is_set():
                return
        self._passed, self._every, self._last = 0, max(_EVERY, -trimmed.excess), time.monotonic()
        is_held = trimmed.excess > 0 and trimmed.group
        self.held = Held(trimmed.group, trimmed.excess) if is_held else None
        self._report(cut)

    def _report(self, cut: str) -> None:
        if self.held is None:
            if self._said:
                log.info("No consumer group holds back trimming any more.")
            self._said.clear()
        elif self.held.group not in self._said:
            self._said.add(self.held.group)
            log.warning(
                "The consumer group %s holds back trimming: %s kept for it, %s at most.",
                *(self.held.group, self.held.plural, f"{self._settings.checkins.retain_for_groups:,}"),
            )
        if cut and not self._cut:
            log.error(
                "The consumer group %s is more than %s entries behind what is retained: what it has not read or "
                "acknowledged is trimmed now.",
                *(cut, f"{self._settings.checkins.retain_for_groups:,}"),
            )
        self._cut = cut
