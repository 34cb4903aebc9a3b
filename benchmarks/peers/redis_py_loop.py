"""The peer of the processor: a redis-py loop that applies one entry in two round trips.

It is what the well-known sample system does (read one entry after the last id, then update in one transaction),
with the same indexes kept, and without its mistakes: counters and checkpoint change in one MULTI/EXEC.
"""

from redis import Redis

from footfall.keys import Keys


def apply_one_by_one(client: Redis, keys: Keys) -> int:
    """Apply every entry after the checkpoint; returns how many."""
    last_id = (client.get(keys.checkpoint) or b"0").decode()
    applied = 0
    while True:
        # first round trip: the next entry, and what the effects need to know
        page = client.xrange(keys.stream, f"({last_id}", "+", count=1)
        if not page:
            return applied
        entry_id, fields = page[0]
        user, location = fields[b"userId"], fields[b"locationId"]
        stars, ms = int(fields[b"starRating"]), entry_id.partition(b"-")[0]
        # second round trip: everything that changes
        with client.pipeline(transaction=True) as pipe:
            pipe.hincrby(keys.user(user), "numCheckins", 1)
            pipe.hset(keys.user(user), mapping={"lastCheckin": ms, "lastSeenAt": location})
            pipe.zincrby(keys.users_by_checkins, 1, user)
            pipe.zadd(keys.users_recent, {user: int(ms)})
            pipe.zadd(keys.users_last_seen, {b"%016d:%013d:%b" % (int(location), int(ms), user): 0})
            pipe.hincrby(keys.location(location), "numCheckins", 1)
            pipe.hincrby(keys.location(location), "numStars", stars)
            pipe.zincrby(keys.locations_by_checkins, 1, location)
            pipe.set(keys.checkpoint, entry_id)
            pipe.execute()
        last_id = entry_id.decode()
        applied += 1
