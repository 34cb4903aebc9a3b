"""What a batch adds to what is kept of the newest check-ins: histories, who is where, hours, trending locations."""

from collections import defaultdict
from collections.abc import Iterable

from footfall.entries import Fields
from footfall.kept import BUCKET_MS, BUCKETS, HOUR_MS, HOURS, NOW_MS, Kept
from footfall.keys import Keys
from footfall.store.pipeline import Argument

#: ms that this process's idea of the server's clock may be off: process.lua decides, by the server's own
_MARGIN_MS = HOUR_MS
#: ids with so many digits sort as numbers
_DIGITS = 16


class Recent:
    """The keys and arguments of one batch, in the order in which process.lua takes them."""

    def __init__(self, kept: Kept, now_ms: int, checkins: Iterable[tuple[bytes, Fields]]) -> None:
        """`now_ms`: the server's time, to leave out what process.lua would pass over. `checkins`: in stream order."""
        self._kept = kept
        self._user_items: dict[bytes, list[bytes]] = defaultdict(list)
        self._location_items: dict[bytes, list[bytes]] = defaultdict(list)
        #: location -> -ms and user of each check-in there
        self._here: dict[bytes, list[bytes]] = defaultdict(list)
        #: hour -> location -> check-ins
        self._hours: dict[int, dict[bytes, int]] = {}
        #: bucket -> location -> check-ins
        self._buckets: dict[int, dict[bytes, int]] = {}
        if any(kept):
            self._fold(checkins, now_ms - _MARGIN_MS)

    def keys(self, keys: Keys, users: Iterable[bytes], locations: Iterable[bytes]) -> list[bytes]:
        """The keys; `users` and `locations` are all of the batch, in its order."""
        result: list[bytes] = []
        if self._kept.history:
            result += map(keys.user_history, users)
            result += map(keys.location_history, locations)
        result += map(keys.location_now, self._here)
        result += map(keys.hour, self._hours)
        if self._buckets:
            result += (*map(keys.trending_bucket, self._buckets), keys.trending_state, *keys.trending_orders)
        return result

    def arguments(self, users: Iterable[bytes], locations: Iterable[bytes]) -> list[Argument]:
        """The arguments that belong to `keys`."""
        history = self._kept.history
        result: list[Argument] = [history, len(self._here), len(self._hours), len(self._buckets)]
        if not any(result):
            return []
        for present in self._here.values():
            result.append(len(present))
            result += present
        for period, counts in (*self._hours.items(), *self._buckets.items()):
            result += (period, len(counts))
            result += [location.zfill(_DIGITS) for location in counts]
            result += counts.values()
        if history:
            for records, items_of in ((users, self._user_items), (locations, self._location_items)):
                result += [b",".join(items_of[record][-history:]) for record in records if record in items_of]
        return result

    def _fold(self, checkins: Iterable[tuple[bytes, Fields]], now_ms: int) -> None:
        history, now, hourly, trending = self._kept
        hours_since, now_since, trending_since = now_ms - HOURS * HOUR_MS, now_ms - NOW_MS, now_ms - BUCKETS * BUCKET_MS
        since = hours_since if hourly else now_since if now else trending_since
        keeps_others, counts_buckets = now or hourly or trending, hourly or trending
        user_items, location_items, here, buckets = self._user_items, self._location_items, self._here, self._buckets
        counts: dict[bytes, int] = {}
        bucket_end = 0
        for entry_id, (location, user, stars) in checkins:
            if history:
                user_items[user].append(b"%b %b %b" % (entry_id, location, stars))
                location_items[location].append(b"%b %b %b" % (entry_id, user, stars))
            if not keeps_others:
                continue
            ms_text = entry_id.partition(b"-")[0]
            ms = int(ms_text)
            if ms < since:
                continue
            if now and ms >= now_since:
                here[location] += (b"-" + ms_text, user.zfill(_DIGITS))
            if counts_buckets:
                if ms >= bucket_end:
                    bucket = ms // BUCKET_MS
                    counts, bucket_end = buckets.setdefault(bucket, {}), (bucket + 1) * BUCKET_MS
                counts[location] = counts.get(location, 0) + 1
        if hourly:
            self._add_up_hours()
        for bucket in list(buckets):
            if not trending or (bucket + 1) * BUCKET_MS <= trending_since:
                del buckets[bucket]

    def _add_up_hours(self) -> None:
        for bucket, counts in self._buckets.items():
            hour = bucket * BUCKET_MS // HOUR_MS
            if hour not in self._hours:
                self._hours[hour] = counts.copy()
                continue
            of_hour = self._hours[hour]
            for location, count in counts.items():
                of_hour[location] = of_hour.get(location, 0) + count
