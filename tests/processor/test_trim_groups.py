"""Trimming holds back for consumer groups: nothing that they still need goes, up to a limit, and it is said."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any

import pytest

from chaos.replay import raw_client
from chaos.scene import seeded
from footfall import config
from footfall.keys import Keys
from footfall.operations.status.collect import collect
from footfall.processor import trim as trim_module
from footfall.processor.trim import Trim
from footfall.store.calls import stream
from footfall.store.calls.stream import Trimmed
from footfall.store.client import connect
from footfall.store.pipeline import Connection
from footfall.store.trimming import Held, held_back
from pipelines import connected_to
from servers import Server
from trim_scene import COUNT, fill, ids, set_metadata

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


def trim(client: Any, retain: int, *, most: int = 1000, for_groups: int = 1000) -> Trimmed:
    """What the script says: removed, excess, needed, group, oldest."""
    return stream.trim(KEYS, retain=retain, most=most, for_groups=for_groups).run_sync(client)


def read(client: Any, group: str, count: int) -> list[bytes]:
    """Let a consumer of the group read so many entries; their ids."""
    reply = client.execute_command("XREADGROUP", "GROUP", group, "someone", "COUNT", count, "STREAMS", STREAM, ">")
    [(_, page)] = reply.items() if isinstance(reply, dict) else reply
    return [entry_id for entry_id, _ in page]


def all_processed(client: Any, count: int = COUNT) -> list[bytes]:
    """A stream of which everything is processed; its ids."""
    written = fill(client, count)
    set_metadata(client, written[-1], count)
    return written


def test_what_a_group_has_not_been_delivered_stays(client: Any) -> None:
    written = all_processed(client)
    client.xgroup_create(STREAM, "billing", written[9])
    assert trim(client, 5) == (10, 35, 0, "billing", written[10])
    assert ids(client) == written[10:]
    assert trim(client, 5) == (0, 35, 0, "billing", written[10])


def test_what_a_group_has_pending_stays(client: Any) -> None:
    written = all_processed(client)
    client.xgroup_create(STREAM, "billing", 0)
    assert read(client, "billing", 40) == written[:40]
    client.xack(STREAM, "billing", *written[:7], *written[8:40])
    assert trim(client, 5) == (7, 38, 0, "billing", written[7])
    client.xack(STREAM, "billing", written[7])
    assert trim(client, 5) == (33, 5, 0, "billing", written[40])
    assert read(client, "billing", 40) == written[40:]
    client.xack(STREAM, "billing", *written[40:])
    assert trim(client, 5) == (5, 0, 0, "", b"")
    assert ids(client) == written[-5:]


def test_the_group_that_is_furthest_behind_counts(client: Any) -> None:
    written = all_processed(client)
    for group, start in (("c", 30), ("a", 20), ("b", 25), ("d", 49)):
        client.xgroup_create(STREAM, group, written[start])
    assert trim(client, 1) == (21, 28, 0, "a", written[21])
    client.xgroup_destroy(STREAM, "a")
    assert trim(client, 1) == (5, 23, 0, "b", written[26])


def test_a_group_that_is_within_what_is_retained_changes_nothing(client: Any) -> None:
    written = all_processed(client)
    client.xgroup_create(STREAM, "billing", written[39])
    assert trim(client, 10) == (40, 0, 0, "billing", written[40])
    assert ids(client) == written[40:]


@pytest.mark.parametrize("start", ["$", f"{2**64 - 1}-{2**64 - 1}"])
def test_a_group_that_has_everything_behind_it_changes_nothing(client: Any, start: str) -> None:
    written = all_processed(client)
    client.xgroup_create(STREAM, "billing", start)
    assert trim(client, 10) == (40, 0, 0, "", b"")
    assert ids(client) == written[40:]


def test_a_group_that_needs_only_unprocessed_entries_changes_nothing(client: Any) -> None:
    written = fill(client)
    set_metadata(client, written[29], 30)
    client.xgroup_create(STREAM, "billing", written[35])
    assert trim(client, 10) == (20, 0, 0, "", b"")
    assert ids(client) == written[20:]


def test_pending_entries_that_are_gone_hold_nothing_back(client: Any) -> None:
    written = all_processed(client)
    client.xgroup_create(STREAM, "billing", 0)
    read(client, "billing", 50)
    client.xack(STREAM, "billing", *written[10:])
    client.xtrim(STREAM, minid=written[10], approximate=False)
    assert client.xpending(STREAM, "billing")["pending"] == 10
    assert trim(client, 5) == (35, 0, 0, "", b"")


@pytest.mark.parametrize("for_groups", [0, 1, 10, 29, 30, 100])
def test_beyond_the_limit_no_group_is_waited_for(client: Any, for_groups: int) -> None:
    written = all_processed(client)
    client.xgroup_create(STREAM, "billing", written[9])
    cut = max(0, 30 - for_groups) if for_groups else 0
    kept = min(for_groups, 30)
    named = ("billing", written[10]) if for_groups else ("", b"")
    assert trim(client, 10, for_groups=for_groups) == (40 - kept, kept, cut, *named)
    assert ids(client) == written[40 - kept :]


def test_one_call_removes_no_more_than_it_is_told_also_beyond_the_limit(client: Any) -> None:
    written = all_processed(client)
    client.xgroup_create(STREAM, "billing", written[9])
    results = [trim(client, 10, most=8, for_groups=20)[:3] for _ in range(4)]
    assert results == [(8, 32, 0), (8, 24, 6), (4, 20, 4), (0, 20, 0)]
    assert ids(client) == written[20:]


def test_no_group_loses_what_it_needs_and_no_unprocessed_entry_goes_whatever_happens(client: Any) -> None:
    rng = seeded()
    written = fill(client, 400)
    done = 100
    set_metadata(client, written[done - 1], done)
    groups = ["a", "b", "c"]
    for group in groups:
        client.xgroup_create(STREAM, group, 0)
    needed: dict[str, set[bytes]] = {group: set(written) for group in groups}
    while any(needed.values()):
        group = rng.choice(groups)
        _act(client, rng, group, needed[group])
        done = min(len(written), done + rng.randint(0, 10))
        set_metadata(client, written[done - 1], done)
        trim(client, rng.randint(10, 50), most=rng.randint(1, 40), for_groups=400)
        left = set(ids(client))
        assert left >= set(written[done - 1 :])
        assert left >= set.union(*needed.values())
    assert trim(client, 10)[1] == 0
    assert ids(client) == written[-10:]


def _act(client: Any, rng: Random, group: str, needed: set[bytes]) -> None:
    """A consumer of the group reads some, or acknowledges some of what it has read."""
    if rng.random() < 0.5:
        client.execute_command("XREADGROUP", "GROUP", group, "someone", "COUNT", 20, "STREAMS", STREAM, ">")
        return
    pending = [item["message_id"] for item in client.xpending_range(STREAM, group, "-", "+", 100)]
    acknowledged = rng.sample(pending, rng.randint(0, len(pending)))
    if acknowledged:
        client.xack(STREAM, group, *acknowledged)
        needed -= set(acknowledged)


def test_a_server_without_memory_is_trimmed(client: Any) -> None:
    written = all_processed(client)
    client.config_set("maxmemory", 1)
    assert trim(client, 5)[0] == 45
    client.config_set("maxmemory", 0)
    assert ids(client) == written[45:]


# --- the class, and what it says


async def run(trimming: Trim, connection: Connection) -> None:
    await trimming.run(connection, asyncio.Event())


async def test_it_is_said_once_when_a_group_begins_to_hold_back_and_once_when_that_ends(
    client: Any, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "footfall")
    written = all_processed(client, 3000)
    client.xgroup_create(STREAM, "billing", written[1499])
    client.xgroup_create(STREAM, "audit", written[1999])
    trimming = Trim(KEYS, config.load({"retain": 10}))
    await run(trimming, connection)
    await run(trimming, connection)
    assert (trimming.removed, trimming.held) == (1500, Held("billing", 1490))
    client.xgroup_destroy(STREAM, "billing")
    await run(trimming, connection)
    assert (trimming.removed, trimming.held) == (2000, Held("audit", 990))
    client.xgroup_setid(STREAM, "audit", "$")
    for _ in range(2):
        await run(trimming, connection)
    assert (trimming.removed, trimming.held) == (2990, None)
    assert caplog.messages == [
        "The consumer group billing holds back trimming: 1,490 entries are kept for it, 5,000,000 at most.",
        "The consumer group audit holds back trimming: 990 entries are kept for it, 5,000,000 at most.",
        "No consumer group holds back trimming any more.",
    ]
    assert trimming.removed_needed == 0


async def test_it_is_said_once_when_what_a_group_needs_is_trimmed(
    client: Any, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    written = all_processed(client, 3000)
    client.xgroup_create(STREAM, "billing", written[99])
    trimming = Trim(KEYS, config.load({"retain": 10, "retain_for_groups": 500}))
    for _ in range(3):
        await run(trimming, connection)
    assert (trimming.removed, trimming.removed_needed, trimming.held) == (2490, 2390, Held("billing", 500))
    assert ids(client) == written[2490:]
    warned, cut = caplog.messages
    assert "billing holds back trimming: 500 entries are kept for it, 500 at most" in warned
    assert "billing is more than 500 entries behind what is retained" in cut


async def test_a_trim_ends_when_the_processor_is_to_stop(
    client: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trim_module, "AT_ONCE", 1000)
    all_processed(client, 3000)
    trimming = Trim(KEYS, config.load({"retain": 10}))
    stopping = asyncio.Event()
    stopping.set()
    await trimming.run(connection, stopping)
    assert trimming.removed == 1000


async def test_it_is_due_with_the_first_batch_every_10000_entries_and_soon_while_a_group_holds_back(
    client: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = all_processed(client)
    trimming = Trim(KEYS, config.load({"retain": 10}))

    def due() -> bool:
        return trimming.is_due

    assert not due()
    trimming.passed(1)
    assert due()
    await run(trimming, connection)
    trimming.passed(9_999)
    assert not due()
    trimming.passed(1)
    assert due()
    client.xgroup_create(STREAM, "billing", written[9])
    more = fill(client, 50, first=COUNT + 1)
    set_metadata(client, more[-1], 100)
    await run(trimming, connection)
    assert trimming.held
    assert not due()
    monkeypatch.setattr(trim_module, "EVERY_S", 0.0)
    assert due()


# --- status


def test_status_names_the_group_that_holds_back_and_for_how_many_entries(server: Server, client: Any) -> None:
    written = all_processed(client, 3000)
    with connect(server.url, config.load().server) as plain:

        def held(**settings: object) -> Held | None:
            return held_back(plain, config.load({"retain": 10, **settings}))

        assert held() is None
        client.xgroup_create(STREAM, "billing", written[1499])
        assert held() == Held("billing", 1490), "those before it are only not trimmed yet"
        assert held(retain=1500) is None
        assert held(retain_for_groups=0) is None
        warnings = collect(plain, config.load({"retain": 10, "unknown_ids": "create"})).warnings
        assert warnings == [
            "the consumer group billing holds back trimming: 1,490 entries are kept for it, 5,000,000 at most"
        ]
        client.xgroup_setid(STREAM, "billing", "$")
        assert held() is None
    assert ids(client) == written
