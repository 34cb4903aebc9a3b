"""What must be kept of the newest check-ins, counted again from those that were applied: naive, like the replay."""

from collections import Counter, defaultdict
from typing import Any, NamedTuple

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


class Applied(NamedTuple):
    """An entry that was applied."""

    entry_id: bytes
    user: bytes
    location: bytes
    stars: bytes

    @property
    def ms(self) -> int:
        return int(self.entry_id.split(b"-")[0])

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(map(int, self.entry_id.split(b"-")))


class Recent(NamedTuple):
    """All that is kept, without what is too old to be asked for."""

    #: user or location, newest first
    user_histories: dict[bytes, list[bytes]]
    location_histories: dict[bytes, list[bytes]]
    #: location -> user -> ms
    now: dict[bytes, dict[int, int]]
    #: location -> hour -> check-ins
    hours: dict[bytes, dict[int, int]]
    #: bucket -> location -> check-ins, of the window
    buckets: dict[int, dict[int, int]]
    #: location and rise, in the order of the answer
    trending: list[tuple[int, int]]


def expected(applied: list[Applied], now_ms: int, window: int, *, history: int = 100) -> Recent:
    """What must be there at this time of the server, and with this bucket as the window's last."""
    users: dict[bytes, list[Applied]] = defaultdict(list)
    locations: dict[bytes, list[Applied]] = defaultdict(list)
    now: dict[bytes, dict[int, int]] = defaultdict(dict)
    hours: dict[bytes, dict[int, int]] = defaultdict(Counter)
    buckets: dict[int, dict[int, int]] = defaultdict(Counter)
    last, before = Counter[int](), Counter[int]()
    for one in sorted(applied, key=lambda one: one.order):
        users[one.user].append(one)
        locations[one.location].append(one)
        if now_ms - 180 * MINUTE_MS <= one.ms <= now_ms + HOUR_MS:
            now[one.location][int(one.user)] = one.ms
        if now_ms // HOUR_MS - 168 < one.ms // HOUR_MS <= now_ms // HOUR_MS + 1:
            hours[one.location][one.ms // HOUR_MS] += 1
        bucket = one.ms // (5 * MINUTE_MS)
        if window - 24 < bucket <= window:
            buckets[bucket][int(one.location)] += 1
            (last if bucket > window - 12 else before)[int(one.location)] += 1
    rises = {location: last[location] - before[location] for location in last | before}
    return Recent(
        {user: [b" ".join((one.entry_id, one.location, one.stars)) for one in ones[: -history - 1 : -1]]
         for user, ones in users.items()},
        {location: [b" ".join((one.entry_id, one.user, one.stars)) for one in ones[: -history - 1 : -1]]
         for location, ones in locations.items()},
        dict(now), {location: dict(counts) for location, counts in hours.items()},
        {bucket: dict(counts) for bucket, counts in buckets.items()},
        sorted(rises.items(), key=lambda pair: (-pair[1], pair[0])),
    )  # fmt: skip


def held(client: Any, *, history: int = 100) -> tuple[Recent, int, int]:
    """What the server holds, its time, and the window's last bucket: all at one moment."""
    names = sorted({key for kind in ("history", "now", "hourly") for key in client.scan_iter(f"ncc:{kind}:*")})
    buckets = sorted(client.scan_iter("ncc:trending:bucket:*"))
    # Redis 7.0 takes no transaction while its memory is full; nothing changes then
    transaction = client.pipeline(transaction=not client.info("memory")["maxmemory"])
    transaction.time().hgetall("ncc:trending:state")
    transaction.zrange("ncc:trending:0", 0, -1, withscores=True).zrange("ncc:trending:1", 0, -1, withscores=True)
    for key in names:
        kind = key.split(b":")[1]
        if kind == b"history":
            transaction.lrange(key, 0, -1)
        elif kind == b"now":
            transaction.zrange(key, 0, -1, withscores=True)
        else:
            transaction.hgetall(key)
    for key in buckets:
        transaction.hgetall(key)
    (seconds, microseconds), state, *rest = transaction.execute()
    orders, rest = rest[:2], rest[2:]
    now_ms, window = seconds * 1000 + microseconds // 1000, int(state[b"window"])
    recent = Recent({}, {}, {}, {}, {}, [])
    for key, value in zip(names, rest, strict=False):
        kind, record = key.split(b":")[1], key.split(b":")[-1]
        if kind == b"history":
            assert len(value) <= history * 5 / 4, "it is bounded"
            of = recent.user_histories if b":user:" in key else recent.location_histories
            of[record] = b",".join(value).split(b",")[: -history - 1 : -1]
        elif kind == b"now":
            here = {
                int(member): -int(score) for member, score in value if score <= 0 and -score >= now_ms - 180 * MINUTE_MS
            }
            recent.now.update({record: here} if here else {})
        else:
            for location, count in value.items() if int(record) > now_ms // HOUR_MS - 168 else ():
                recent.hours.setdefault(b"%d" % int(location), {})[int(record)] = int(count)
    for key, value in zip(buckets, rest[len(names) :], strict=True):
        bucket = int(key.split(b":")[-1])
        if window - 24 < bucket <= window:
            recent.buckets[bucket] = {int(location): int(count) for location, count in value.items()}
    recent.trending.extend((int(member), -int(score)) for member, score in orders[int(state[b"order"])])
    return recent, now_ms, window


def assert_recent(client: Any, applied: list[Applied], *, history: int = 100) -> None:
    """What is kept is exactly what follows from the entries that were applied."""
    found, now_ms, window = held(client, history=history)
    wanted = expected(applied, now_ms, window, history=history)
    for name in Recent._fields:
        assert getattr(found, name) == getattr(wanted, name), name
