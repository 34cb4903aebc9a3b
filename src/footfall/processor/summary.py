"""What the processor says of its work: how much it was, about once a second, and never nothing of it."""

import time

from footfall.logs import log

#: seconds between two lines: a batch may be one check-in, and there may be a thousand a second
_EVERY_S = 1.0


class Summary:
    """Counts what is applied, and logs it: the first at once, then what has come together in a second."""

    def __init__(self) -> None:
        self._checkins = 0
        self._last_id = b""
        self._said_at = float("-inf")

    def add(self, checkins: int, last_id: bytes) -> None:
        """A batch was applied, up to this entry."""
        self._checkins += checkins
        self._last_id = last_id
        self.say_when_due()

    def say_when_due(self) -> None:
        """Log what was applied since the last line, when that is a second ago. Costs little."""
        if self._last_id and time.monotonic() - self._said_at >= _EVERY_S:
            self.say()

    def say(self) -> None:
        """Log what was applied since the last line, if there is something."""
        if self._last_id:
            plural = "" if self._checkins == 1 else "s"
            log.info("Processed %d check-in%s up to %s.", self._checkins, plural, self._last_id.decode())
            self._checkins, self._last_id, self._said_at = 0, b"", time.monotonic()
