"""Check-ins loaded again while processors are at work: nothing of the old stream is applied to the new one."""

import random
from typing import Any

from chaos.replay import Replay, assert_replayed, entries
from chaos.scene import LOCATIONS, USERS, Row, add_some, load_records, load_rows, processed, wait_until_drained
from footfall.store.scripts import PROCESS
from processes import Footfall
from proxy import Proxy
from servers import Server, wait_until

_FIRST_MS = 1_600_000_000_000
RESET = {"reset": True, "yes": True}


def rows(rng: random.Random, count: int = 100) -> list[Row]:
    """Check-ins to load. All that this makes have the same ids and the same last one, and differ otherwise."""
    made = [
        {
            "id": f"{_FIRST_MS + number}-0",
            "userId": rng.randint(1, USERS),
            "locationId": rng.randint(1, LOCATIONS),
            "starRating": rng.randint(0, 5),
        }
        for number in range(count - 1)
    ]
    return [*made, {"id": f"{_FIRST_MS + count}-0", "userId": 1, "locationId": 1, "starRating": 1}]


def test_a_batch_of_the_old_stream_is_not_applied_after_a_load_even_if_it_ends_alike(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    load_rows(client, "checkins", rows(rng))
    settings = {"log_level": "debug", "server_timeout": 60}
    with Proxy(server.port) as proxy:
        proxy.hold_requests(containing=PROCESS.sha)
        with Footfall("processor", settings={"redis_url": proxy.url, **settings}) as processor:
            proxy.wait_until_holding()
            load_rows(client, "checkins", rows(rng), **RESET)
            proxy.release()
            processor.wait_for("A batch was dropped")
            wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)))


def test_a_batch_that_arrives_while_check_ins_are_loaded_waits_for_the_new_stream(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    load_rows(client, "checkins", rows(rng))
    settings = {"log_level": "debug", "server_timeout": 60}
    with Proxy(server.port) as proxy:
        proxy.hold_requests(containing=PROCESS.sha)
        with Footfall("processor", settings={"redis_url": proxy.url, **settings}) as processor:
            proxy.wait_until_holding()
            client.hset("ncc:meta", "state", "loading")  # where a load that is killed leaves it
            proxy.release()
            processor.wait_for("data is being loaded")
            assert_replayed(client, replay)
            load_rows(client, "checkins", rows(rng), **RESET)
            wait_until_drained(client)
            processor.wait_for("Processing goes on")
    assert_replayed(client, replay.after(entries(client)))


def test_a_processor_that_waits_for_entries_notices_that_older_ones_were_loaded(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    add_some(client, rng, 50)
    with Footfall("processor", settings={"redis_url": server.url}) as processor:
        wait_until_drained(client)
        processor.wait_for("Processed 50 ")
        load_rows(client, "checkins", rows(rng), **RESET)
        wait_until_drained(client, 10)
    assert_replayed(client, replay.after(entries(client)))


def test_reloading_the_sample_over_and_over_while_it_is_processed_changes_nothing(server: Server, client: Any) -> None:
    def load(*command: str) -> None:
        with Footfall("load", *command, settings={"redis_url": server.url}) as loader:
            assert loader.wait() == 0, loader.log

    load("all", "--sample")
    replay = Replay.of_loaded(client)
    with (
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 50}),
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 50}),
    ):
        for _ in range(3):
            wait_until(lambda: processed(client) > 200, "the sample is being processed")
            load("checkins", "--sample", "--reset", "--yes")
        wait_until_drained(client)
    assert len(entries(client)) == 5000
    assert_replayed(client, replay.after(entries(client)))
