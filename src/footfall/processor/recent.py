"""What a batch adds to what is kept of the newest check-ins: histories, who is where, hours, trending locations."""

from collections import defaultdict
from collections.abc import Iterable

from footfall.activity import BUCKET_MS, BUCKETS, HOUR_MS, HOURS, NOW_MS, Kept
from footfall.domain.entries import Fields
from footfall.store.calls.process import Newest

#: ms that this process's idea of the server's clock may be off: process.lua decides, by the server's own
_MARGIN_MS = HOUR_MS
#: ids with so many digits sort as numbers
_DIGITS = 16


def newest(kept: Kept, now_ms: int, checkins: Iterable[tuple[bytes, Fields]]) -> Newest:
    """What these check-ins, in stream order, add to it. `now_ms`: the server's time, to leave out what is too old."""
    now_ms -= _MARGIN_MS
    history, now, hourly, trending = kept
    hours_since, now_since, trending_since = now_ms - HOURS * HOUR_MS, now_ms - NOW_MS, now_ms - BUCKETS * BUCKET_MS
    since = hours_since if hourly else now_since if now else trending_since
    keeps_others, counts_buckets = now or hourly or trending, hourly or trending
    of_users: dict[bytes, list[bytes]] = defaultdict(list)
    of_locations: dict[bytes, list[bytes]] = defaultdict(list)
    here: dict[bytes, list[bytes]] = defaultdict(list)
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
        if now and ms >= now_since:
            here[location] += (b"-" + ms_text, user.zfill(_DIGITS))
        if counts_buckets:
            if ms >= bucket_end:
                bucket = ms // BUCKET_MS
                counts, bucket_end = buckets.setdefault(bucket, {}), (bucket + 1) * BUCKET_MS
            counts[location] = counts.get(location, 0) + 1
    hours = _hours(buckets) if hourly else {}
    for bucket in list(buckets):
        if not trending or (bucket + 1) * BUCKET_MS <= trending_since:
            del buckets[bucket]
    return Newest(history, of_users, of_locations, here, hours, buckets)


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
