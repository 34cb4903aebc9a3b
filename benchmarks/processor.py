"""How fast entries are applied, against a loop that does one entry in two round trips.

Run    .venv/bin/python benchmarks/processor.py [--entries 200000] [--runs 3]
Expect the processor to be some twenty times as fast as the loop with the sample's users and locations, and more
       than ten times with 200,000 users, on a machine with two cores.
Shows  entries/s, and CPU per entry on both sides, with the append-only file on (fsync every second) and all
       indexes kept. Both apply the same entries to the same data on the same server, one after the other.
Not    what other load on the server costs, larger data, or a network between the two.
"""

import argparse
import random
from collections.abc import Iterator

from measure import Watch, console, footfall, median, print_machine, print_table, server
from peers.redis_py_loop import apply_one_by_one
from redis import Redis

from footfall.keys import Keys

import subprocess

KEYS = Keys("ncc")
#: ms; the first of the sample's check-ins
FIRST_MS = 1609602085397
#: how many entries the loop applies per run: it is too slow for all, and no faster with more
LOOP_ENTRIES = 20_000


def prepare(client: Redis, users: int, locations: int, entries: int) -> None:
    """Fresh users, locations and unprocessed entries."""
    client.flushall()
    for kind, count in (("user", users), ("location", locations)):
        for page in pages(range(1, count + 1)):
            with client.pipeline(transaction=False) as pipe:
                for number in page:
                    if kind == "user":
                        fields = {"id": number, "firstName": "Ada", "lastName": f"L{number}", "email": f"{number}@example.com",
                                  "password": "x" * 60, "numCheckins": 0}
                        pipe.hset(KEYS.user(number), mapping=fields)  # type: ignore[arg-type]
                        pipe.zadd(KEYS.users_by_checkins, {str(number): 0})
                    else:
                        fields = {"id": number, "name": f"Place {number}", "category": "cafe", "location": "-122.4,37.7",
                                  "numCheckins": 0, "numStars": 0, "averageStars": 0}
                        pipe.hset(KEYS.location(number), mapping=fields)  # type: ignore[arg-type]
                        pipe.zadd(KEYS.locations_by_checkins, {str(number): 0})
                pipe.execute()
    draw = random.Random(1)
    for page in pages(range(entries)):
        with client.pipeline(transaction=False) as pipe:
            for number in page:
                fields = {"locationId": draw.randint(1, locations), "userId": draw.randint(1, users),
                          "starRating": draw.randint(0, 5)}
                pipe.xadd(KEYS.stream, fields, id=f"{FIRST_MS + number}-0")  # type: ignore[arg-type]
            pipe.execute()


def pages(numbers: range) -> Iterator[range]:
    for start in range(0, len(numbers), 1000):
        yield numbers[start : start + 1000]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with server() as valkey, Redis(port=valkey.port) as client:
        print_machine(client)
        for name, users, locations in (("the sample's 1,000 users", 1000, 215), ("200,000 users", 200_000, 20_000)):
            results = []
            for _ in range(options.runs):
                prepare(client, users, locations, min(options.entries, LOOP_ENTRIES))
                watch = Watch(valkey.pid)
                apply_one_by_one(client, KEYS)
                loop = watch.stop().wall_s / min(options.entries, LOOP_ENTRIES)

                prepare(client, users, locations, options.entries)
                watch = Watch(valkey.pid)
                subprocess.run(
                    footfall("processor", "--once", "--redis-url", valkey.url, "--log-level", "warning"), check=True)
                used = watch.stop()
                results.append((loop * 1e6, used.wall_s * 1e6 / options.entries, used.cpu_s[0] * 1e6 / options.entries))
            print(results)


if __name__ == "__main__":
    main()
