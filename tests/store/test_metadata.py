"""The metadata: created once, taken over from another program, refused with the repair when it cannot be trusted."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaos.replay import raw_client
from chaos.scene import add
from footfall.errors import BrokenKeyError, LoadingError
from footfall.keys import Keys
from footfall.store.calls.metadata import SCHEMA, SHARDS, Position
from footfall.store.calls.metadata import open_metadata as open_metadata_call
from servers import Server

CHECKPOINT, PROCESSED = "ncc:checkinprocessor:lastid", "ncc:checkinprocessor:processed"


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


def open_metadata(client: Any) -> Position:
    """What opening the metadata gives."""
    return open_metadata_call(Keys("ncc")).run_sync(client).position()


def fill(client: Any, count: int) -> list[bytes]:
    """Write so many entries; their ids."""
    return [add(client, 1, 1, 5) for _ in range(count)]


def metadata_of(client: Any) -> tuple[dict[bytes, bytes], bytes | None, bytes | None]:
    """Meta, checkpoint and processed."""
    return client.hgetall("ncc:meta"), client.get(CHECKPOINT), client.get(PROCESSED)


def digest(client: Any) -> bytes:
    """Stands for all that the server holds."""
    found: bytes = client.execute_command("DEBUG", "DIGEST")
    return found


def process(client: Any, ids: list[bytes]) -> None:
    """Let the metadata says that these entries, from the first on, are processed."""
    open_metadata(client)
    client.set(CHECKPOINT, ids[-1])
    client.set(PROCESSED, len(ids))


def repair(client: Any, error: BrokenKeyError) -> None:
    """Do what the message says."""
    commands = re.search(r"this repairs it: (footfall redis .*)$", str(error))
    assert commands, error
    for command in commands[1].split(" && "):
        client.execute_command(*command.removeprefix("footfall redis ").split())


def test_metadata_are_created_once(client: Any) -> None:
    assert open_metadata(client) == Position(checkpoint=b"0", generation=b"1")
    fields = {b"schema": b"%d" % SCHEMA, b"shards": b"%d" % SHARDS, b"generation": b"1", b"state": b"ready"}
    meta, checkpoint, processed = metadata_of(client)
    assert re.fullmatch(rb"\d+\.\d+", meta.pop(b"books"))
    assert (meta, checkpoint, processed) == ({**fields, b"loaded": b"0"}, b"0", b"0")
    before = digest(client)
    assert open_metadata(client) == Position(checkpoint=b"0", generation=b"1")
    assert digest(client) == before


def test_metadata_that_are_in_order_are_left_as_they_are(client: Any) -> None:
    ids = fill(client, 10)
    process(client, ids[:4])
    client.hset("ncc:meta", "generation", "77")
    before = digest(client)
    assert open_metadata(client) == Position(checkpoint=ids[3], generation=b"77")
    assert digest(client) == before


# --- taken over


@pytest.mark.parametrize("trimmed", [0, 1, 3])
@pytest.mark.parametrize("done", [0, 3, 7, 10])
def test_a_stream_of_another_program_is_taken_over_where_it_stands(client: Any, done: int, trimmed: int) -> None:
    ids = fill(client, 10)
    client.set(CHECKPOINT, ids[done - 1] if done else "0")
    trimmed = min(done, trimmed)
    client.xtrim("ncc:checkins", maxlen=10 - trimmed, approximate=False)
    assert open_metadata(client).checkpoint == (ids[done - 1] if done else b"0")
    assert metadata_of(client)[2] == b"%d" % done
    assert client.xlen("ncc:checkins") == 10 - trimmed


def test_a_stream_without_a_checkpoint_is_taken_over_from_its_beginning(client: Any) -> None:
    fill(client, 3)
    assert open_metadata(client).checkpoint == b"0"
    assert metadata_of(client)[1:] == (b"0", b"0")


def test_a_long_backlog_is_counted_when_it_is_taken_over(client: Any) -> None:
    pipeline = client.pipeline(transaction=False)
    for number in range(1, 5001):
        add(pipeline, 1, 1, 1, f"{number}-0")
    pipeline.execute()
    client.set(CHECKPOINT, "1999-0")
    open_metadata(client)
    assert client.get(PROCESSED) == b"1999"


@pytest.mark.parametrize("checkpoint", ["", "yesterday", "5", "5-", "-5", "1-2-3", f"1-{2**64}", "9" * 30 + "-0"])
def test_a_checkpoint_that_is_no_entry_id_is_not_taken_over(client: Any, checkpoint: str) -> None:
    fill(client, 3)
    client.set(CHECKPOINT, checkpoint)
    before = digest(client)
    with pytest.raises(BrokenKeyError, match=f"^{CHECKPOINT}: it does not hold an entry id") as caught:
        open_metadata(client)
    assert "footfall redis" not in str(caught.value), "nobody knows a value that would be right"
    assert digest(client) == before


def test_a_checkpoint_beyond_the_stream_is_not_taken_over(client: Any) -> None:
    ids = fill(client, 3)
    client.set(CHECKPOINT, "9999999999999-0")
    before = digest(client)
    with pytest.raises(BrokenKeyError, match="beyond the last entry") as caught:
        open_metadata(client)
    assert digest(client) == before
    repair(client, caught.value)
    assert open_metadata(client).checkpoint == ids[-1]


# --- refused


DAMAGE: dict[str, Callable[[Any], object]] = {
    "it is missing": lambda client: client.delete(CHECKPOINT),
    "it does not hold an entry id": lambda client: client.set(CHECKPOINT, "yesterday"),
    "it lies beyond the last entry": lambda client: client.set(CHECKPOINT, "9999999999999-5"),
}


@pytest.mark.parametrize("trimmed", [0, 2])
@pytest.mark.parametrize("done", [0, 3, 10])
@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_checkpoint_is_refused_and_its_repair_is_exact(
    client: Any, what: str, done: int, trimmed: int
) -> None:
    ids = fill(client, 10)
    open_metadata(client)
    if done:
        process(client, ids[:done])
        client.xtrim("ncc:checkins", maxlen=10 - trimmed, approximate=False)
    DAMAGE[what](client)
    before = digest(client)
    with pytest.raises(BrokenKeyError, match=f"^{CHECKPOINT}: {what}") as caught:
        open_metadata(client)
    assert digest(client) == before
    repair(client, caught.value)
    assert open_metadata(client).checkpoint == (ids[done - 1] if done else b"0")


def test_a_missing_checkpoint_of_an_empty_stream_is_repaired_with_0(client: Any) -> None:
    open_metadata(client)
    client.delete(CHECKPOINT)
    with pytest.raises(BrokenKeyError) as caught:
        open_metadata(client)
    repair(client, caught.value)
    assert open_metadata(client).checkpoint == b"0"


@pytest.mark.parametrize("processed", [None, "many", "11", "-1", "1.5"])
def test_without_a_count_that_fits_no_checkpoint_is_suggested(client: Any, processed: str | None) -> None:
    process(client, fill(client, 10)[:5])
    client.delete(CHECKPOINT, PROCESSED)
    if processed is not None:
        client.set(PROCESSED, processed)
    with pytest.raises(BrokenKeyError, match=f"^{CHECKPOINT}: it is missing; restore it from a backup"):
        open_metadata(client)


@pytest.mark.parametrize("processed", [None, "", "many", "-1", "1.5"])
@pytest.mark.parametrize("done", [3, 10])
def test_a_damaged_count_is_refused_and_its_repair_is_exact(client: Any, processed: str | None, done: int) -> None:
    ids = fill(client, 10)
    process(client, ids[:done])
    client.xtrim("ncc:checkins", maxlen=9, approximate=False)
    client.delete(PROCESSED)
    if processed is not None:
        client.set(PROCESSED, processed)
    with pytest.raises(BrokenKeyError, match=f"^{PROCESSED}: ") as caught:
        open_metadata(client)
    repair(client, caught.value)
    assert open_metadata(client).checkpoint == ids[done - 1]
    assert client.get(PROCESSED) == b"%d" % done


@pytest.mark.parametrize("done", [0, 3])
def test_a_missing_meta_is_refused_and_its_repair_is_a_generation_that_no_batch_was_read_under(
    client: Any, done: int
) -> None:
    ids = fill(client, 10)
    open_metadata(client)
    if done:
        process(client, ids[:done])
    client.delete("ncc:meta")
    before = digest(client)
    with pytest.raises(BrokenKeyError, match=f"^ncc:meta: it is missing although {PROCESSED} is there") as caught:
        open_metadata(client)
    assert digest(client) == before
    assert "this repairs it: footfall redis HSET ncc:meta " in str(caught.value)
    repair(client, caught.value)
    position = open_metadata(client)
    assert position.checkpoint == (ids[done - 1] if done else b"0")
    assert int(position.generation) == (int(ids[done - 1].partition(b"-")[0]) if done else 1)
    assert client.get(PROCESSED) == b"%d" % done


def test_a_stream_that_was_deleted_is_refused(client: Any) -> None:
    process(client, fill(client, 3))
    client.delete("ncc:checkins")
    with pytest.raises(BrokenKeyError, match=r"^ncc:checkins: it is missing although .* was processed") as caught:
        open_metadata(client)
    checkpoint = client.get(CHECKPOINT)
    repair(client, caught.value)
    assert open_metadata(client).checkpoint == checkpoint
    assert client.xinfo_stream("ncc:checkins")["entries-added"] == 3, "the backlog is what it was"


@pytest.mark.parametrize("key", ["ncc:meta", "ncc:checkins", CHECKPOINT, PROCESSED])
def test_a_key_of_the_wrong_type_is_refused(client: Any, key: str) -> None:
    process(client, fill(client, 3))
    client.delete(key)
    client.sadd(key, "not ours")
    before = digest(client)
    with pytest.raises(BrokenKeyError, match=f"^{key}: it is a set, not a "):
        open_metadata(client)
    assert digest(client) == before


@pytest.mark.parametrize(("field", "found"), [("schema", "99"), ("shards", "2"), ("schema", ""), ("shards", "")])
def test_data_of_another_schema_or_number_of_shards_is_refused(client: Any, field: str, found: str) -> None:
    open_metadata(client)
    client.hdel("ncc:meta", field)
    if found:
        client.hset("ncc:meta", field, found)
    with pytest.raises(BrokenKeyError, match=f"written with {field} {found or 'missing'}, this Footfall has 1;"):
        open_metadata(client)


@pytest.mark.parametrize(("field", "value"), [("generation", ""), ("generation", "x"), ("state", "?")])
def test_a_meta_with_nonsense_is_refused(client: Any, field: str, value: str) -> None:
    open_metadata(client)
    client.hset("ncc:meta", field, value)
    with pytest.raises(BrokenKeyError, match=r"^ncc:meta: its fields generation and state"):
        open_metadata(client)


def test_while_check_ins_are_loaded_the_metadata_say_so(client: Any) -> None:
    open_metadata(client)
    client.hset("ncc:meta", "state", "loading")
    with pytest.raises(LoadingError):
        open_metadata(client)


# --- another stream


@pytest.mark.parametrize("more", [1, 3])
def test_a_stream_that_has_fewer_entries_than_were_processed_is_refused_also_when_others_have_added_to_it(
    client: Any, more: int
) -> None:
    ids = fill(client, 10)
    older = client.dump("ncc:checkins")
    later = fill(client, 5)
    process(client, [*ids, *later])
    client.restore("ncc:checkins", 0, older, replace=True)
    for number in range(more):
        client.xadd("ncc:checkins", {"a": "b"}, f"{int(later[-1].partition(b'-')[0]) + 1}-{number}")
    before = digest(client)
    with pytest.raises(
        BrokenKeyError, match=f"15 entries were processed, but only {10 + more} were ever added"
    ) as caught:
        open_metadata(client)
    assert digest(client) == before
    repair(client, caught.value)
    assert open_metadata(client).checkpoint == later[-1]
    info = client.xinfo_stream("ncc:checkins")
    assert (info["entries-added"], info["length"]) == (15 + more, 10 + more), "what others have added is unprocessed"


def test_a_stream_that_was_deleted_before_anything_of_it_was_processed_is_missed(client: Any) -> None:
    fill(client, 3)
    open_metadata(client)
    client.hset("ncc:meta", "loaded", 3)
    open_metadata(client)
    client.delete("ncc:checkins")
    with pytest.raises(BrokenKeyError, match="3 check-ins were loaded, but only 0 were ever added to it"):
        open_metadata(client)


MAX_ID = f"{2**64 - 1}-{2**64 - 1}"


@pytest.mark.parametrize("last_id", [MAX_ID, "10000000000000-0", "9999999999999-7"])
@pytest.mark.parametrize("how", ["an entry", "no entry"])
def test_each_step_of_the_repair_of_used_up_ids_leads_on(client: Any, last_id: str, how: str) -> None:
    ids = fill(client, 10)
    client.set("ncc:checkins:usedup", "of another time")
    if how == "an entry":
        ids.append(client.xadd("ncc:checkins", {"a": "b"}, last_id))
    else:
        client.execute_command("XSETID", "ncc:checkins", last_id)
    process(client, ids)
    for _ in range(10):  # each time the first command alone
        try:
            open_metadata(client)
            break
        except BrokenKeyError as error:
            [first, *_] = str(error).rpartition("this repairs it: ")[2].split(" && ")
            client.execute_command(*first.removeprefix("footfall redis ").split())
    else:
        raise AssertionError("it leads nowhere")
    assert client.get("ncc:checkins:usedup") == b"of another time"
    assert client.xlen("ncc:checkins:usedup2") == len(ids)
    assert client.get(PROCESSED) == b"%d" % len(ids)
    assert client.xinfo_stream("ncc:checkins")["entries-added"] == len(ids)
    client.xadd("ncc:checkins", {"a": "b"})
    open_metadata(client)
