"""What operators do while everything runs: scripts flushed, connections killed, clocks set, keys deleted."""

import random
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from chaos.poster import CheckIn, Poster, random_check_ins
from chaos.replay import Replay, assert_replayed, check_ins, entries, held, raw_client
from chaos.scene import (
    LOCATIONS,
    SEEN,
    USERS,
    add,
    add_some,
    full,
    load_records,
    load_rows,
    location_row,
    processed,
    seeded,
    user_row,
    wait_until_drained,
    wait_until_processed,
)
from processes import Api, Footfall, Receiver
from servers import Server, wait_until

ROUNDS = full(12, 300)
#: lines, besides one for each batch, that a failure may take in the log of the processor or the receiver, however long
#: it lasts
FEW = 8
METADATA = ["meta", "checkins", "checkinprocessor:lastid", "checkinprocessor:processed"]
INDEXES = ["users:bycheckins", "users:recent", "users:lastseen", "locations:bycheckins"]
#: what the loader writes and only the API server reads
READ_ONLY = ["users:email", "locations:geo", "locations:category:cafe", "locationdetails:1"]
#: what only the loader, `verify` and `rebuild` need, and what operators keep
KEPT = ["users:baseline", "locations:baseline", "checkins:discarded"]


class System(NamedTuple):
    """All that runs, over one server."""

    client: Any
    receiver: Receiver
    processor: Footfall
    loaded: Replay
    rng: random.Random

    def poster(self) -> Poster:
        """One client that posts some hundred check-ins a second."""
        return Poster(self.receiver, slowly(random_check_ins(self.rng, USERS, LOCATIONS)), connections=1)

    def log_since(self, at: int) -> str:
        """What the processor has logged since its log had that length."""
        return self.processor.log[at:]


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with Server(appendonly=True, appendfsync="no") as server:
        client = raw_client(server.port)
        loaded = load_records(client)
        client.set("ncc:locationdetails:1", '{"id":1}')
        client.hset("ncc:checkins:discarded", "1-1", "unknown-user")
        loaded.discarded = {b"1-1": b"unknown-user"}
        with (
            Receiver(server.url) as receiver,
            Footfall("processor", settings={"redis_url": server.url}) as processor,
        ):
            processor.wait_for("Reading stream")
            add(client, USERS + 1, 1, 5)  # a dead letter
            wait_until_drained(client)
            yield System(client, receiver, processor, loaded, seeded())
        client.close()


def slowly(check_ins: Iterator[CheckIn]) -> Iterator[CheckIn]:
    """The same, with a pause before each."""
    for check_in in check_ins:
        time.sleep(0.003)
        yield check_in


def damage(client: Any, key: str, how: str) -> None:
    """Delete the key, or replace it by one of another type; `repair` undoes it."""
    pipeline = client.pipeline(transaction=True)
    pipeline.rename(f"ncc:{key}", "kept")
    if how == "replaced":
        pipeline.sadd(f"ncc:{key}", "not ours")
    pipeline.execute()


def repair(client: Any, key: str) -> None:
    client.rename("kept", f"ncc:{key}")


def wait_for_script_calls(client: Any, count: int) -> None:
    """Wait until scripts were called so many times more."""

    def calls() -> int:
        return int(client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])

    before = calls()
    wait_until(lambda: calls() >= before + count, f"{count} calls of scripts", 30)


def lines(log: str) -> list[str]:
    """The log without the line that each batch has."""
    return [line for line in log.splitlines() if not line.startswith("info: Processed ")]


def assert_goes_on(system: System) -> None:
    """Everything is taken and processed, and the metadata is those of the stream."""
    client = system.client
    with system.poster() as poster:
        poster.wait_for_accepted(5)
    assert check_ins(client).items() >= poster.accepted.items()
    wait_until_drained(client)
    assert system.processor.exit_code is system.receiver.exit_code is None
    assert_replayed(client, system.loaded.after(entries(client)))


# --- keys


@pytest.mark.parametrize(
    ("key", "how"),
    [
        *((key, how) for key in METADATA for how in ("deleted", "replaced")),
        *((key, "replaced") for key in [*INDEXES, "checkins:dead", "users:1", "locations:1"]),
    ],
)
def test_a_key_without_which_nothing_can_be_counted_stops_the_processor_until_it_is_fixed(
    system: System, key: str, how: str
) -> None:
    client, processor, receiver = system.client, system.processor, system.receiver
    told = len(processor.log), len(receiver.log)
    with system.poster() as poster:
        poster.wait_for_accepted(5)
        damage(client, key, how)
        if key in ("users:1", "locations:1"):
            add_some(client, system.rng, 300)
        processor.wait_until(
            lambda: f"Nothing is processed: ncc:{key}" in system.log_since(told[0]), "it names the key"
        )
        answer = receiver.post(2, 2, 5)
        if key in METADATA and key != "checkinprocessor:lastid":
            assert answer.status_code == 503
            assert f"ncc:{key} " in answer.json()["detail"]
        else:
            assert answer.status_code == 202
        before = held(client)
        wait_for_script_calls(client, 10)
        assert held(client) == before
        repair(client, key)
        processor.wait_until(lambda: "Processing goes on" in system.log_since(told[0]), "it goes on")
        poster.wait_for_accepted(5)
    assert len(lines(system.log_since(told[0]))) <= FEW
    assert len(lines(receiver.log[told[1] :])) <= FEW
    assert_goes_on(system)


@pytest.mark.parametrize("key", ["meta", "checkinprocessor:lastid", "checkinprocessor:processed"])
def test_the_repair_of_a_deleted_key_that_the_message_names_is_exact(system: System, key: str) -> None:
    client, processor = system.client, system.processor
    told = len(processor.log)
    with system.poster() as poster:
        poster.wait_for_accepted(5)
        client.delete(f"ncc:{key}")
        processor.wait_until(lambda: "this repairs it: " in system.log_since(told), "it names the repair")
        [command] = set(re.findall(r"this repairs it: footfall redis (.*)\. Retrying", system.log_since(told)))
        assert command.split()[1] == f"ncc:{key}"
        client.execute_command(*command.split())
        processor.wait_until(lambda: "Processing goes on" in system.log_since(told), "it goes on")
        wait_until_processed(client, processed(client) + 1)
    assert len(lines(system.log_since(told))) <= FEW
    assert_goes_on(system)


@pytest.mark.parametrize(
    ("key", "how"),
    [
        *((key, how) for key in [*READ_ONLY, *KEPT] for how in ("deleted", "replaced")),
        ("checkins:dead", "deleted"),
    ],
)
def test_a_key_that_counting_does_not_need_changes_nothing_when_it_is_gone(system: System, key: str, how: str) -> None:
    client = system.client
    wait_until_drained(client)
    told = len(system.processor.log), len(system.receiver.log)
    damage(client, key, how)
    with system.poster() as poster:
        poster.wait_for_accepted(20)
    wait_until_drained(client)
    assert not poster.refused
    repair(client, key)
    assert not re.search("warning: |error: ", system.log_since(told[0]) + system.receiver.log[told[1] :])
    assert_goes_on(system)


def test_a_lease_that_is_deleted_is_taken_again_and_another_key_in_its_place_is_named(system: System) -> None:
    client, processor = system.client, system.processor
    lease = "ncc:checkinprocessor:lease"
    client.delete(lease)
    wait_until(lambda: client.exists(lease), "the lease is held", 30)
    assert_goes_on(system)
    told = len(processor.log)
    client.delete(lease)
    client.sadd(lease, "not ours")
    processor.wait_until(lambda: f"Nothing is processed: {lease}: " in system.log_since(told), "it names the key")
    assert "delete it" in system.log_since(told)
    client.delete(lease)
    processor.wait_until(lambda: "Processing goes on" in system.log_since(told), "it goes on")
    assert len(lines(system.log_since(told))) <= FEW
    assert_goes_on(system)


def test_deleted_indexes_do_not_stop_counting_and_are_found_and_rebuilt(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    indexes = [*INDEXES, "users:email", "locations:geo", "locations:category:cafe"]
    some = slowly(random_check_ins(rng, USERS // 2, LOCATIONS // 2))  # the others will be missing
    settings = {"redis_url": server.url}
    with Receiver(server.url) as receiver, Footfall("processor", settings=settings) as processor:
        for key in indexes:
            with Poster(receiver, some, connections=1) as poster:
                poster.wait_for_accepted(5)
                client.delete(f"ncc:{key}")
                poster.wait_for_accepted(5)
            wait_until_drained(client)
        assert [line.split()[0] for line in lines(processor.log)] == ["info:"], processor.log
        wanted, found = replay.after(entries(client)).content(), held(client)
        named = {f"ncc:{key}".encode() for key in indexes}
        rest = wanted.keys() - named
        assert {name: found[name] for name in rest} == {name: wanted[name] for name in rest}
        with Footfall("status", settings=settings) as status:
            assert status.wait() == 0
            for key in ("users:bycheckins", "locations:bycheckins"):
                assert re.search(rf"ncc:{key}: .*footfall rebuild", status.log), status.log
        with Footfall("verify", settings=settings) as verify:
            assert verify.wait() == 1, verify.log
            assert all(name.decode() in verify.log for name in named), verify.log
        with Footfall("rebuild", "--yes", settings=settings) as rebuild:
            assert rebuild.wait() == 0, rebuild.log
        wait_until_drained(client)
        assert_replayed(client, replay.after(entries(client)))
        with Footfall("verify", settings=settings) as verify:
            assert verify.wait() == 0, verify.log


def test_replaced_indexes_are_rebuilt_by_the_command_that_the_message_names(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    settings = {"redis_url": server.url}
    with Footfall("processor", settings=settings) as processor:
        processor.wait_for("Reading stream")
        pipeline = client.pipeline(transaction=True)
        for key in INDEXES:
            pipeline.delete(f"ncc:{key}").sadd(f"ncc:{key}", "not ours")
        pipeline.execute()
        add_some(client, rng, 50)
        processor.wait_for(f"ncc:{INDEXES[0]} is missing or does not hold what it must; `footfall rebuild` repairs it")
        with Footfall("rebuild", "--yes", settings=settings) as rebuild:
            assert rebuild.wait() == 0, rebuild.log
        processor.wait_for("Processing goes on")
        wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)))


def restore(client: Any, url: str, key: str, how: str) -> None:
    """Bring a deleted record back: from what was kept of it, or its counters from the stream and the rest loaded."""
    if how == "backup":
        client.rename("kept", f"ncc:{key}")
        return
    client.delete("kept")
    settings = {"redis_url": url}
    with Footfall("rebuild", "--yes", settings=settings) as rebuild:
        assert rebuild.wait() == 0, rebuild.log
    if key == "users:1":
        load_rows(client, "users", [user_row(1, **SEEN)])
    else:
        load_rows(client, "locations", [location_row(1)])


@pytest.mark.parametrize("how", ["backup", "rebuild"])
@pytest.mark.parametrize(("key", "reason"), [("users:1", b"unknown-user"), ("locations:1", b"unknown-location")])
def test_a_record_that_is_deleted_makes_dead_letters_which_are_counted_when_it_is_back(
    server: Server, client: Any, key: str, reason: bytes, how: str
) -> None:
    replay = load_records(client)
    settings = {"redis_url": server.url}
    with Receiver(server.url) as receiver, Footfall("processor", settings=settings) as processor:
        assert receiver.post(1, 1, 5).status_code == 202
        wait_until_drained(client)
        pipeline = client.pipeline(transaction=True)
        for number in range(20):
            add(pipeline, 1, 1, number % 6)
        pipeline.rename(f"ncc:{key}", "kept").execute()
        answer = receiver.post(1, 1, 5)
        assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no such {key.partition('s:')[0]}")
        assert receiver.post(2, 2, 5).status_code == 202
        wait_until_drained(client)
        assert processor.log.count(f"became a dead letter: {reason.decode()}.") == 20
        assert not client.exists(f"ncc:{key}")
        restore(client, server.url, key, how)
        with Footfall("dead-letters", "retry", settings=settings) as retry:
            assert retry.wait() == 0, retry.log
        assert receiver.post(1, 1, 5).status_code == 202
        wait_until_drained(client)
    assert_replayed(client, replay.after(entries(client)))


# --- scripts, connections


def test_scripts_flushed_and_connections_killed_all_the_time_lose_and_repeat_nothing(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    with (
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 20}) as processor,
        Receiver(server.url) as receiver,
    ):
        with Poster(receiver, random_check_ins(rng, USERS, LOCATIONS), keyed=True) as poster:
            for _ in range(ROUNDS):
                before = processed(client)
                if rng.random() < 0.7:
                    client.script_flush("ASYNC" if rng.random() < 0.5 else "SYNC")
                if rng.random() < 0.7:
                    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                poster.wait_for_accepted(20)
                wait_until_processed(client, before + 20)
                time.sleep(rng.uniform(0, 0.05))
        wait_until_drained(client)
        for part in (processor, receiver):
            assert "Traceback" not in part.log
            assert len(lines(part.log)) <= 3 * ROUNDS + 2, part.log  # lost, there again, reading on
    print(f"{len(poster.accepted)} accepted, {poster.replayed} replayed")
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))


# --- the clock


def test_after_a_clock_that_was_an_hour_ahead_check_ins_are_taken_counted_and_found(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    seconds, _ = client.time()
    ahead = 1000 * (seconds + 3600)
    add(client, 1, 1, 5, f"{ahead}-0")
    with (
        Receiver(server.url) as receiver,
        Footfall("processor", settings={"redis_url": server.url, "retain": 5000}),
        Api(server.url) as api,
    ):
        with Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster:
            poster.wait_for_accepted(300)
        wait_until_drained(client)
        assert check_ins(client) == {**poster.accepted, b"%d-0" % ahead: (1, 1, 5)}
        # one ms, in the order in which they came
        assert [entry_id for entry_id, _ in entries(client)] == [
            b"%d-%d" % (ahead, n) for n in range(len(entries(client)))
        ]
        assert_replayed(client, replay.after(entries(client)))
        newest = entries(client)[-1][0].decode()
        assert api.client.get("/api/checkins/latest").json()["id"] == newest
        assert api.client.get(f"/api/checkins/{1000 * seconds}/{ahead - 1}").json() == []
        found, url = [], f"/api/checkins/{ahead}/{ahead}"
        while url:
            answer = api.client.get(url)
            found += [entry["id"].encode() for entry in answer.json()]
            url = answer.links.get("next", {}).get("url", "")
        assert found == [entry_id for entry_id, _ in entries(client)]
        assert api.client.get(f"/api/user/{poster.accepted[newest.encode()].user}").json()["lastCheckin"] == ahead
