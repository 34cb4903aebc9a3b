"""The lease: one processor works, the others stand by, and take over when it is killed, stopped or frozen."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaos.replay import assert_replayed, entries, raw_client
from chaos.scene import add, add_some, load_records, processed, seeded, wait_until_drained
from footfall.keys import Keys
from footfall.processor.lease import Lease
from footfall.store.calls.lease import holder, new_lease_token
from footfall.store.scripts import HOLD_LEASE, RELEASE_LEASE
from processes import Footfall
from servers import Server, wait_until

KEY = Keys("ncc").processor_lease
LEASE = KEY.decode()


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


# --- the scripts


def hold(client: Any, token: str = "me", ms: int = 60_000) -> list[bytes]:
    """Take or renew the lease."""
    reply: list[bytes] = HOLD_LEASE.run_sync(client, [KEY], [token, ms])
    return reply


def release(client: Any, token: str = "me") -> list[bytes]:
    """Give the lease back."""
    reply: list[bytes] = RELEASE_LEASE.run_sync(client, [KEY], [token])
    return reply


def test_a_free_lease_is_taken_and_ends_by_itself(client: Any) -> None:
    assert hold(client, ms=60_000) == [b"OK"]
    assert client.get(KEY) == b"me"
    assert 55_000 < client.pttl(KEY) <= 60_000
    assert hold(client, ms=20) == [b"OK"]
    wait_until(lambda: not client.exists(KEY), "it has ended")
    assert hold(client, "you") == [b"OK"]


def test_who_has_it_renews_it_and_nobody_else(client: Any) -> None:
    hold(client, ms=30_000)
    assert hold(client, "you", 90_000) == [b"OTHER", b"me"]
    assert client.pttl(KEY) <= 30_000
    assert hold(client, ms=90_000) == [b"OK"]
    assert client.pttl(KEY) > 80_000


def test_a_lease_of_before_the_clock_was_set_back_ends_in_the_time_that_it_was_taken_for(client: Any) -> None:
    # what is left of a lease of 5 s when the clock is set back by an hour
    client.set(KEY, "me:5000ms", px=3_605_000)
    assert hold(client, "you") == [b"OTHER", b"me:5000ms"]
    assert client.pttl(KEY) <= 5000
    assert hold(client, "me:5000ms", 5000) == [b"OK"], "its holder lives, and keeps it"
    client.pexpire(KEY, 3000)
    assert hold(client, "you") == [b"OTHER", b"me:5000ms"]
    assert client.pttl(KEY) <= 3000
    client.pexpire(KEY, 20)
    wait_until(lambda: hold(client, "you") == [b"OK"], "it is taken over")


def test_only_who_has_it_gives_it_back(client: Any) -> None:
    assert release(client) == [b"OTHER"]
    hold(client)
    assert release(client, "you") == [b"OTHER"]
    assert client.get(KEY) == b"me"
    assert release(client) == [b"OK"]
    assert not client.exists(KEY)


def test_it_is_given_back_on_a_server_that_is_out_of_memory(server: Server, client: Any) -> None:
    hold(client)
    client.config_set("maxmemory", 1)
    assert release(client) == [b"OK"]


NO_LEASE: dict[str, tuple[Callable[[Any], object], str]] = {
    "set": (lambda client: client.sadd(KEY, "me"), "it is a set, not a string"),
    "hash": (lambda client: client.hset(KEY, "me", "me"), "it is a hash, not a string"),
    "stream": (lambda client: client.xadd(KEY, {"me": "me"}), "it is a stream, not a string"),
    "without an end": (lambda client: client.set(KEY, "me"), "it does not expire"),
}


@pytest.mark.parametrize("kind", NO_LEASE)
def test_a_key_that_is_no_lease_is_named_and_left_as_it_is(client: Any, kind: str) -> None:
    make, what = NO_LEASE[kind]
    make(client)
    before = client.dump(KEY)
    for token in ("me", "you"):
        assert hold(client, token) == [b"BROKEN", KEY, what.encode()]
    if kind != "without an end":
        assert release(client) == [b"BROKEN", KEY]
    assert (client.dump(KEY), client.pttl(KEY)) == (before, -1)


def test_a_token_tells_whose_it_is_and_no_two_are_the_same() -> None:
    assert holder(new_lease_token().encode()) == f"process {os.getpid()} on {socket.gethostname()}"
    assert new_lease_token() != new_lease_token()
    assert holder(b"a rebuild") == "a rebuild"
    assert holder(b"\xff:\xff")


# --- processors


def test_a_lease_of_a_dead_process_is_taken_over_although_the_clock_was_set_back(server: Server, client: Any) -> None:
    load_records(client)
    with processor(server, processor_lease_s=0.4) as killed:
        killed.wait_for("Reading stream")
        killed.kill()
    client.pexpire(KEY, 3_600_000)
    with processor(server, processor_lease_s=60) as other:
        other.wait_for("standing by")
        other.wait_for("Reading stream")


def processor(server: Server, *options: str, **settings: object) -> Footfall:
    """A running processor."""
    return Footfall("processor", *options, settings={"redis_url": server.url, **settings})


class Pair:
    """One that works and one that stands by."""

    def __init__(self, server: Server, **settings: object) -> None:
        self.works = processor(server, **settings)
        self.works.wait_for("Reading stream")
        self.stands_by = processor(server, **settings)
        self.stands_by.wait_for("standing by")

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        self.works.close()
        self.stands_by.close()


def standby_line(processor: Footfall) -> str:
    """What another says that stands by for it."""
    holder = f"process {processor.pid} on {socket.gethostname()}"
    return f"info: Another processor works on the stream ({holder}); standing by."


def test_one_works_and_the_other_says_once_that_it_stands_by(server: Server, client: Any) -> None:
    replay = load_records(client)
    with Pair(server, processor_lease_s=0.4) as pair:
        for _ in range(5):
            add_some(client, seeded(), 100)
            wait_until_drained(client)
        token = client.get(KEY)
        left: list[int] = [client.pttl(KEY)]
        renewals: list[bool] = []

        def is_kept_while_idle() -> bool:
            assert client.get(KEY) == token
            left.append(client.pttl(KEY))
            renewals.append(left[-1] > left[-2])
            return sum(renewals) > 6

        wait_until(is_kept_while_idle, "it was renewed so often that two lease times have passed")
        assert pair.works.log.count("Reading stream") == 1
        assert pair.stands_by.log.splitlines() == [standby_line(pair.works)]
        assert pair.stands_by.terminate() == 0
        assert client.get(KEY) == token, "the lease is not its to give back"
    assert_replayed(client, replay.after(entries(client)))


def test_a_pause_after_each_check_in_does_not_cost_it_the_lease(server: Server, client: Any) -> None:
    load_records(client)
    add_some(client, seeded(), 100)
    with Pair(server, processor_lease_s=0.5, processor_delay=True) as pair:
        wait_until(lambda: processed(client) >= 4, "pauses of more than a lease time have passed")
        assert pair.works.log.count("Processed") >= 2
        assert pair.stands_by.log.splitlines() == [standby_line(pair.works)]


@pytest.mark.parametrize("lease_s", [0.04, 0.5, 1.0, 60.0])
def test_a_standby_polls_often_enough_to_work_within_two_lease_times(lease_s: float) -> None:
    lease = Lease(Keys("ncc"), lease_s)
    assert lease.poll_interval_s <= lease_s / 4
    assert lease.renewal_s <= lease_s / 3


def test_after_a_kill_9_the_other_takes_over_when_the_lease_ends(server: Server, client: Any) -> None:
    replay = load_records(client)
    with Pair(server, processor_lease_s=1.0) as pair:
        add(client, 1, 1, 5)
        wait_until_drained(client)
        pair.works.kill()
        assert client.pttl(KEY) <= 1000
        add(client, 2, 2, 5)
        wait_until_drained(client)
        assert f"Reading stream from last ID {entries(client)[0][0].decode()}." in pair.stands_by.log
    assert_replayed(client, replay.after(entries(client)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("state", ["at work", "idle"])
def test_one_that_is_stopped_gives_the_lease_back_so_that_the_other_takes_over_at_once(
    server: Server, client: Any, number: signal.Signals, state: str
) -> None:
    replay = load_records(client)
    if state == "at work":
        for _ in range(10):
            add_some(client, seeded(), 1000)
    with Pair(server, processor_lease_s=600, processor_batch=20) as pair:
        if state == "at work":
            pair.works.wait_for("Processed")
        pair.works.signal(number)
        pair.stands_by.wait_for("Reading stream")
        assert pair.works.wait() == 0
        add(client, 1, 1, 5)
        wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)))


def test_the_last_one_leaves_no_lease_behind(server: Server, client: Any) -> None:
    load_records(client)
    with processor(server) as alone:
        alone.wait_for("Reading stream")
        assert client.exists(KEY)
        assert alone.terminate() == 0
        assert not client.exists(KEY)


def test_one_that_was_frozen_for_longer_than_its_lease_stands_by_when_it_goes_on(server: Server, client: Any) -> None:
    replay = load_records(client)
    with Pair(server, processor_lease_s=0.4) as pair:
        pair.works.signal(signal.SIGSTOP)
        pair.stands_by.wait_for("Reading stream")
        add_some(client, seeded(), 100)
        wait_until_drained(client)
        pair.works.signal(signal.SIGCONT)
        pair.works.wait_for(standby_line(pair.stands_by))
        add_some(client, seeded(), 100)
        wait_until_drained(client)
        assert pair.works.log.count("Processed") == 0
        assert pair.stands_by.terminate() == 0
        wait_until(lambda: pair.works.log.count("Reading stream") == 2, "it works again")
        add_some(client, seeded(), 100)
        wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)))


def test_one_whose_lease_another_has_got_stands_by_until_that_ends(server: Server, client: Any) -> None:
    load_records(client)
    with processor(server, processor_lease_s=0.4) as alone:
        alone.wait_for("Reading stream")
        client.set(KEY, "a rebuild", px=600_000)
        alone.wait_for("info: Another processor works on the stream (a rebuild); standing by.")
        add(client, 1, 1, 5)
        assert processed(client) == 0
        client.pexpire(KEY, 1)
        wait_until_drained(client)
        assert not client.set(KEY, "another", nx=True)


def test_one_at_work_that_has_lost_the_lease_finishes_what_is_under_way_and_stands_by(
    server: Server, client: Any
) -> None:
    replay = load_records(client)
    for _ in range(30):
        add_some(client, seeded(), 1000)
    with processor(server, processor_lease_s=0.1, processor_batch=10) as alone:
        alone.wait_for("Processed")
        client.set(KEY, "another", px=600_000)
        alone.wait_for("standing by")
        done = processed(client)
        assert done < 30_000, "it has not drained the stream first"
        assert_replayed(client, replay.after(entries(client)[:done]))
        *_, last, _ = alone.log.splitlines()
        assert last.endswith(f" up to {client.get(Keys('ncc').checkpoint).decode()}."), (
            "it has waited for their replies"
        )


def test_a_lease_that_was_deleted_is_taken_anew(server: Server, client: Any) -> None:
    load_records(client)
    with Pair(server, processor_lease_s=0.4) as pair:
        pair.stands_by.signal(signal.SIGSTOP)
        client.delete(KEY)
        wait_until(lambda: client.exists(KEY), "it is there again")
        pair.stands_by.signal(signal.SIGCONT)
        add(client, 1, 1, 5)
        wait_until_drained(client)
        assert pair.works.log.count("Reading stream") == 1
        assert pair.stands_by.log.count("standing by") == 1


@pytest.mark.parametrize("kind", NO_LEASE)
def test_a_key_that_is_no_lease_stops_the_work_with_a_clear_error_until_it_is_deleted(
    server: Server, client: Any, kind: str
) -> None:
    replay = load_records(client)
    make, what = NO_LEASE[kind]
    with processor(server, processor_lease_s=0.4) as alone:
        alone.wait_for("Reading stream")
        client.delete(KEY)
        make(client)
        error = f"error: Nothing is processed: {LEASE}: {what}; delete it. Retrying until it is fixed."
        alone.wait_for(error)
        add(client, 1, 1, 5)
        client.delete(KEY)
        wait_until_drained(client)
        alone.wait_for("info: Processing goes on after ")
        assert alone.log.count("error:") == 1
    assert_replayed(client, replay.after(entries(client)))


def test_with_once_one_that_stands_by_ends_when_the_stream_is_drained(server: Server, client: Any) -> None:
    replay = load_records(client)
    add(client, 1, 1, 5)
    client.set(KEY, "another", px=600_000)
    with processor(server, "--once") as once:
        once.wait_for("standing by")
        client.mset({Keys("ncc").checkpoint: entries(client)[0][0], Keys("ncc").processed: 1})
        assert once.wait() == 0
        assert [line.split("(")[0] for line in once.log.splitlines()] == [
            "info: Another processor works on the stream ",
            "info: The processor has stopped.",
        ]
    assert client.get(KEY) == b"another"
    replay.processed, replay.checkpoint = 1, entries(client)[0][0]
    assert_replayed(client, replay)


def test_with_once_one_that_stands_by_drains_the_stream_when_the_other_is_gone(server: Server, client: Any) -> None:
    replay = load_records(client)
    add_some(client, seeded(), 100)
    client.set(KEY, "another", px=600_000)
    with processor(server, "--once") as once:
        once.wait_for("standing by")
        client.pexpire(KEY, 100)
        assert once.wait() == 0
    assert not client.exists(KEY)
    assert_replayed(client, replay.after(entries(client)))


def test_without_a_lease_everybody_works_and_none_is_written(server: Server, client: Any) -> None:
    load_records(client)
    client.sadd(KEY, "of no concern")
    with processor(server, processor_lease_s=0) as one, processor(server, "--lease-s", "0") as other:
        for each in (one, other):
            each.wait_for("Reading stream")
        add_some(client, seeded(), 100)
        wait_until_drained(client)
    assert client.smembers(KEY) == {b"of no concern"}


def test_the_lease_costs_no_call_per_batch(server: Server, client: Any) -> None:
    load_records(client)
    add_some(client, seeded(), 3000)

    def script_calls() -> int:
        stats = client.info("commandstats")
        return int(stats["cmdstat_evalsha"]["calls"]) if "cmdstat_evalsha" in stats else 0

    calls = []
    for lease_s in (0, 600):
        client.config_resetstat()
        client.mset({Keys("ncc").checkpoint: "0", Keys("ncc").processed: 0})
        with processor(server, "--once", processor_batch=10, processor_lease_s=lease_s) as once:
            assert once.wait() == 0, once.log
        calls.append(script_calls())
    assert 300 < calls[0] < 350
    assert calls[1] - calls[0] < 10
