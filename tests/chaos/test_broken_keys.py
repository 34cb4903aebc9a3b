"""A key overwritten by another program while everything runs: a clear error, nothing half done, and on it goes."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from chaos.replay import Replay, assert_replayed, check_ins, entries, held, raw_client
from chaos.scene import add_some, load_records, seeded, wait_until_drained
from processes import Footfall, Receiver
from servers import Server, wait_until

#: every key that process.lua touches besides the next ones
PROCESSED_ONLY = [
    *("checkinprocessor:lastid", "checkins:dead", "users:bycheckins", "users:recent", "users:lastseen"),
    "locations:bycheckins",
]
#: what receive.lua touches for all check-ins, and for one
FOR_ALL = ["meta", "checkinprocessor:processed", "checkins"]
FOR_ONE = ["users:1", "locations:1"]
OPENED = ["meta", "checkins", "checkinprocessor:lastid", "checkinprocessor:processed"]


class System(NamedTuple):
    """All that runs, over one server."""

    client: Any
    receiver: Receiver
    processor: Footfall
    loaded: Replay
    rng: random.Random


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with Server() as server:
        client = raw_client(server.port)
        loaded = load_records(client)
        with (
            Receiver(server.url) as receiver,
            Footfall("processor", settings={"redis_url": server.url}) as processor,
        ):
            yield System(client, receiver, processor, loaded, seeded())
        client.close()


@contextmanager
def overwritten(client: Any, key: str) -> Iterator[None]:
    """Inside, the key is a set; what it held is back afterwards."""
    key = f"ncc:{key}"
    existed = client.exists(key)
    pipeline = client.pipeline(transaction=True)
    if existed:
        pipeline.rename(key, "kept")
    pipeline.sadd(key, "not ours").execute()
    yield
    if existed:
        client.rename("kept", key)
    else:
        client.delete(key)


def wait_for_script_calls(client: Any, count: int) -> None:
    """Wait until scripts were called so many times more."""

    def calls() -> int:
        return int(client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])

    before = calls()
    wait_until(lambda: calls() >= before + count, f"{count} calls of scripts", 30)


def assert_goes_on(system: System) -> None:
    """Everything is processed, and the metadata is those of the stream."""
    accepted = {}
    for user in range(1, 4):
        answer = system.receiver.post(user, user, 5)
        assert answer.status_code == 202, answer.text
        accepted[answer.json()["id"].encode()] = (user, user, 5)
    wait_until_drained(system.client)
    assert check_ins(system.client).items() >= accepted.items()
    assert_replayed(system.client, system.loaded.after(entries(system.client)))


@pytest.mark.parametrize("key", [*PROCESSED_ONLY, *FOR_ALL, *FOR_ONE])
def test_a_key_of_the_wrong_type_stops_the_processor_until_it_is_repaired_and_changes_nothing(
    system: System, key: str
) -> None:
    client, processor = system.client, system.processor
    assert_goes_on(system)
    logged = len(processor.log)
    with overwritten(client, key):
        if key != "checkins":
            # in one transaction: the processor must not apply the first of them without user 1
            add_some(client, system.rng, 200)
        processor.wait_until(lambda: f"Nothing is processed: ncc:{key}" in processor.log[logged:], "it names the key")
        before = held(client)
        wait_for_script_calls(client, 4)
        assert held(client) == before
    processor.wait_until(lambda: "Processing goes on" in processor.log[logged:], "it goes on")
    assert_goes_on(system)


@pytest.mark.parametrize("key", FOR_ALL)
def test_a_key_of_the_wrong_type_makes_the_receiver_refuse_and_changes_nothing(system: System, key: str) -> None:
    assert_goes_on(system)
    with overwritten(system.client, key):
        before = held(system.client)
        for _ in range(3):
            answer = system.receiver.post(1, 1, 5)
            assert answer.status_code == 503
            assert f"ncc:{key} " in answer.json()["detail"]
        assert held(system.client) == before
    assert_goes_on(system)


@pytest.mark.parametrize("key", FOR_ONE)
def test_a_record_of_the_wrong_type_makes_the_receiver_refuse_its_check_ins_only(system: System, key: str) -> None:
    assert_goes_on(system)
    with overwritten(system.client, key):
        before = held(system.client)
        answer = system.receiver.post(1, 1, 5)
        assert answer.status_code == 503
        assert f"ncc:{key} " in answer.json()["detail"]
        assert held(system.client) == before
        assert system.receiver.post(2, 2, 5).status_code == 202
    assert_goes_on(system)


@pytest.mark.parametrize("key", PROCESSED_ONLY)
def test_a_key_that_only_the_processor_needs_does_not_keep_check_ins_from_being_stored(
    system: System, key: str
) -> None:
    with overwritten(system.client, key):
        assert system.receiver.post(1, 1, 5).status_code == 202
    assert_goes_on(system)


@pytest.mark.parametrize("key", OPENED)
def test_with_a_bookkeeping_key_of_the_wrong_type_no_connection_is_taken_into_use(system: System, key: str) -> None:
    assert_goes_on(system)
    with overwritten(system.client, key):
        before = held(system.client)
        system.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_for_script_calls(system.client, 4)
        answer = system.receiver.post(1, 1, 5)
        assert answer.status_code == 503
        assert f"ncc:{key}: it is a set" in answer.json()["detail"]
        assert held(system.client) == before
    wait_until(lambda: system.receiver.post(1, 1, 5).status_code == 202, "the receiver takes check-ins again")
    assert_goes_on(system)
