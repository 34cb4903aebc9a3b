"""Rebuilding while check-ins come in, and killed at random moments: at the end each check-in is counted once."""

import random
import subprocess
import sys
from typing import Any, Self

from audit_scene import assert_sound
from chaos.poster import Poster, random_check_ins
from chaos.replay import assert_replayed, check_ins, entries
from chaos.scene import KEEP_ALL, LOCATIONS, USERS, full, load_records, wait_until_drained
from processes import Footfall, Receiver, environment
from servers import Server

ROUNDS = full(6, 60)

#: Reads seconds from its input; for each it forks a rebuild, kills it when it still runs after that time, and prints
#: how long it ran and how it ended. Its pages are small, so that kills fall between many of them.
_PROGRAM = """
import os, signal, sys, time
import redis
from footfall import config
from footfall.keys import Keys
from footfall.operations.audit.limits import Sizes
from footfall.operations.audit.reader import SnapshotReader
from footfall.operations.audit.rebuild import rebuild
for line in sys.stdin:
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        client = redis.Redis(port=int(sys.argv[1]))
        reader = SnapshotReader(client, Keys("ncc"), sizes=Sizes(rebuilt=2))
        rebuild(reader, confirm=lambda prompt: True, progress=None)
        os._exit(0)
    ended, status = 0, None
    while not ended:
        if time.monotonic() > start + float(line):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.0005)
        ended, status = os.waitpid(pid, os.WNOHANG)
    print(time.monotonic() - start, os.waitstatus_to_exitcode(status), flush=True)
"""


class Rebuilds:
    """Rebuilds that can be killed, one after the other."""

    def __init__(self, server: Server) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(server.port)],
            env=environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, kill_after_s: float = 60.0) -> tuple[float, bool]:
        """Run one, kill -9 after so many seconds. Returns how many it ran, and whether it was killed."""
        assert self._process.stdin
        assert self._process.stdout
        print(kill_after_s, file=self._process.stdin, flush=True)
        duration, status = self._process.stdout.readline().split()
        assert status in ("0", "-9")
        return float(duration), status == "-9"


def wreck(client: Any, rng: random.Random) -> None:
    """Break counters and indexes in ways that keep no processor from going on."""
    pipeline = client.pipeline(transaction=True)
    for user in rng.sample(range(1, USERS + 1), USERS // 2):
        number = rng.randint(0, 10**6)
        pipeline.hset(f"ncc:users:{user}", mapping={"numCheckins": number, "lastCheckin": number, "lastSeenAt": 1})
        pipeline.zadd("ncc:users:bycheckins", {str(user): number})
    for location in range(1, LOCATIONS + 1):
        pipeline.hset(f"ncc:locations:{location}", mapping={"numCheckins": 0, "numStars": rng.randint(0, 9)})
    keys = ["users:recent", "users:lastseen", "users:email", "locations:geo", "locations:bycheckins"]
    pipeline.delete(*(f"ncc:{key}" for key in rng.sample(keys, 3)))
    pipeline.zadd("ncc:users:lastseen", {f"{1:016d}:{rng.randint(1, 9):013d}:{rng.randint(1, USERS)}": 0})
    pipeline.zadd("ncc:locations:category:cafe", {"77": 1})
    pipeline.execute()


def test_killed_rebuilds_that_are_run_again_count_each_check_in_once(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    kills = 0
    with (
        Receiver(server.url) as receiver,
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 50, "retain": KEEP_ALL}),
        Rebuilds(server) as rebuilds,
        Poster(receiver, random_check_ins(rng, USERS, LOCATIONS), connections=2) as poster,
    ):
        poster.wait_for_accepted(200)
        duration, _ = rebuilds.run()
        for _ in range(ROUNDS):
            wreck(client, rng)
            for _ in range(rng.choice((1, 1, 2))):
                _, killed = rebuilds.run(rng.uniform(0, duration))
                kills += killed
            duration, _ = rebuilds.run()
            assert_sound(client)
        poster.stop()
        wait_until_drained(client)
    print(f"{kills} kills, {len(poster.accepted)} check-ins")
    assert kills
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))


def test_a_rebuild_keeps_up_with_a_processor_under_full_load(server: Server, client: Any, rng: random.Random) -> None:
    replay = load_records(client)
    pipeline = client.pipeline(transaction=False)
    for _ in range(full(30_000, 1_000_000)):
        check_in = ("locationId", rng.randint(1, LOCATIONS), "userId", rng.randint(1, USERS), "starRating", 3)
        pipeline.execute_command("XADD", "ncc:checkins", "*", *check_in)
    pipeline.execute()
    wreck(client, rng)
    settings = {"redis_url": server.url, "retain": KEEP_ALL}
    with Footfall("processor", settings=settings) as processor, Rebuilds(server) as rebuilds:
        processor.wait_for("Processed ")
        rebuilds.run()
        at = int(client.get("ncc:checkinprocessor:processed"))
        wait_until_drained(client)
    print(f"rebuilt while {at} were processed")
    assert_replayed(client, replay.after(entries(client)))
