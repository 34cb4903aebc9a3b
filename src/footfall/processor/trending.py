"""Moving the window of trending locations on, also when no check-ins come."""

import secrets
import time

from footfall.activity import BUCKET_MS
from footfall.keys import Keys
from footfall.store.calls.activity import roll_trending
from footfall.store.pipeline import Connection

#: how often a roll is begun again because check-ins have come meanwhile, before it is left for later
_TRIES = 5
#: seconds until it is tried again then
_AGAIN_S = 1.0


class ServerClock:
    """The server's time, asked for now and then, and reckoned by this machine's in between."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    async def set(self, connection: Connection) -> None:
        """Ask for it."""
        seconds, microseconds = await connection.call("TIME")
        self._ahead_s = int(seconds) + int(microseconds) / 1e6 - time.time()

    @property
    def ms(self) -> int:
        """The server's time."""
        return int(1000 * (time.time() + self._ahead_s))


class Trending:
    """The window of trending locations, as far as this processor has moved it."""

    def __init__(self, keys: Keys, clock: ServerClock, *, is_kept: bool) -> None:
        self._keys, self._clock, self._is_kept = keys, clock, is_kept
        self._bucket = 0
        self._not_before = 0.0

    @property
    def is_due(self) -> bool:
        """Whether a new bucket has begun. Costs little, so it may be asked for each batch."""
        return self._clock.ms // BUCKET_MS > self._bucket and time.monotonic() >= self._not_before

    async def roll(self, connection: Connection) -> None:
        """Move the window on to the bucket that it is now, in calls of about 2 ms. With nothing under way.

        It is left for later when others apply check-ins meanwhile. Also sets the clock. Raises BrokenKeyError.
        """
        await self._clock.set(connection)
        await self.roll_to(connection, self._clock.ms // BUCKET_MS)

    async def roll_to(self, connection: Connection, bucket: int) -> None:
        """Move the window on to this bucket, as `roll`; nothing when trending is off."""
        if not self._is_kept:
            self._bucket = bucket
            return
        for _ in range(_TRIES):
            token, place, word = secrets.token_hex(8), b"", b"NEXT"
            while word == b"NEXT":
                word, place = await roll_trending(self._keys, token, bucket, place).start(connection)
            if word == b"DONE":
                self._bucket = bucket
                return
            if word == b"EARLY":
                break
        self._not_before = time.monotonic() + _AGAIN_S
