"""What the processor does for activity: what a batch adds to it, and the window of trending locations moved on."""

import secrets
import time
from collections import defaultdict
from collections.abc import Iterable

from footfall.config import ActivitySettings
from footfall.domain.activity import BUCKET_MS, HOUR_MS, PRESENCE_MS, WEEK_HOURS, WINDOW_BUCKETS
from footfall.domain.entries import Fields
from footfall.keys import ID_DIGITS, Keys
from footfall.processor.clock import ServerClock
from footfall.store.calls.activity import roll_trending
from footfall.store.calls.process import Activity
from footfall.store.pipeline import Connection

#: ms that this process's idea of the server's clock may be off: process.lua decides, by the server's own
_MARGIN_MS = HOUR_MS
#: how often a roll is begun again because check-ins have come meanwhile, before it is left for later
_TRIES = 5
#: seconds until it is tried again then
_AGAIN_S = 1.0


def activity_of(checkins: Iterable[tuple[bytes, Fields]], kinds: ActivitySettings, now_ms: int) -> Activity:
    """What these check-ins, in stream order, add to activity of these kinds.

    `now_ms`: the server's time, to leave out what is too old.
    """
    now_ms -= _MARGIN_MS
    history, keeps_presence = kinds.history, kinds.presence
    hourly, trending = kinds.hourly, kinds.trending
    hours_since, presence_since = now_ms - WEEK_HOURS * HOUR_MS, now_ms - PRESENCE_MS
    trending_since = now_ms - WINDOW_BUCKETS * BUCKET_MS
    since = hours_since if hourly else presence_since if keeps_presence else trending_since
    keeps_others, counts_buckets = keeps_presence or hourly or trending, hourly or trending
    of_users: dict[bytes, list[bytes]] = defaultdict(list)
    of_locations: dict[bytes, list[bytes]] = defaultdict(list)
    presence: dict[bytes, list[bytes]] = defaultdict(list)
    buckets: dict[int, dict[bytes, int]] = {}
    counts: dict[bytes, int] = {}
    bucket_end = 0
    for entry_id, (location, user, stars) in checkins:
        if history:
            of_users[user].append(b"%b %b %b" % (entry_id, location, stars))
            of_locations[location].append(b"%b %b %b" % (entry_id, user, stars))
        if not keeps_others:
            continue
        ms_text = entry_id.partition(b"-")[0]
        ms = int(ms_text)
        if ms < since:
            continue
        if keeps_presence and ms >= presence_since:
            presence[location] += (b"-" + ms_text, user.zfill(ID_DIGITS))
        if counts_buckets:
            if ms >= bucket_end:
                bucket = ms // BUCKET_MS
                counts, bucket_end = buckets.setdefault(bucket, {}), (bucket + 1) * BUCKET_MS
            counts[location] = counts.get(location, 0) + 1
    hours = _hours(buckets) if hourly else {}
    for bucket in list(buckets):
        if not trending or (bucket + 1) * BUCKET_MS <= trending_since:
            del buckets[bucket]
    return Activity(history, of_users, of_locations, presence, hours, buckets)


def _hours(buckets: dict[int, dict[bytes, int]]) -> dict[int, dict[bytes, int]]:
    hours: dict[int, dict[bytes, int]] = {}
    for bucket, counts in buckets.items():
        hour = bucket * BUCKET_MS // HOUR_MS
        if hour not in hours:
            hours[hour] = counts.copy()
            continue
        of_hour = hours[hour]
        for location, count in counts.items():
            of_hour[location] = of_hour.get(location, 0) + count
    return hours


class Trending:
    """The window of trending locations, as far as this processor has moved it: also when no check-ins come."""

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
