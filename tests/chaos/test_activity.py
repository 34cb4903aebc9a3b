"""The window of trending locations, rebuilt by processors that are killed while they make it."""

import random
import time
from typing import Any

from chaos.activity import held
from chaos.forks import Forks
from chaos.replay import assert_replayed, entries
from chaos.scene import USERS, add, full, load_records, load_rows, location_row, wait_until_drained
from servers import Server, wait_until

KILLS = full(10, 100)
#: so many that it takes several calls
LOCATIONS = 900
BUCKET_MS = 300_000


def test_a_window_that_is_made_by_processors_that_are_killed_is_exact(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    load_rows(client, "locations", [location_row(location) for location in range(1, LOCATIONS + 1)])
    replay = type(replay).of_loaded(client)
    now = time.time_ns() // 1_000_000
    pipeline = client.pipeline(transaction=False)
    for ms in sorted(rng.sample(range(now - 24 * BUCKET_MS, now), 4000)):
        add(pipeline, rng.randint(1, USERS), rng.randint(1, LOCATIONS), rng.randint(0, 5), f"{ms}-0")
    pipeline.execute()
    windows = half_made = 0
    with Forks(redis_url=server.url, processor_batch=100) as processors:
        running = [processors.start(processor_lease_s=0.1) for _ in range(2)]
        wait_until_drained(client)
        for _ in range(KILLS):
            processors.kill(running.pop(0))
            processors.kill(running.pop(0))
            if rng.random() < 0.7:
                client.delete("ncc:trending:state")  # all of it has to be rebuilt
            running += [processors.start(processor_lease_s=rng.choice((0, 0.1))) for _ in range(2)]
            for _ in range(30):
                add(client, rng.randint(1, USERS), rng.randint(1, LOCATIONS), rng.randint(0, 5))
            if rng.random() < 0.3:
                wait_until_drained(client)
            wait_until(lambda: client.exists("ncc:trending:state"), "it is begun")
            time.sleep(rng.uniform(0, 0.02))
            state = client.hgetall("ncc:trending:state")
            windows += b"window" in state
            half_made += b"building" in state
        wait_until_drained(client)
        wait_until(lambda: client.hget("ncc:trending:state", "window"), "the window is made")
        assert_replayed(client, replay.after(entries(client)))
        assert len(held(client)[0].trending) > LOCATIONS / 2
    print(f"{windows} of {KILLS} times there was a window, {half_made} times it was being made")
