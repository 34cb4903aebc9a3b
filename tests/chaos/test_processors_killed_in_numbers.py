"""One, two and five processors at once, killed at random moments: each check-in counts exactly once."""

import random
import time
from typing import Any

import pytest

from chaos.forks import Forks
from chaos.poster import Poster, random_check_ins
from chaos.replay import assert_replayed, check_ins, entries
from chaos.scene import (
    KEEP_ALL,
    LOCATIONS,
    USERS,
    full,
    load_records,
    processed,
    wait_until_drained,
    wait_until_processed,
)
from processes import Receiver
from servers import Server

KILLS = full(10, 100)
#: Seconds, for each processor one of them at random: some heed the lease, some work without it. Short, so that
#: standbys take over all the time.
LEASES = (0, 0.1, 0.3)
#: small, so that kills fall between many calls of the script
BATCH = 10


@pytest.mark.parametrize("number", [1, 2, 5])
def test_kill_9_of_processors_of_which_so_many_run_neither_loses_nor_repeats_a_check_in(
    server: Server, client: Any, rng: random.Random, number: int
) -> None:
    replay = load_records(client)
    at_work = 0
    with (
        Receiver(server.url) as receiver,
        Forks(redis_url=server.url, processor_batch=BATCH, retain=KEEP_ALL) as processors,
        Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster,
    ):

        def start() -> int:
            return processors.start(processor_lease_s=rng.choice(LEASES))

        running = [start() for _ in range(number)]
        for kills in range(KILLS):
            before = processed(client)
            if kills % 2:  # else the only one may still be starting, on a busy machine for a second
                wait_until_processed(client, before + 1)
            time.sleep(rng.uniform(0, 0.05))
            processors.kill(running.pop(rng.randrange(number)))
            at_work += before < processed(client) < client.xlen("ncc:checkins")
            running.append(start())
        wait_until_processed(client, processed(client) + 1)
        poster.stop()
        wait_until_drained(client)
    print(f"{at_work} of {KILLS} kills while entries were applied, {len(poster.accepted)} check-ins")
    assert at_work >= KILLS / 4
    assert not poster.unanswered
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))
