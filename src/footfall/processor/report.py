"""What the processor says of its work: each dead letter, and how much was processed, about once a second.

One that ends with the stream (`--once`) shows how far it is instead, and says at its end how much it was. With
`--delay` it says each check-in instead; at level debug it says each, too.
"""

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Self

from footfall.config import ProcessorSettings
from footfall.errors import BrokenKeyError
from footfall.keys import Keys
from footfall.logs import checkin_log, log
from footfall.process.terminal import Bars, progress
from footfall.processor.batch import Batch
from footfall.processor.calls import Done
from footfall.store.calls.stream import backlog
from footfall.store.pipeline import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

#: seconds between two lines: a batch may be one check-in, and there may be a thousand a second
_EVERY_S = 1.0


class Report:
    """Logs what is applied: the first at once, then what has come together in a second. To be used in its `with`."""

    def __init__(self, keys: Keys, settings: ProcessorSettings) -> None:
        self._keys = keys
        #: with `--delay`: each check-in is said, and no sum of them
        self._says_each = settings.delay
        self._logs_checkins = checkin_log.isEnabledFor(logging.DEBUG)
        self._checkins = 0
        self._last_id = b""
        self._said_at = float("-inf")
        self._progress = progress() if settings.once else None
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

    def announce(self, batch: Batch) -> None:
        """A batch will be sent."""
        if self._logs_checkins:
            for _, fields in batch.checkins:
                user, location = self._keys.user(fields.user_id), self._keys.location(fields.location_id)
                checkin_log.debug("Updating user %s and location %s.", user.decode(), location.decode())

    def applied(self, done: Done) -> None:
        """A batch was applied."""
        for entry_id, reason in done.batch.dead_letters:
            log.warning("Entry %s became a dead letter: %s.", entry_id.decode(), reason.value)
        if self._logs_checkins:
            level = logging.INFO if self._says_each else logging.DEBUG
            for entry_id, _ in done.batch.checkins:
                checkin_log.log(level, "Processed checkin %s.", entry_id.decode())
        if self._says_each:
            return
        self._checkins += done.applied.checkins
        self._last_id = done.batch.last_id
        if self._advance is not None:
            self._advance(len(done.batch))
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
