"""Entries that others have removed before they were processed: the processor says how many, and goes on."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from chaos.replay import assert_replayed, entries, raw_client
from chaos.scene import add, add_some, load_records, load_rows, processed, seeded, wait_until_drained
from footfall import config
from footfall.keys import Keys
from footfall.operations.status.collect import collect
from footfall.processor.gaps import Gaps
from footfall.store.calls import stream
from footfall.store.calls.metadata import Position
from footfall.store.client import connect
from footfall.store.pipeline import Connection
from pipelines import connected_to
from processes import Footfall
from servers import Server, wait_until
from trim_scene import fill, set_metadata

KEYS = Keys("ncc")
STREAM = "ncc:checkins"


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


@pytest.fixture
async def connection(server: Server) -> AsyncIterator[Connection]:
    async with connected_to(server.url) as connection:
        yield connection


def count_lost(client: Any, checkpoint: bytes, generation: int = 1) -> int:
    return stream.count_lost(KEYS, Position(checkpoint, b"%d" % generation)).run_sync(client)


def lost(client: Any) -> int:
    """The number that the metadata keep."""
    return int(client.hget("ncc:meta", "lost") or 0)


@pytest.fixture
def written(client: Any) -> list[bytes]:
    """50 entries, of which 20 are processed."""
    written = fill(client)
    set_metadata(client, written[19], 20)
    return written


# --- the script


def test_without_a_loss_nothing_is_changed(client: Any, written: list[bytes]) -> None:
    assert count_lost(client, written[19]) == 0
    client.xtrim(STREAM, minid=written[10], approximate=False)
    assert count_lost(client, written[19]) == 0
    client.xtrim(STREAM, minid=written[20], approximate=False)  # all that is processed, and nothing else
    assert count_lost(client, written[19]) == 0
    set_metadata(client, written[49], 50)
    assert count_lost(client, written[49]) == 0
    client.xtrim(STREAM, maxlen=0, approximate=False)
    assert count_lost(client, written[49]) == 0
    assert (processed(client), lost(client)) == (50, 0)


@pytest.mark.parametrize("kept", [0, 1, 29, 30])
def test_a_stream_that_was_trimmed_beyond_the_checkpoint_has_lost_exactly_those_in_between(
    client: Any, written: list[bytes], kept: int
) -> None:
    client.xtrim(STREAM, maxlen=kept, approximate=False)
    assert count_lost(client, written[19]) == 30 - kept
    assert (processed(client), lost(client)) == (50 - kept, 30 - kept)
    assert count_lost(client, written[19]) == 0


def test_entries_deleted_in_between_are_known_when_everything_else_is_processed(
    client: Any, written: list[bytes]
) -> None:
    client.xdel(STREAM, *written[30:35], written[10])
    assert count_lost(client, written[19]) == 0, "there may be others"
    set_metadata(client, written[49], 45)
    assert count_lost(client, written[49]) == 5
    assert (processed(client), lost(client)) == (50, 5)


def test_losses_add_up(client: Any, written: list[bytes]) -> None:
    client.xtrim(STREAM, maxlen=20, approximate=False)
    count_lost(client, written[19])
    client.xtrim(STREAM, maxlen=5, approximate=False)
    assert count_lost(client, written[19]) == 15
    assert (processed(client), lost(client)) == (45, 25)


def test_a_stream_that_nothing_of_was_processed_yet(client: Any) -> None:
    fill(client)
    set_metadata(client, b"0", 0)
    client.xtrim(STREAM, maxlen=20, approximate=False)
    assert count_lost(client, b"0") == 30
    assert processed(client) == 30


def test_from_a_count_that_is_too_high_nothing_is_concluded(client: Any, written: list[bytes]) -> None:
    set_metadata(client, written[49], 60)
    assert count_lost(client, written[49]) == 0
    assert (processed(client), lost(client)) == (60, 0)


FENCES: dict[str, Callable[[Any], object]] = {
    "another checkpoint": lambda client: client.set("ncc:checkinprocessor:lastid", "1000-0"),
    "another generation": lambda client: client.hset("ncc:meta", "generation", 2),
    "loading": lambda client: client.hset("ncc:meta", "state", "loading"),
    "no meta": lambda client: client.delete("ncc:meta"),
    "no checkpoint": lambda client: client.delete("ncc:checkinprocessor:lastid"),
    "no count": lambda client: client.delete("ncc:checkinprocessor:processed"),
    "no number": lambda client: client.set("ncc:checkinprocessor:processed", "many"),
    "no stream": lambda client: client.delete(STREAM),
    "another type": lambda client: client.delete(STREAM) and client.set(STREAM, "text"),
}


@pytest.mark.parametrize("fence", FENCES)
def test_what_cannot_be_known_changes_nothing(client: Any, written: list[bytes], fence: str) -> None:
    client.xtrim(STREAM, maxlen=5, approximate=False)
    FENCES[fence](client)
    before = client.execute_command("DEBUG", "DIGEST")
    assert count_lost(client, written[19]) == 0
    assert client.execute_command("DEBUG", "DIGEST") == before


# --- the class


async def test_a_loss_is_counted_and_said_once(
    client: Any, connection: Connection, written: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    gaps = Gaps(KEYS)
    client.xtrim(STREAM, maxlen=29, approximate=False)
    for _ in range(2):
        await gaps.check(connection, Position(written[19], b"1"))
    client.xtrim(STREAM, maxlen=20, approximate=False)
    await gaps.check(connection, Position(written[19], b"1"))
    assert gaps.lost == 10
    assert [(record.levelname, record.message.partition(" from")[0]) for record in caplog.records] == [
        ("ERROR", "1 entry is gone"),
        ("ERROR", "9 entries are gone"),
    ]


async def test_what_was_said_to_be_lost_and_never_was_is_set_right_and_said(
    client: Any, connection: Connection, written: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "footfall")
    set_metadata(client, written[49], 60)
    client.hset("ncc:meta", "lost", 10)
    gaps = Gaps(KEYS)
    await gaps.check(connection, Position(written[49], b"1"))
    assert gaps.lost == 0
    assert (processed(client), lost(client)) == (50, 0)
    assert "10 entries that were said to be lost never were" in caplog.text


# --- a processor


def gone(process: Footfall) -> int:
    """How many entries it has said are gone."""
    lines = [line for line in process.log.splitlines() if "gone from the stream" in line]
    return sum(int(line.removeprefix("error: ").split()[0].replace(",", "")) for line in lines)


@pytest.mark.parametrize("remove", ["trim", "trim all", "delete"])
def test_a_processor_that_starts_after_it_says_how_many_are_gone(server: Server, client: Any, remove: str) -> None:
    replay = load_records(client)
    add_some(client, seeded(), 300)
    with Footfall("processor", "--once", settings={"redis_url": server.url}) as processor:
        assert processor.wait() == 0
        add_some(client, seeded(), 300)
        stream = entries(client)
        ids = [entry_id for entry_id, _ in stream[300:]]
        match remove:
            case "trim":
                client.xtrim(STREAM, maxlen=100, approximate=False)
                removed = set(ids[:200])
            case "trim all":
                client.xtrim(STREAM, maxlen=0, approximate=False)
                removed = set(ids)
            case _:
                client.xdel(STREAM, *ids[::3])
                removed = set(ids[::3])
        processor.start()
        assert processor.wait() == 0
        assert gone(processor) == len(removed)
    assert (processed(client), lost(client)) == (600, len(removed))
    replay = replay.after([entry for entry in stream if entry[0] not in removed])
    replay.processed = 600
    assert_replayed(client, replay)
    with connect(server.url, config.load().server) as plain:
        status = collect(plain, config.load())
    assert (status.backlog, status.lost_entries, status.problems) == (0, len(removed), [])


def test_a_processor_notices_while_it_runs_and_a_load_starts_anew(server: Server, client: Any) -> None:
    load_records(client)
    with Footfall("processor", settings={"redis_url": server.url}) as processor:
        processor.wait_for("Reading stream")
        expected = 0
        for count in (1, 5):
            pipeline = client.pipeline(transaction=True)  # so that none is processed before it is gone
            for number in range(count):
                add(pipeline, 1, 1, 1, f"{9_000_000_000_000 + expected + number}-0")
            pipeline.xtrim(STREAM, maxlen=0, approximate=False)
            pipeline.execute()
            expected += count
            processor.wait_until(lambda wanted=expected: gone(processor) == wanted, "it is said")  # type: ignore[misc]
        wait_until(lambda: processed(client) == 6, "the count is right")
        rows = [{"id": "1609602085397-0", "userId": 1, "locationId": 1, "starRating": 5}]
        load_rows(client, "checkins", rows, reset=True, yes=True)
        wait_until_drained(client)
    assert (processed(client), lost(client)) == (1, 0)


def test_there_is_no_false_alarm_while_check_ins_arrive_and_processed_entries_are_trimmed(
    server: Server, client: Any
) -> None:
    rng = seeded()
    replay = load_records(client)
    stream = []
    settings = {"redis_url": server.url, "processor_batch": 10, "retain": 5}
    with Footfall("processor", settings=settings) as one, Footfall("processor", settings=settings) as other:
        for _ in range(100):
            add_some(client, rng, rng.randint(1, 40))
            stream += entries(client)
            if rng.random() < 0.2:
                wait_until_drained(client)
                checkpoint = client.get("ncc:checkinprocessor:lastid")
                client.xtrim(STREAM, minid=checkpoint, approximate=False)
        wait_until_drained(client)
        for processor in (one, other):
            assert processor.exit_code is None
            assert "gone" not in processor.log
            assert "error" not in processor.log
    assert lost(client) == 0
    assert_replayed(client, replay.after(_unique(stream)))


def _unique(stream: list[Any]) -> list[Any]:
    return sorted({entry[0]: entry for entry in stream}.values(), key=_order)


def _order(entry: tuple[bytes, list[bytes]]) -> tuple[int, int]:
    ms, _, sequence = entry[0].partition(b"-")
    return int(ms), int(sequence)


def test_what_is_trimmed_at_random_while_check_ins_arrive_is_exactly_what_is_missing(
    server: Server, client: Any
) -> None:
    rng = seeded()
    load_records(client)
    settings = {"redis_url": server.url, "processor_batch": 10}
    with Footfall("processor", settings=settings) as processor:
        processor.wait_for("Reading stream")
        before = [int(client.hget(f"ncc:users:{user}", "numCheckins")) for user in range(1, 41)]
        for _ in range(60):
            add_some(client, rng, rng.randint(1, 200))
            client.xtrim(STREAM, maxlen=rng.randint(0, 50), approximate=False)
        added = client.xinfo_stream(STREAM)["entries-added"]
        wait_until(lambda: processed(client) == added, "everything is accounted for", 30)
        processor.wait_until(lambda: gone(processor) == lost(client), "it is said")
        assert "Nothing is processed" not in processor.log
    after = [int(client.hget(f"ncc:users:{user}", "numCheckins")) for user in range(1, 41)]
    assert sum(after) - sum(before) == added - lost(client)
    assert lost(client) > 0
