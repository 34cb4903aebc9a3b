"""Entries that somebody removes after they were processed: named, noted once, and the rest stays provable."""

from collections.abc import Iterator
from typing import Any

import pytest

from audit_damages import digest, wreck
from audit_scene import (
    E1,
    E2,
    E3,
    E5,
    E6,
    FIRST_MS,
    KEYS,
    assert_sound,
    count_lost,
    found,
    noted,
    prepare,
    process,
    rebuilt,
    settle_dead_letters,
    trim,
    verified,
)
from chaos.replay import raw_client
from chaos.scene import LOCATIONS, USERS, add, load_rows, seeded, user_row
from footfall.domain.baseline import LocationBaseline, UserBaseline
from footfall.errors import BrokenKeyError, ExitCode, RefusedError, UnavailableError
from footfall.operations.audit.gone import Gone
from footfall.operations.audit.reader import SnapshotReader
from footfall.operations.audit.verify import verify
from footfall.operations.audit.verify_report import Report
from footfall.operations.manage.hash_passwords import PasswordHasher
from footfall.operations.manage.users import Users
from pipelines import pipeline_to
from processes import Footfall
from servers import Server

STREAM = "ncc:checkins"


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


@pytest.fixture
def scene(server: Server, client: Any) -> Any:
    """A client of a small system of which five entries are processed."""
    prepare(server, client)
    return client


def gone(report: Report) -> Gone:
    """What is gone, when nothing else is wrong."""
    assert not report.differences, "\n".join(map(str, report.shown))
    assert report.proof == "records"
    assert report.gone
    return report.gone


def assert_noted(client: Any, entries: int) -> None:
    """So many are noted, and nothing is wrong."""
    report = assert_sound(client)
    assert report.gone is None
    assert report.noted == entries


def test_an_entry_that_is_removed_is_named_with_what_it_has_counted(scene: Any) -> None:
    scene.xdel(STREAM, E1)
    before = digest(scene)
    it = gone(verified(scene))
    assert (it.entries, it.dead, it.highest) == (1, 0, E1)
    assert it.users == {1: UserBaseline(1)}
    assert it.locations == {2: LocationBaseline(1, 5)}
    assert str(it) == (
        f"1 entry is gone from the stream that had been processed (the highest id that was removed: {E1}); "
        "by all that is left, it has counted for user 1 once; location 2 once, 5 stars"
    )
    assert digest(scene) == before, "verifying only reads"


def test_once_it_is_noted_all_the_rest_is_proven_again(server: Server, scene: Any) -> None:
    scene.xdel(STREAM, E2)
    assert noted(scene).gone is None
    assert_noted(scene, 1)
    process(server)
    add(scene, 2, 2, 4)
    process(server)
    assert_noted(scene, 1)
    scene.hincrby("ncc:users:2", "numCheckins", 1)
    assert ("ncc:users:2", "numCheckins", "9", "8") in found(verified(scene)), "one more is one too many again"


@pytest.mark.parametrize("entry", [E1, E2, E5])
def test_a_rebuild_keeps_what_is_noted(scene: Any, entry: str) -> None:
    scene.xdel(STREAM, entry)
    with pytest.raises(RefusedError, match="1 entry is gone from the stream"):
        rebuilt(scene)
    noted(scene)
    before = digest(scene)
    rebuilt(scene)
    assert digest(scene) == before
    wreck(scene, seeded())
    rebuilt(scene)
    assert digest(scene) == before


def test_the_last_check_in_of_a_user_stays_the_last(server: Server, scene: Any) -> None:
    scene.xdel(STREAM, E5)
    assert gone(verified(scene)).users == {1: UserBaseline(1, FIRST_MS + 5, 3)}
    noted(scene)
    assert scene.hmget("ncc:users:1", "lastCheckin", "lastSeenAt") == [b"%d" % (FIRST_MS + 5), b"3"]
    assert_noted(scene, 1)
    scene.xdel(STREAM, E1)
    noted(scene)
    assert_noted(scene, 2)
    add(scene, 1, 4, 4)
    process(server)
    assert_noted(scene, 2)


def test_an_entry_that_does_not_count_is_noted_and_counts_when_it_is_retried(scene: Any) -> None:
    scene.xdel(STREAM, E3)
    it = gone(verified(scene))
    assert (it.entries, it.dead, it.users) == (1, 1, {})
    noted(scene)
    assert_noted(scene, 1)
    load_rows(
        scene,
        "users",
        [{"id": 99, "firstName": "a", "lastName": "b", "email": "99@x", "password": "$2b$04$" + "a" * 53}],
    )
    settle_dead_letters(scene, "retry")
    with pytest.raises(RefusedError, match="dead letters of entries that are gone"):
        rebuilt(scene)
    it = gone(verified(scene))
    assert (it.entries, it.dead, it.users) == (0, -1, {99: UserBaseline(1, FIRST_MS + 3, 2)})
    noted(scene)
    assert_noted(scene, 1)
    before = digest(scene)
    rebuilt(scene)
    assert digest(scene) == before


def test_a_check_in_of_a_removed_user_is_noted(server: Server, scene: Any) -> None:
    async def remove() -> None:
        async with pipeline_to(server.url) as pipeline:
            await pipeline.connected()
            await Users(pipeline, KEYS, PasswordHasher(4)).remove(2)

    import asyncio  # noqa: PLC0415

    asyncio.run(remove())
    scene.xdel(STREAM, E2)
    assert gone(verified(scene)).users == {2: UserBaseline(1)}
    noted(scene)
    assert_noted(scene, 1)


def test_what_entries_that_are_gone_cannot_explain_is_a_difference(scene: Any) -> None:
    scene.hincrby("ncc:users:1", "numCheckins", 1)
    alone = found(verified(scene))
    scene.xdel(STREAM, E2)
    report = verified(scene)
    assert report.gone, "what is wrong elsewhere is no hindrance"
    assert found(report) == alone
    scene.zincrby("ncc:users:bycheckins", 1, "1")
    report = verified(scene)
    assert report.gone is None
    assert found(report) == {
        ("ncc:users:1", "numCheckins", "6", "5"),
        ("ncc:users:2", "numCheckins", "7", "6"),
        ("ncc:locations:2", "numCheckins", "6", "5"),
        ("ncc:locations:2", "numStars", "22", "19"),
        ("ncc:locations:bycheckins", "2", "6", "5"),
    }
    with pytest.raises(RefusedError, match="nothing to note"):
        noted(scene)


def test_an_entry_that_is_gone_and_counted_nowhere_is_a_difference(scene: Any) -> None:
    scene.xdel(STREAM, E2)
    for kind in ("users", "locations"):
        scene.hincrby(f"ncc:{kind}:2", "numCheckins", -1)
        scene.zincrby(f"ncc:{kind}:bycheckins", -1, "2")
    report = verified(scene)
    assert report.gone is None
    assert ("ncc:checkins", None, "without 1 processed entries", "whole") in found(report)


def test_what_was_noted_goes_with_the_stream(scene: Any) -> None:
    scene.xdel(STREAM, E1)
    noted(scene)
    assert scene.exists(KEYS.users_gone, KEYS.locations_gone) == 2
    rows: list[dict[str, object]] = [{"id": E3, "userId": 1, "locationId": 1, "starRating": 4}]
    load_rows(scene, "checkins", rows, replace=True, yes=True)
    assert not scene.exists(KEYS.users_gone, KEYS.locations_gone)
    assert_noted(scene, 0)


def test_it_is_not_noted_without_a_confirmation(scene: Any) -> None:
    scene.xdel(STREAM, E1)
    before = digest(scene)
    asked: list[str] = []

    def no(prompt: str) -> bool:
        asked.append(prompt)
        return False

    with pytest.raises(RefusedError, match="Not confirmed"):
        verify(SnapshotReader(scene, KEYS), None, note_gone=True, confirm=no)
    assert "user 1 once" in asked[0]
    assert digest(scene) == before
    scene.xadd(STREAM, {"no": "entry"})
    noted(scene)


def test_a_note_that_cannot_be_read_is_said(scene: Any) -> None:
    scene.xdel(STREAM, E1)
    noted(scene)
    scene.hset(KEYS.users_gone, "1", "many")
    with pytest.raises(BrokenKeyError, match="ncc:users:gone does not hold counters for 1"):
        verified(scene)


def test_the_command_names_it_ends_with_1_and_notes_it(server: Server, scene: Any) -> None:
    scene.xdel(STREAM, E1)
    with Footfall("verify", settings={"redis_url": server.url}) as command:
        assert command.wait() == ExitCode.FAILURE
        assert "it has counted for user 1 once; location 2 once, 5 stars. `footfall verify --note-gone`" in command.log
        assert "No differences" not in command.log
    with Footfall("verify", "--note-gone", settings={"redis_url": server.url}) as command:
        assert command.wait() == ExitCode.REFUSED, command.log
    with Footfall("verify", "--note-gone", "--yes", settings={"redis_url": server.url}) as command:
        assert command.wait() == ExitCode.OK, command.log
    with Footfall("verify", settings={"redis_url": server.url}) as command:
        assert command.wait() == ExitCode.OK
        assert "all 4 entries of the stream, and what is noted of 1 that are gone from it." in command.log


def test_whatever_is_removed_at_random_is_noted_exactly(server: Server, scene: Any) -> None:
    rng = seeded()
    removed = 0
    for _ in range(6):
        for _ in range(rng.randint(1, 60)):
            add(scene, rng.randint(1, USERS + 2), rng.randint(1, LOCATIONS), rng.randint(0, 5))
        process(server)
        checkpoint = scene.get(KEYS.checkpoint)
        present = [entry_id for entry_id, _ in scene.xrange(STREAM, max=checkpoint)]
        chosen = rng.sample(present, rng.randint(0, min(10, len(present))))
        if chosen:
            removed += scene.xdel(STREAM, *chosen)
            before = digest(scene)
            assert gone(verified(scene)).entries == len(chosen)
            assert digest(scene) == before
            noted(scene)
        if rng.random() < 0.3:
            settle_dead_letters(scene, "discard")
        assert_noted(scene, removed)
        before = digest(scene)
        rebuilt(scene)
        assert digest(scene) == before


# ---------------------------------------------------------------- numbers that somebody has set


@pytest.mark.parametrize("order", ["up and down", "down and up"])
def test_entries_added_set_wrong_and_right_again_leaves_nothing_behind(server: Server, scene: Any, order: str) -> None:
    for number in range(20):
        add(scene, 1, 1, number % 6)
    process(server)
    trim(scene, 10)
    scene.hset("ncc:meta", "lost", 0)
    before = scene.hgetall("ncc:meta"), scene.get(KEYS.processed)
    info = scene.xinfo_stream(STREAM)
    added, last = info["entries-added"], info["last-generated-id"]
    for number in (added + 100, added) if order == "up and down" else (added - 5, added):
        scene.execute_command("XSETID", STREAM, last, "ENTRIESADDED", number)
        count_lost(scene)
    assert (scene.hgetall("ncc:meta"), scene.get(KEYS.processed)) == before
    assert_sound(scene, "sums")


def test_a_rebuild_sets_right_what_is_said_to_be_lost(server: Server, scene: Any) -> None:
    process(server)
    scene.hset("ncc:meta", "lost", 100)
    assert found(verified(scene)) >= {("ncc:meta", "lost", "100", "0")}
    rebuilt(scene)
    assert_sound(scene)


def test_of_a_trimmed_stream_it_is_said_since_when(scene: Any) -> None:
    trim(scene, 3)
    since = int(scene.hget("ncc:meta", "trimmedSince"))
    trim(scene, 2)
    assert int(scene.hget("ncc:meta", "trimmedSince")) == since
    assert int(scene.hget("ncc:meta", "trimmed")) == 3
    reason = verified(scene).reason
    assert "3 entries are no longer in it, of which 3 were trimmed by a processor (retain) since 20" in reason
    with pytest.raises(RefusedError, match=r"trimmed by a processor \(retain\) since 20"):
        rebuilt(scene)


# ---------------------------------------------------------------- notes that meet other things


def test_of_two_that_note_the_same_at_once_one_does(scene: Any) -> None:
    scene.xdel(STREAM, E3)
    noted(scene)
    load_rows(scene, "users", [user_row(99)])
    settle_dead_letters(scene, "retry")

    def note_meanwhile(_prompt: str) -> bool:
        noted(scene)
        return True

    with pytest.raises(UnavailableError, match="nothing was noted"):
        verify(SnapshotReader(scene, KEYS), None, note_gone=True, confirm=note_meanwhile)
    assert_noted(scene, 1)
    before = digest(scene)
    rebuilt(scene)
    assert digest(scene) == before


@pytest.mark.parametrize("entries", [(E1,), (E1, E3)])
def test_a_note_is_set_right_when_the_entries_are_in_the_stream_again(scene: Any, entries: tuple[str, ...]) -> None:
    whole = scene.dump(STREAM)
    scene.xdel(STREAM, *entries)
    noted(scene)
    scene.xdel(STREAM, E2)
    one_more = scene.dump(STREAM)
    noted(scene)
    assert_noted(scene, len(entries) + 1)
    for stream, left in ((one_more, len(entries) + 1), (whole, 0)):
        scene.restore(STREAM, 0, stream, replace=True)
        if not left:
            with pytest.raises(RefusedError, match="are in the stream again, and would count twice"):
                rebuilt(scene)
            it = gone(verified(scene))
            assert (it.replaces, it.entries) == (True, left)
            noted(scene)
        assert_noted(scene, left)
        before = digest(scene)
        rebuilt(scene)
        assert digest(scene) == before


def test_while_a_batch_is_applied_in_part_nothing_is_noted_and_there_is_a_way_out(server: Server, scene: Any) -> None:
    scene.xdel(STREAM, E2)
    checkpoint, count = scene.get(KEYS.checkpoint).decode(), int(scene.get(KEYS.processed))
    scene.hset("ncc:meta", "torn", f"{checkpoint} {count}")
    scene.hincrby("ncc:users:3", "numCheckins", 1)  # of the entry that is not processed
    scene.zincrby("ncc:users:bycheckins", 1, "3")
    with pytest.raises(RefusedError):
        noted(scene)
    with pytest.raises(RefusedError, match="--without-gone lets them count no more"):
        rebuilt(scene)
    rebuilt(scene, without_gone=True)
    process(server)
    assert_noted(scene, 0)
    assert scene.hget("ncc:users:2", "numCheckins") == b"6", "its entry is gone"
    assert scene.hget("ncc:users:3", "numCheckins") == b"10", "once"
    assert scene.hget("ncc:meta", "lost") == b"1"


def test_without_what_is_gone_dead_letters_of_such_entries_are_reckoned_with(scene: Any) -> None:
    scene.xdel(STREAM, E2, E3)
    rebuilt(scene, without_gone=True)
    assert_noted(scene, 1)
    assert scene.hmget("ncc:meta", "lost", "gone", "goneDead") == [b"1", b"1", b"1"]


def test_an_entry_that_is_gone_unprocessed_is_not_taken_for_one_that_has_counted(scene: Any) -> None:
    scene.xdel(STREAM, E6)
    scene.hincrby("ncc:users:1", "numCheckins", 1)
    scene.hincrby("ncc:locations:1", "numCheckins", 1)
    for kind in ("users", "locations"):
        scene.zincrby(f"ncc:{kind}:bycheckins", 1, "1")
    assert verified(scene).gone is None
    with pytest.raises(RefusedError, match="nothing to note"):
        noted(scene)
