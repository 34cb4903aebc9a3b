"""Rebuilding: records and indexes are again what was loaded and the stream adds; or it is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from audit_damages import DAMAGES, Events, damage, digest, wreck
from audit_scene import (
    FIRST_MS,
    KEYS,
    EventfulReader,
    assert_sound,
    found,
    prepare,
    process,
    rebuilt,
    settle_dead_letters,
    small_sizes,
    verified,
)
from chaos.replay import Replay, assert_replayed, entries, raw_client
from chaos.scene import LOCATIONS, USERS, add, load_rows, location_row, seeded, user_row
from footfall.errors import BrokenKeyError, ExitCode, FootfallError, LoadingError, RefusedError, UnavailableError
from footfall.operations.audit.limits import Retries, Sizes
from footfall.operations.audit.reader import SnapshotReader
from footfall.operations.audit.rebuild import rebuild
from footfall.operations.audit.rebuild_report import Rebuilt, render
from footfall.store.scripts import DROP_INDEX_ENTRIES, REBUILD_PAGE, Script
from processes import Footfall
from servers import Server


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


@pytest.fixture
def scene(server: Server, client: Any) -> Any:
    """A client of a small system."""
    prepare(server, client)
    return client


# ---------------------------------------------------------------- what it makes right


def test_a_sound_system_is_left_as_it_is(scene: Any) -> None:
    before = digest(scene)
    assert rebuilt(scene) == Rebuilt(entries=5)
    assert digest(scene) == before


#: damage that it cannot repair, and says so: that is left to the operator, or to the loader
OTHERS = {
    "processed", "a user's baseline", "a user's missing baseline", "an unreadable baseline", "a deleted dead letter",
    "a location's unreadable baseline", "a user of another type", "a location of another type",
    "a location that is no place",
    "details of another type", "details of no location", "a key that ends with no id", "a user nobody has loaded",
    "a deleted user", "a deleted location",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(DAMAGES.keys() - OTHERS))
def test_damage_is_repaired(scene: Any, name: str) -> None:
    before = scene.execute_command("DEBUG", "DIGEST")
    damage(scene, DAMAGES[name][0])
    assert rebuilt(scene) != Rebuilt(entries=5)
    assert_sound(scene)
    assert digest(scene) == before


def test_everything_can_be_rebuilt(server: Server, scene: Any) -> None:
    rng = seeded()
    before = digest(scene)
    for _ in range(20):
        wreck(scene, rng)
        rebuilt(scene)
        assert_sound(scene)
        assert digest(scene) == before
        assert rebuilt(scene) == Rebuilt(entries=5)
    process(server)
    assert_sound(scene)


@pytest.mark.parametrize("action", ["retry", "discard"])
def test_settled_dead_letters_are_reckoned_with(scene: Any, action: str) -> None:
    load_rows(scene, "users", [user_row(99)])
    settle_dead_letters(scene, action)
    before = digest(scene)
    wreck(scene, seeded())
    rebuilt(scene)
    assert_sound(scene)
    assert digest(scene) == before


def test_deleted_records_get_their_counters_back_and_the_rest_when_they_are_loaded(scene: Any) -> None:
    before = scene.hgetall("ncc:users:1"), scene.hgetall("ncc:locations:2")
    scene.delete("ncc:users:1", "ncc:locations:2")
    done = rebuilt(scene)
    assert (done.users, done.locations, done.made) == (1, 1, 2)
    assert_sound(scene)
    load_rows(scene, "users", [user_row(1, lastCheckin=1_500_000_000_000, lastSeenAt=5)])
    load_rows(scene, "locations", [location_row(2)])
    assert (scene.hgetall("ncc:users:1"), scene.hgetall("ncc:locations:2")) == before
    assert_sound(scene)


def test_records_that_check_ins_have_created_are_rebuilt(server: Server, client: Any) -> None:
    load_rows(client, "users", [user_row(1)])
    for number in range(5):
        add(client, 100 + number, 200, number)
    process(server, create=True)
    before = digest(client)
    client.delete(
        *client.keys("ncc:users:1??"), "ncc:locations:200", "ncc:users:bycheckins", "ncc:locations:bycheckins"
    )
    client.delete("ncc:users:recent", "ncc:users:lastseen")
    assert rebuilt(client).made == 6
    assert digest(client) == before


def test_a_record_that_was_loaded_back_to_an_older_last_check_in_gets_the_newer_one(scene: Any) -> None:
    for newer in (FIRST_MS + 1000, 1_500_000_000_000):
        load_rows(scene, "users", [user_row(1, lastCheckin=newer, lastSeenAt=5)])
    assert {part for _, part, _, _ in found(verified(scene))} >= {"lastCheckin", "lastSeenAt"}
    rebuilt(scene)
    assert scene.hmget("ncc:users:1", "lastCheckin", "lastSeenAt") == [b"%d" % (FIRST_MS + 5), b"3"]
    assert_sound(scene)


def test_a_place_that_is_none_is_told(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    damage(scene, "HSET locations:1 location x,y|DEL users:2")
    render(rebuilt(scene), Console(width=200))
    assert capsys.readouterr().out.splitlines() == [
        "Rebuilt from 5 entries: 1 users, 0 locations and 1 index entries were changed.",
        "1 record was missing, with counters only now; load users and locations again for the rest",
        "location 1 is not indexed by place: its field location is not `longitude,latitude`",
    ]


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("commands", "error", "message"),
    [
        ("XTRIM checkins MINID 1600000000002|HINCRBY meta trimmed 1|HSET meta trimmedSince 1600000000000", RefusedError,
         r"1 entry is no longer in it, of which 1 were trimmed by a .* since 2020-09-13 12:26:40 UTC"),
        ("XDEL checkins 1600000000002-0", RefusedError, "1 entry is gone from the stream, .*: `footfall verify"),
        ("DEL checkins|XADD checkins 1600000000009-0 a b|HSET meta loaded 5", BrokenKeyError, "5 check-ins were"),
        ("HSET meta takenOver 5", RefusedError, "taken over from another program, which had processed 5 entries"),
        ("HSET meta state loading", LoadingError, "being loaded"),
        ("DEL checkinprocessor:lastid", BrokenKeyError, "checkinprocessor:lastid: it is missing"),
        ("DEL users:1|SET users:1 x|DEL locations:2|SADD locations:2 x", BrokenKeyError,
         "ncc:users:1 is a string, not a hash; ncc:locations:2 is a set, not a hash; delete them"),
        ("DEL users:baseline", BrokenKeyError, "ncc:users:1 has no baseline .*, and 30 more; load these"),
        ("DEL users:baseline|SET users:baseline x", BrokenKeyError, "ncc:users:baseline is a string"),
        ("DEL checkins:discarded|SET checkins:discarded x", BrokenKeyError, "ncc:checkins:discarded is a string"),
        ("HSET users:baseline 1 x", BrokenKeyError, "ncc:users:baseline does not hold what it must"),
        ("HSET users:baseline 1 {}", BrokenKeyError, "ncc:users:baseline does not hold what it must"),
    ],
)  # fmt: skip
def test_what_cannot_be_rebuilt_is_refused(scene: Any, commands: str, error: type[FootfallError], message: str) -> None:
    damage(scene, commands)
    before = digest(scene)
    with pytest.raises(error, match=message):
        rebuilt(scene)
    assert digest(scene) == before


def test_many_records_of_another_type_are_not_all_named(scene: Any) -> None:
    for user in range(1, 21):
        damage(scene, f"DEL users:{user}|SET users:{user} x")
    with pytest.raises(BrokenKeyError, match=r"users:10 is a string, not a hash, and 10 more; delete them"):
        rebuilt(scene)


def test_it_is_not_done_without_a_confirmation(scene: Any) -> None:
    damage(scene, "HSET users:1 numCheckins 9")
    before = digest(scene)
    prompts: list[str] = []

    def no(prompt: str) -> bool:
        prompts.append(prompt)
        return False

    with pytest.raises(RefusedError, match="not confirmed"):
        rebuild(SnapshotReader(scene, KEYS), confirm=no, progress=None)
    assert digest(scene) == before
    assert "40 users and 12 locations" in prompts[0]
    assert "6 entries of the stream" in prompts[0]
    rebuild(SnapshotReader(scene, KEYS), confirm=lambda _prompt: True, progress=None)
    assert_sound(scene)


# ---------------------------------------------------------------- while things happen


def test_what_happens_while_it_writes_is_counted_once(
    server: Server, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = seeded()
    events = Events(server, scene, rng, dead_letters=True)
    run_sync = Script.run_sync

    def eventful_script(self: Script, *arguments: Any) -> Any:
        if self in (REBUILD_PAGE, DROP_INDEX_ENTRIES):
            events.happen()
        return run_sync(self, *arguments)

    for _ in range(3):
        # without what would keep the processor from going on
        for user in rng.sample(range(1, USERS), 10):
            damage(
                scene, f"HSET users:{user} numCheckins 3 lastCheckin 99999999 lastSeenAt 1|ZADD users:recent 1 {user}"
            )
        damage(scene, f"DEL users:bycheckins|ZADD users:lastseen 0 {1:016d}:{1:013d}:9|HSET locations:2 numCheckins 0")
        with monkeypatch.context() as patches:
            patches.setattr(Script, "run_sync", eventful_script)
            retries = Retries(pause_s=0)
            reader = EventfulReader(scene, before_read=events.happen, sizes=small_sizes(rng), retries=retries)
            rebuilt(scene, reader)
        assert_sound(scene)
    assert events.count > 15


def test_check_ins_that_come_between_reading_and_writing_are_counted_once(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = seeded()
    load_rows(client, "users", [user_row(user) for user in range(1, USERS + 1)])
    load_rows(client, "locations", [location_row(location) for location in range(1, LOCATIONS + 1)])
    replay = Replay.of_loaded(client)
    run_sync = Script.run_sync

    def eventful(self: Script, *arguments: Any) -> Any:
        if self is REBUILD_PAGE:
            for _ in range(5):
                add(client, rng.randint(1, USERS + 2), rng.randint(1, LOCATIONS + 1), rng.randint(0, 5))
            for location in range(1, LOCATIONS + 1):
                add(client, USERS + 1, location, 5)
            client.xadd("ncc:checkins", {"more": "1", "starRating": "3", "locationId": "2", "userId": "1"})
            process(server)
        return run_sync(self, *arguments)

    monkeypatch.setattr(Script, "run_sync", eventful)
    damage(client, "HSET users:1 numCheckins 77|HSET locations:1 numStars 77")
    rebuilt(client, SnapshotReader(client, KEYS, sizes=Sizes(rebuilt=3)))
    assert client.xlen("ncc:checkins") > 100
    assert_replayed(client, replay.after(entries(client)))


def test_more_entries_between_than_a_call_folds_are_read_first(
    server: Server, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync = Script.run_sync
    replies: list[bytes] = []

    def eventful(self: Script, *arguments: Any) -> Any:
        if self is REBUILD_PAGE and not replies:
            process(server)
            for _ in range(3):
                add(scene, 1, 1, 1)
            process(server)
        reply = run_sync(self, *arguments)
        if self is REBUILD_PAGE:
            replies.append(reply[0])
        return reply

    monkeypatch.setattr(Script, "run_sync", eventful)
    rebuilt(scene, SnapshotReader(scene, KEYS, sizes=Sizes(between=3)))
    assert replies[:2] == [b"BEHIND", b"OK"]
    assert_sound(scene)


def test_a_dead_letter_that_is_retried_between_reading_and_writing_is_counted_once(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync = Script.run_sync
    replies: list[bytes] = []
    load_rows(scene, "users", [user_row(99)])

    def eventful(self: Script, *arguments: Any) -> Any:
        if self is REBUILD_PAGE and not replies:
            settle_dead_letters(scene, "retry")
        reply = run_sync(self, *arguments)
        if self is REBUILD_PAGE:
            replies.append(reply[0])
        return reply

    monkeypatch.setattr(Script, "run_sync", eventful)
    rebuilt(scene)
    assert replies == [b"FENCED", b"OK", b"OK"]
    assert_sound(scene)


def test_an_index_entry_that_has_become_right_stays(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sync = Script.run_sync
    damage(scene, "ZADD locations:category:bar 2 2|ZADD locations:category:bar 3 3")

    def eventful(self: Script, *arguments: Any) -> Any:
        if self is DROP_INDEX_ENTRIES:
            load_rows(scene, "locations", [location_row(2) | {"category": "bar"}])
        return run_sync(self, *arguments)

    monkeypatch.setattr(Script, "run_sync", eventful)
    rebuilt(scene)
    assert scene.zrange("ncc:locations:category:bar", 0, -1) == [b"2"]
    assert_sound(scene)


def test_a_check_in_at_the_loaded_time_is_the_later_one(server: Server, client: Any) -> None:
    load_rows(client, "users", [user_row(1, lastCheckin=FIRST_MS + 1, lastSeenAt=7)])
    load_rows(client, "locations", [location_row(2)])
    add(client, 1, 2, 5, f"{FIRST_MS + 1}-0")
    process(server)
    before = digest(client)
    client.hset("ncc:users:1", "lastSeenAt", 7)
    rebuilt(client)
    assert digest(client) == before


def test_what_is_loaded_between_reading_and_writing_is_indexed(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sync = Script.run_sync
    replies: list[bytes] = []
    damage(scene, "DEL users:email|DEL locations:category:cafe|DEL locations:geo")

    def eventful(self: Script, *arguments: Any) -> Any:
        if self is not REBUILD_PAGE:
            return run_sync(self, *arguments)
        if not replies:
            load_rows(scene, "users", [user_row(1, email="another@example.com", numCheckins=50)])
        elif len(replies) == 2:
            load_rows(scene, "locations", [location_row(2) | {"category": "bar"}])
        elif len(replies) == 3:
            load_rows(scene, "locations", [location_row(3) | {"location": "7,8"}])
        reply = run_sync(self, *arguments)
        replies.append(reply[0])
        return reply

    monkeypatch.setattr(Script, "run_sync", eventful)
    rebuilt(scene)
    assert replies == [b"RETRY", b"OK", b"RETRY", b"RETRY", b"OK"]
    assert scene.hget("ncc:users:email", "user1@example.com") is None
    assert_sound(scene)


@pytest.mark.parametrize(
    ("commands", "error", "message"),
    [
        ("HSET meta state loading", LoadingError, "run the rebuild again"),
        ("DEL users:recent|SET users:recent x", BrokenKeyError, "ncc:users:recent does not hold what it must"),
        ("HINCRBY meta generation 1", UnavailableError, "the stream was replaced; run it again"),
        ("XTRIM checkins MAXLEN 0", UnavailableError, "run the rebuild again"),
        ("SET checkinprocessor:lastid 5-0", UnavailableError, "has lost its newest entries; run it again"),
    ],
)
def test_what_breaks_meanwhile_ends_it(
    scene: Any, monkeypatch: pytest.MonkeyPatch, commands: str, error: type[FootfallError], message: str
) -> None:
    run_sync = Script.run_sync
    done = 0

    def eventful(self: Script, *arguments: Any) -> Any:
        nonlocal done
        if self is REBUILD_PAGE:
            done += 1
            if done == 2:
                damage(scene, commands)
        return run_sync(self, *arguments)

    monkeypatch.setattr(Script, "run_sync", eventful)
    with pytest.raises(error, match=message):
        rebuilt(scene, SnapshotReader(scene, KEYS, sizes=Sizes(rebuilt=10), retries=Retries(10)))


# ---------------------------------------------------------------- the command


def test_the_command_asks_and_says_what_it_has_changed(server: Server, scene: Any) -> None:
    damage(scene, "HSET users:1 numCheckins 9|ZADD users:lastseen 0 x")
    settings = {"redis_url": server.url}
    with Footfall("rebuild", settings=settings) as unsure, Footfall("rebuild", "--yes", settings=settings) as sure:
        assert unsure.wait() == ExitCode.REFUSED
        assert "not confirmed" in unsure.log
        assert sure.wait() == ExitCode.OK, sure.log
        assert sure.log == "Rebuilt from 5 entries: 1 users, 0 locations and 1 index entries were changed.\n"
    assert_sound(scene)
