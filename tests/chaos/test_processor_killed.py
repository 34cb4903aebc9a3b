"""Processors killed, frozen, cut off and raced: each check-in counts exactly once."""

import random
import signal
import time
from contextlib import ExitStack
from typing import Any

from chaos.forks import Forks
from chaos.poster import Poster, random_check_ins
from chaos.replay import assert_replayed, check_ins, entries
from chaos.scene import (
    KEEP_ALL,
    LOCATIONS,
    USERS,
    add_some,
    full,
    load_records,
    processed,
    wait_until_drained,
    wait_until_processed,
)
from footfall.store.scripts import PROCESS
from processes import Footfall, Receiver
from proxy import Proxy
from servers import Server, wait_until

KILLS = full(40, 400)
FREEZES = full(15, 150)
#: small, so that kills fall between many calls of the script
BATCH = 10


def test_kill_9_of_processors_at_random_moments_neither_loses_nor_repeats_a_check_in(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    in_mid_flight = 0
    with (
        Receiver(server.url) as receiver,
        Forks(redis_url=server.url, processor_batch=BATCH, processor_lease_s=0, retain=KEEP_ALL) as processors,
        Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster,
    ):
        for kills in range(KILLS):
            before = processed(client)
            pid = processors.start()
            if kills % 2:  # else it may still be starting, on a busy machine for a second
                wait_until_processed(client, before + 1)
            time.sleep(rng.uniform(0, 0.05))
            processors.kill(pid)
            in_mid_flight += before < processed(client) < client.xlen("ncc:checkins")
        poster.stop()
        processors.start()
        wait_until_drained(client)
    print(f"{in_mid_flight} of {KILLS} kills in mid-flight, {len(poster.accepted)} check-ins")
    assert in_mid_flight >= KILLS / 4
    assert not poster.unanswered
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))


def test_two_processors_on_one_stream_count_each_check_in_once(server: Server, client: Any, rng: random.Random) -> None:
    replay = load_records(client)
    settings = {"redis_url": server.url, "processor_batch": BATCH, "processor_lease_s": 0, "log_level": "debug"}
    with (
        Footfall("processor", settings=settings) as one,
        Footfall("processor", settings=settings) as other,
        Receiver(server.url) as receiver,
    ):
        with Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster:
            for processor in (one, other):
                processor.wait_for("A batch was dropped")
                processor.wait_for("Processed ")
            poster.wait_for_accepted(500)
        wait_until_drained(client)
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))


def test_a_batch_whose_reply_was_lost_with_its_processor_is_not_applied_again(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    add_some(client, rng, 200)
    with Proxy(server.port) as proxy:
        proxy.hold_replies(to=PROCESS.sha)
        settings = {"redis_url": proxy.url, "processor_batch": BATCH, "processor_lease_s": 0}
        with Footfall("processor", settings=settings) as processor:
            proxy.wait_until_holding()
            wait_until_processed(client, BATCH)
            processor.kill()
            assert processed(client) in (BATCH, 2 * BATCH), "the one under way, and maybe the one behind it"
            proxy.release()
            processor.start()
            wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)))


def test_a_batch_whose_reply_was_lost_with_the_connection_is_not_applied_again(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    add_some(client, rng, 200)
    settings = {"processor_batch": BATCH, "log_level": "debug"}
    with Proxy(server.port) as proxy:
        proxy.hold_replies(to=PROCESS.sha)
        with Footfall("processor", settings={"redis_url": proxy.url, **settings}) as processor:
            for _ in range(5):
                proxy.wait_until_holding()
                before = processed(client)
                proxy.cut()
                proxy.hold_replies(to=PROCESS.sha)
                wait_until_processed(client, before + 1)
            proxy.release()
            wait_until_drained(client)
            assert "Cannot reach the server" in processor.log
    assert_replayed(client, replay.after(entries(client)))


def test_a_processor_that_was_frozen_while_its_batch_was_under_way_is_fenced_and_goes_on(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    add_some(client, rng, 200)
    settings = {"processor_batch": BATCH, "processor_lease_s": 0, "log_level": "debug", "server_timeout": 60}
    with (
        Proxy(server.port) as proxy,
        Footfall("processor", settings={"redis_url": server.url, **settings, "processor_once": True}) as other,
    ):
        assert other.wait() == 0
        replay = replay.after(entries(client))
        assert_replayed(client, replay)
        done = len(entries(client))
        add_some(client, rng, 200)
        proxy.hold_requests(containing=PROCESS.sha)
        with Footfall("processor", settings={"redis_url": proxy.url, **settings}) as frozen:
            proxy.wait_until_holding()
            frozen.signal(signal.SIGSTOP)
            other.start()
            assert other.wait() == 0
            replay = replay.after(entries(client)[done:])
            assert_replayed(client, replay)
            proxy.release()
            frozen.signal(signal.SIGCONT)
            frozen.wait_for("A batch was dropped")
            assert_replayed(client, replay)
            add_some(client, rng, 200)
            wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)[done + 200 :]))


def test_processors_without_a_lease_that_are_frozen_in_mid_batch_change_nothing(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    settings = {"redis_url": server.url, "processor_batch": BATCH, "processor_lease_s": 0, "log_level": "debug"}
    with ExitStack() as stack:
        processors = [stack.enter_context(Footfall("processor", settings=settings)) for _ in range(3)]
        for processor in processors:
            processor.wait_for("Reading stream")
        mid_batch = 0
        for number in range(FREEZES):
            frozen = processors[number % 3]
            before = processed(client)
            add_some(client, rng, 500)
            time.sleep(rng.uniform(0, 0.03))
            frozen.signal(signal.SIGSTOP)
            mid_batch += before < processed(client) < before + 500
            add_some(client, rng, 20)
            wait_until_drained(client)
            frozen.signal(signal.SIGCONT)
        logs = [processor.log for processor in processors]
    print(f"{mid_batch} of {FREEZES} in mid-batch")
    assert mid_batch > FREEZES / 4
    assert all("A batch was dropped" in log and "Processed " in log for log in logs)
    assert not any("standing by" in log for log in logs)
    assert_replayed(client, replay.after(entries(client)))


def test_whoever_has_the_lease_when_it_is_frozen_each_check_in_counts_once(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    settings = {"redis_url": server.url, "processor_batch": BATCH, "processor_lease_s": 0.2}
    with ExitStack() as stack:
        processors = [stack.enter_context(Footfall("processor", settings=settings)) for _ in range(3)]
        for processor in processors:
            processor.wait_for("stream")
        for _ in range(FREEZES):
            wait_until(lambda: client.exists("ncc:checkinprocessor:lease"), "one works")
            token = client.get("ncc:checkinprocessor:lease")
            frozen = next(processor for processor in processors if b":%d:" % processor.pid in token)
            add_some(client, rng, 500)
            time.sleep(rng.uniform(0, 0.03))
            frozen.signal(signal.SIGSTOP)
            add_some(client, rng, 20)
            wait_until_drained(client)
            frozen.signal(signal.SIGCONT)
    assert_replayed(client, replay.after(entries(client)))


def test_losing_its_scripts_does_not_stop_a_processor_or_a_receiver(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    with (
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": BATCH}),
        Receiver(server.url) as receiver,
        Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster,
    ):
        for _ in range(10):
            before = processed(client)
            client.script_flush()
            wait_until_processed(client, before + 200)
        poster.stop()
        wait_until_drained(client)
    assert not poster.unanswered
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))
