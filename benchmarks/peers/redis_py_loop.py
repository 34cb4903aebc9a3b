"""The processor's peer: a redis-py loop that applies one entry in two round trips.

Run     .venv/bin/python benchmarks/peers/redis_py_loop.py redis://127.0.0.1:6379       (until the stream is drained)

It is the loop that one writes first, written well: the effects of an entry and the checkpoint change in one
MULTI/EXEC, all indexes are kept, redis-py parses with hiredis, and the next entry is read in the same round trip in
which the last one is written. It leaves exactly what Footfall's processor leaves (benchmarks/processor.py compares),
but checks nothing: no dead letters, no fence against a second loop, no wrong types.
"""

import sys
from typing import Any

from redis import Redis

from footfall.domain.model import average_stars
from footfall.keys import Keys


def apply_one_by_one(client: Redis, keys: Keys) -> None:
    """Apply every entry after the checkpoint."""
    checkpoint: Any = client.get(keys.checkpoint) or b"0"
    page: Any = client.xrange(keys.stream, b"(" + checkpoint, "+", count=1)
    read, write = client.pipeline(transaction=False), client.pipeline(transaction=True)
    while page:
        entry_id, fields = page[0]
        user, location, stars = fields[b"userId"], fields[b"locationId"], int(fields[b"starRating"])
        ms = entry_id.partition(b"-")[0]
        user_key, location_key = keys.user(user), keys.location(location)

        # first round trip: what is there
        read.hmget(user_key, "numCheckins", "lastCheckin", "lastSeenAt")
        read.hmget(location_key, "numCheckins", "numStars")
        (checkins, last_ms, last_location), (location_checkins, num_stars) = read.execute()
        checkins, location_checkins, num_stars = int(checkins) + 1, int(location_checkins) + 1, int(num_stars) + stars

        # second round trip: what is to be there, all or nothing, and the next entry
        if last_ms is None or int(ms) >= int(last_ms):
            write.hset(user_key, mapping={b"numCheckins": checkins, b"lastCheckin": ms, b"lastSeenAt": location})
            write.zadd(keys.users_recent, {user: int(ms)})
            if last_ms is not None:
                write.zrem(keys.users_last_seen, member(last_location, last_ms, user))
            write.zadd(keys.users_last_seen, {member(location, ms, user): 0})
        else:
            write.hset(user_key, b"numCheckins", checkins)
        write.zadd(keys.users_by_checkins, {user: checkins})
        write.hset(
            location_key,
            mapping={
                b"numCheckins": location_checkins,
                b"numStars": num_stars,
                b"averageStars": average_stars(num_stars, location_checkins),
            },
        )
        write.zadd(keys.locations_by_checkins, {location: location_checkins})
        write.set(keys.checkpoint, entry_id)
        write.incr(keys.processed)
        write.xrange(keys.stream, b"(" + entry_id, "+", count=1)
        page = write.execute()[-1]


def member(location: bytes, ms: bytes, user: bytes) -> bytes:
    """What the last-seen index holds of a user."""
    return b"%016d:%013d:%b" % (int(location), int(ms), user)


if __name__ == "__main__":
    with Redis.from_url(sys.argv[1]) as connection:
        apply_one_by_one(connection, Keys("ncc"))
