"""Trimming: the newest processed entries stay for range queries, and nothing unprocessed ever goes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaos.replay import raw_client
from chaos.scene import load_records
from footfall.keys import Keys
from footfall.store.calls import stream
from processes import Api, Footfall
from servers import Server
from trim_scene import COUNT, fill, ids, set_metadata

KEYS = Keys("ncc")


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


def trim(client: Any, retain: int, most: int = 1000) -> int:
    """Trim; how many entries were removed."""
    return stream.trim(KEYS, retain=retain, most=most, for_groups=10**6).run_sync(client).removed


@pytest.mark.parametrize("done", [1, 10, 49, 50])
@pytest.mark.parametrize("retain", [1, 9, 10, 11, 49, 50, 1000])
def test_the_newest_processed_entries_and_all_unprocessed_ones_are_kept(client: Any, done: int, retain: int) -> None:
    written = fill(client)
    set_metadata(client, written[done - 1], done)
    kept = written[max(0, done - retain) :]
    assert trim(client, retain) == COUNT - len(kept)
    assert ids(client) == kept
    assert trim(client, retain) == 0


@pytest.mark.parametrize("done", [1, 10, 50])
def test_with_nothing_to_retain_the_checkpoints_own_entry_stays(client: Any, done: int) -> None:
    written = fill(client)
    set_metadata(client, written[done - 1], done)
    trim(client, 0)
    assert ids(client) == written[done - 1 :]


def test_one_call_removes_no_more_than_it_is_told(client: Any) -> None:
    written = fill(client)
    set_metadata(client, written[39], 40)
    assert [trim(client, 5, most=15) for _ in range(4)] == [15, 15, 5, 0]
    assert ids(client) == written[35:]


def test_entries_that_were_trimmed_before_count_as_processed(client: Any) -> None:
    written = fill(client)
    set_metadata(client, written[29], 30)
    trim(client, 20)
    more = fill(client, 10, first=COUNT + 1)
    set_metadata(client, more[4], 55)
    trim(client, 20)
    assert ids(client) == [*written[35:], *more]


@pytest.mark.parametrize("processed", [0, 5, 10, 11, 40, COUNT, COUNT + 1, 10**9, 2**53 - 1, "9" * 400])
@pytest.mark.parametrize("retain", [0, 1, 10])
def test_no_entry_after_the_checkpoint_goes_whatever_the_counter_says(
    client: Any, processed: object, retain: int
) -> None:
    written = fill(client)
    set_metadata(client, written[9], processed)
    for _ in range(3):
        trim(client, retain)
    assert ids(client)[-41:] == written[9:]


def test_no_entry_after_the_checkpoint_goes_when_others_have_deleted_entries(client: Any) -> None:
    written = fill(client)
    set_metadata(client, written[9], 10)
    client.xdel("ncc:checkins", *written[5:10], *written[20:30])
    for _ in range(3):
        trim(client, 0)
    assert ids(client)[-30:] == [*written[10:20], *written[30:]]


def test_no_entry_goes_before_the_first_is_processed(client: Any) -> None:
    written = fill(client)
    set_metadata(client, b"0", 0)
    assert trim(client, 0) == 0
    assert ids(client) == written


def damaged(key: str, value: str | None) -> Callable[[Any], object]:
    """Makes a key a string with this value, or without one a set."""

    def damage(client: Any) -> None:
        client.delete(f"ncc:{key}")
        if value is None:
            client.sadd(f"ncc:{key}", "not ours")
        else:
            client.set(f"ncc:{key}", value)

    return damage


DAMAGE: dict[str, Callable[[Any], object]] = {
    "no meta": lambda client: client.delete("ncc:meta"),
    "loading": lambda client: client.hset("ncc:meta", "state", "loading"),
    "no checkpoint": lambda client: client.delete("ncc:checkinprocessor:lastid"),
    "no count": lambda client: client.delete("ncc:checkinprocessor:processed"),
    **{f"count {value!r}": damaged("checkinprocessor:processed", value) for value in ("", "-1", "inf", "nan", "0x10")},
    **{
        f"checkpoint {value!r}": damaged("checkinprocessor:lastid", value)
        for value in ("", "+", "-", "yesterday", "5", "5-", "1-2-3", f"{2**64}-0")
    },
    **{
        f"{key} of the wrong type": damaged(key, None)
        for key in ("meta", "checkinprocessor:lastid", "checkinprocessor:processed")
    },
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_without_metadata_that_can_be_trusted_nothing_goes(client: Any, damage: str) -> None:
    written = fill(client)
    set_metadata(client, written[-1], COUNT)
    DAMAGE[damage](client)
    assert trim(client, 0) == 0
    assert ids(client) == written


def test_a_stream_that_is_none_is_left_alone(client: Any) -> None:
    set_metadata(client, b"5-0", 5)
    assert trim(client, 0) == 0
    client.sadd("ncc:checkins", "not ours")
    assert trim(client, 0) == 0
    assert client.smembers("ncc:checkins") == {b"not ours"}


# --- the processor


def test_a_processor_trims_when_it_starts_to_work_and_range_queries_go_on(server: Server, client: Any) -> None:
    load_records(client)
    written = fill(client, 100)
    with Footfall("processor", "--once", settings={"redis_url": server.url, "retain": 30}) as processor:
        assert processor.wait() == 0, processor.log
    assert ids(client) == written[70:]
    with Api(server.url) as api:
        everything = api.client.get("/api/checkins/0/9999999999999").json()
        assert [entry["id"].encode() for entry in everything] == written[70:]
        assert len(api.client.get("/api/checkins/1000/75000").json()) == 5
        assert api.client.get("/api/checkins/latest").json()["id"].encode() == written[-1]


def test_a_processor_trims_while_it_works(server: Server, client: Any) -> None:
    load_records(client)
    written = fill(client, 14_000)
    settings = {"redis_url": server.url, "retain": 100}
    with Footfall("processor", "--once", settings=settings) as processor:
        assert processor.wait() == 0, processor.log
        left = ids(client)
        assert 100 <= len(left) < 4_000
        assert left == written[-len(left) :]
        processor.start()
        assert processor.wait() == 0
        assert ids(client) == left, "nothing was processed"
    assert client.get("ncc:checkinprocessor:processed") == b"14000"
