"""receive.lua without idempotency records: one result per check-in, in order; one that is refused spoils no other."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError

from chaos.replay import entries, raw_client
from chaos.scene import LOCATIONS, USERS, load_records, seeded
from footfall.keys import Keys
from footfall.store.pipeline import Argument
from footfall.store.scripts import RECEIVE
from metadata_scene import make_metadata
from servers import Server

KEYS = Keys("ncc")

#: user, location and stars
CheckIn = tuple[int, int, int]


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client of a server with users, locations and metadata."""
    client = raw_client(server.port)
    load_records(client)
    make_metadata(client, KEYS)
    yield client
    client.close()


def receive(client: Any, *check_ins: CheckIn, max_backlog: int = 1000, unknown_ids: str = "reject") -> Any:
    """What the script answers to these check-ins: the outcome of each, or a tuple with the words for all."""
    keys = [KEYS.stream, KEYS.meta, KEYS.processed, KEYS.users_removed, KEYS.locations_removed, KEYS.checkpoint]
    arguments = list[Argument]((max_backlog, unknown_ids, 1000, 0, len(check_ins), ""))
    for user, location, stars in check_ins:
        keys += (KEYS.user(user), KEYS.location(location))
        arguments += (user, location, stars)
    answer = RECEIVE.run_sync(client, keys, arguments)
    if answer[0] != b"OK":
        return tuple(answer)
    ((word, *outcomes),) = answer[1:]
    if word not in (b"ALL", b"SOME"):
        return (word, *outcomes)
    assert word == (b"ALL" if all(isinstance(outcome, bytes) for outcome in outcomes) else b"SOME")
    return outcomes


def fields(check_in: CheckIn) -> list[bytes]:
    """The fields of its entry, in the order of the stream."""
    user, location, stars = (b"%d" % number for number in check_in)
    return [b"locationId", location, b"userId", user, b"starRating", stars]


def digest(client: Any) -> bytes:
    """Stands for all that the server holds."""
    found: bytes = client.execute_command("DEBUG", "DIGEST")
    return found


def test_each_check_in_becomes_an_entry_and_its_id_is_the_answer_in_order(client: Any) -> None:
    rng = seeded()
    chunks = [
        [(rng.randint(1, USERS), rng.randint(1, LOCATIONS), rng.randint(0, 5)) for _ in range(count)]
        for count in (500, 1, 17)
    ]
    added = [
        (entry_id, fields(check_in))
        for chunk in chunks
        for entry_id, check_in in zip(receive(client, *chunk), chunk, strict=True)
    ]
    assert entries(client) == added


def test_ids_are_the_servers_times(client: Any) -> None:
    def now_ms() -> int:
        seconds, micros = client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    before = now_ms()
    (entry_id,) = receive(client, (1, 1, 5))
    assert before <= int(entry_id.split(b"-")[0]) <= now_ms()


def test_nothing_else_is_changed(client: Any) -> None:
    before = digest(client)
    receive(client, (1, 1, 5), (10**6, 10**6, 1))
    receive(client, (10**6, 10**6, 1), unknown_ids="create")
    client.delete("ncc:checkins")
    assert digest(client) == before


def test_a_check_in_that_is_refused_does_not_spoil_the_others(client: Any) -> None:
    client.delete("ncc:users:9", "ncc:locations:9")
    client.set("ncc:users:9", "not ours")
    client.sadd("ncc:locations:9", "not ours")
    good: list[CheckIn] = [(1, 1, 5), (2, 2, 0), (3, 3, 1), (1, 1, 5)]
    refused: list[CheckIn] = [(USERS + 1, 1, 5), (1, LOCATIONS + 1, 5), (9, 1, 5), (1, 9, 5), (USERS + 1, 9, 5)]
    answers = receive(client, *refused[:2], good[0], good[1], *refused[2:], *good[2:])
    assert [answers[i] for i in (0, 1, 4, 5, 6)] == [
        [b"UNKNOWN_USER"],
        [b"UNKNOWN_LOCATION"],
        [b"BROKEN", b"ncc:users:9"],
        [b"BROKEN", b"ncc:locations:9"],
        [b"UNKNOWN_USER"],
    ]
    ids = [answers[i] for i in (2, 3, 7, 8)]
    assert entries(client) == [(entry_id, fields(check_in)) for entry_id, check_in in zip(ids, good, strict=True)]


def test_a_record_without_an_id_is_unknown(client: Any) -> None:
    client.hdel("ncc:users:1", "id")
    client.hdel("ncc:locations:2", "id")
    assert receive(client, (1, 1, 5), (2, 2, 5)) == [[b"UNKNOWN_USER"], [b"UNKNOWN_LOCATION"]]


def test_create_takes_check_ins_of_unknown_users_and_locations_and_leaves_records_to_the_processor(
    client: Any,
) -> None:
    unknown = (2**53 - 1, 2**53 - 2, 3)
    answers = receive(client, unknown, (1, 10**6, 5), (10**6, 1, 0), unknown_ids="create")
    assert [entry_id for entry_id, _ in entries(client)] == answers
    assert entries(client)[0][1] == fields(unknown)
    assert not client.exists("ncc:users:9007199254740991", "ncc:locations:9007199254740990")


def test_create_refuses_those_that_were_removed(client: Any) -> None:
    client.hset("ncc:users:removed", "7", "{}")
    client.hset("ncc:locations:removed", "8", "{}")
    taken, *refused = receive(client, (8, 7, 5), (7, 7, 5), (8, 8, 5), unknown_ids="create")
    assert refused == [[b"UNKNOWN_USER"], [b"UNKNOWN_LOCATION"]]
    assert [entry_id for entry_id, _ in entries(client)] == [taken]


@pytest.mark.parametrize("key", [b"ncc:users:removed", b"ncc:locations:removed"])
def test_create_without_knowing_who_was_removed_takes_nothing(client: Any, key: bytes) -> None:
    client.set(key, "not ours")
    assert receive(client, (1, 1, 5), unknown_ids="create") == (b"BROKEN", key)


def test_many_unknown_ones_are_each_refused(client: Any) -> None:
    assert receive(client, *[(10**6 + n, 1, 5) for n in range(500)]) == [[b"UNKNOWN_USER"]] * 500
    assert not client.exists("ncc:checkins")


# --- the backlog


def test_a_backlog_that_has_reached_its_limit_is_full(client: Any) -> None:
    for _ in range(3):
        assert isinstance(receive(client, (1, 1, 5), max_backlog=3), list)
    before = digest(client)
    assert receive(client, (1, 1, 5), (2, 2, 5), max_backlog=3) == (b"FULL",)
    assert digest(client) == before
    assert isinstance(receive(client, (1, 1, 5), max_backlog=4), list)


@pytest.mark.parametrize("kept", [10, 5, 0])
def test_processed_entries_do_not_count_whether_they_are_retained_or_not(client: Any, kept: int) -> None:
    receive(client, *[(1, 1, 5)] * 10)
    client.set("ncc:checkinprocessor:processed", 8)
    client.xtrim("ncc:checkins", maxlen=kept, approximate=False)
    assert isinstance(receive(client, (1, 1, 5), max_backlog=3), list)
    assert receive(client, (1, 1, 5), max_backlog=3) == (b"FULL",)
    client.set("ncc:checkinprocessor:processed", 9)
    assert isinstance(receive(client, (1, 1, 5), max_backlog=3), list)


# --- refused as a whole


def test_while_data_is_loaded_nothing_is_taken(client: Any) -> None:
    client.hset("ncc:meta", "state", "loading")
    before = digest(client)
    assert receive(client, (1, 1, 5)) == (b"LOADING",)
    assert receive(client, (1, 1, 5), unknown_ids="create") == (b"LOADING",)
    assert digest(client) == before


def damaged(key: str, value: str | None) -> tuple[str, Callable[[Any], object]]:
    """Makes a key a string with this value, or without one a set."""

    def damage(client: Any) -> None:
        client.delete(f"ncc:{key}")
        if value is None:
            client.sadd(f"ncc:{key}", "not ours")
        else:
            client.set(f"ncc:{key}", value)

    return key, damage


def set_checkpoint(client: Any, checkpoint: str) -> None:
    """Let the metadata says that this was processed, or the entry after the last one."""
    if checkpoint == "one more":
        ms, _, sequence = client.xinfo_stream("ncc:checkins")["last-generated-id"].decode().partition("-")
        checkpoint = f"{ms}-{int(sequence) + 1}"
    client.set("ncc:checkinprocessor:lastid", checkpoint)


#: the key that is named, or what is said, and what was done to it
DAMAGE: dict[str, tuple[str, Callable[[Any], object]]] = {
    "no meta": ("meta", lambda client: client.delete("ncc:meta")),
    "no state": ("meta", lambda client: client.hdel("ncc:meta", "state")),
    "another state": ("meta", lambda client: client.hset("ncc:meta", "state", "?")),
    "no count": ("checkinprocessor:processed", lambda client: client.delete("ncc:checkinprocessor:processed")),
    **{
        f"count {value!r}": damaged("checkinprocessor:processed", value)
        for value in ("", "many", "-1", "1.5", "nan", "inf", "0x10", " 1")
    },
    "stream deleted": ("checkins", lambda client: client.delete("ncc:checkins")),
    "no more ids": ("FINISHED", lambda client: client.xadd("ncc:checkins", {"a": "b"}, f"{2**64 - 1}-{2**64 - 1}")),
    "no more times": ("FINISHED", lambda client: client.xadd("ncc:checkins", {"a": "b"}, "10000000000000-0")),
    **{
        f"checkpoint {checkpoint}": ("OLDER", partial(set_checkpoint, checkpoint=checkpoint))
        for checkpoint in ("9999999999998-0", "10000000000000-0", f"{2**64 - 1}-{2**64 - 1}", "one more")
    },
    **{f"{key} of the wrong type": damaged(key, None) for key in ("meta", "checkins", "checkinprocessor:processed")},
}


@pytest.mark.parametrize("unknown_ids", ["reject", "create"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_key_that_does_not_hold_what_it_must_is_named_and_nothing_is_added(
    client: Any, damage: str, unknown_ids: str
) -> None:
    receive(client, *[(1, 1, 5)] * 5)
    client.set("ncc:checkinprocessor:processed", 2)
    key, act = DAMAGE[damage]
    act(client)
    before = digest(client)
    answer = receive(client, (1, 1, 5), (2, 2, 5), unknown_ids=unknown_ids)
    assert answer == ((key.encode(),) if key.isupper() else (b"BROKEN", b"ncc:" + key.encode()))
    assert digest(client) == before


def test_a_stream_that_is_not_there_yet_is_made(client: Any) -> None:
    assert not client.exists("ncc:checkins")
    assert receive(client, (1, 1, 5)) == [entry_id for entry_id, _ in entries(client)]


def test_a_stream_of_another_type_is_not_taken_for_a_new_one(client: Any) -> None:
    client.set("ncc:checkins", "not ours")
    assert receive(client, (1, 1, 5)) == (b"BROKEN", b"ncc:checkins")
    assert client.get("ncc:checkins") == b"not ours"


def test_a_server_that_is_out_of_memory_refuses_the_whole_chunk(client: Any) -> None:
    receive(client, (1, 1, 5))
    client.config_set("maxmemory", 1)
    before = digest(client)
    with pytest.raises(OutOfMemoryError):
        receive(client, *[(1, 1, 5)] * 100)
    assert digest(client) == before
    client.config_set("maxmemory", 0)
    assert len(receive(client, (1, 1, 5))) == 1
