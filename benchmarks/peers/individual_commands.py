"""The processor's ceiling: what its effects cost when a C client pipelines them as individual commands.

Run     .venv/bin/python benchmarks/peers/individual_commands.py redis://127.0.0.1:6379 FILE
        then redis-cli --pipe < FILE      (redis-cli is the client; Debian package redis-tools)

Writes the commands for all entries after the checkpoint to FILE, in the server's protocol: per entry the two hashes,
the four index writes, the removal of the old last-seen member, the checkpoint and the count, with the values that they
have then. Nothing is read, checked or fenced: only the writes are left, and whoever sends them must be alone.
"""

import sys
from pathlib import Path
from typing import Any

import hiredis
from redis import Redis

from footfall.domain.model import average_stars
from footfall.keys import Keys


def commands(client: Redis, keys: Keys) -> Any:
    """The commands, entry by entry."""
    users: dict[bytes, list[Any]] = {}
    locations: dict[bytes, list[int]] = {}
    last: Any = client.get(keys.checkpoint) or b"0"
    page: Any = client.xrange(keys.stream, b"(" + last, "+", count=1000)
    while page:
        for entry_id, fields in page:
            user, location, stars = fields[b"userId"], fields[b"locationId"], int(fields[b"starRating"])
            if user not in users:
                users[user] = client.hmget(keys.user(user).decode(), ["numCheckins", "lastCheckin", "lastSeenAt"])
            if location not in locations:
                found: Any = client.hmget(keys.location(location).decode(), ["numCheckins", "numStars"])
                locations[location] = list(map(int, found))
            ms = entry_id.partition(b"-")[0]
            count, old_ms, old_location = users[user]
            users[user] = [int(count) + 1, ms, location]
            total, sum_of_stars = locations[location] = [locations[location][0] + 1, locations[location][1] + stars]
            average = average_stars(sum_of_stars, total)
            yield "HSET", keys.user(user), "numCheckins", int(count) + 1, "lastCheckin", ms, "lastSeenAt", location
            yield "ZADD", keys.users_by_checkins, int(count) + 1, user
            yield "ZADD", keys.users_recent, ms, user
            if old_ms is not None:
                yield "ZREM", keys.users_last_seen, member(old_location, old_ms, user)
            yield "ZADD", keys.users_last_seen, 0, member(location, ms, user)
            counters = ("numCheckins", total, "numStars", sum_of_stars, "averageStars", average)
            yield "HSET", keys.location(location), *counters
            yield "ZADD", keys.locations_by_checkins, total, location
            yield "SET", keys.checkpoint, entry_id
            yield "INCR", keys.processed
        page = client.xrange(keys.stream, b"(" + page[-1][0], "+", count=1000)


def member(location: bytes, ms: bytes, user: bytes) -> bytes:
    """What the last-seen index holds of a user."""
    return b"%016d:%013d:%b" % (int(location), int(ms), user)


if __name__ == "__main__":
    with Redis.from_url(sys.argv[1]) as connection, Path(sys.argv[2]).open("wb") as file:
        file.writelines(hiredis.pack_command(command) for command in commands(connection, Keys("ncc")))
