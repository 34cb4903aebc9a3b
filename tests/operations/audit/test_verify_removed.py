"""Verifying and rebuilding what has removed users and locations: the metadata stays true, none comes back."""

from collections.abc import Iterator
from typing import Any

import pytest

from audit_scene import FIRST_MS, assert_sound, found, prepare, process, rebuilt, settle_dead_letters, trim, verified
from chaos.replay import raw_client
from chaos.scene import add, load_rows, location_row, user_row
from footfall.errors import BrokenKeyError
from manage_scene import KEYS, details, manage_locations, manage_users, mentions, new_location
from servers import Server

MEMBER_1 = f"{3:016d}:{FIRST_MS + 5:013d}:1"


@pytest.fixture
def scene(server: Server) -> Iterator[Any]:
    """A client of a small system: user 1 had two check-ins, location 2 two with 8 stars; both are removed."""
    client = raw_client(server.port)
    prepare(server, client)
    manage_users(server, lambda users: users.remove(1))
    manage_locations(server, lambda locations: locations.remove(2))
    yield client
    client.close()


def test_the_metadata_are_true_after_each_step(server: Server, scene: Any) -> None:
    assert_sound(scene)
    for user, location in ((1, 3), (3, 2), (3, 3), (1, 2)):
        add(scene, user, location, 5)
    process(server)
    assert_sound(scene)
    settle_dead_letters(scene, "retry", unknown_ids="create")
    assert_sound(scene)
    manage_users(server, lambda users: users.remove(3))
    assert_sound(scene)
    settle_dead_letters(scene, "discard")
    assert_sound(scene)


def test_a_removed_record_that_only_check_ins_made_is_remembered_too(server: Server, scene: Any) -> None:
    settle_dead_letters(scene, "discard")
    add(scene, 500, 600, 4)
    process(server, create=True)
    manage_users(server, lambda users: users.remove(500))
    manage_locations(server, lambda locations: locations.remove(600))
    add(scene, 500, 600, 4)
    process(server, create=True)
    assert not scene.exists(KEYS.user(500), KEYS.location(600))
    assert_sound(scene)


def test_the_sums_are_true_when_the_stream_was_trimmed(server: Server, scene: Any) -> None:
    process(server)
    assert trim(scene, 1) == 5
    assert_sound(scene, "sums")
    scene.hset(KEYS.users_removed, "1", '{"numCheckins":3}')
    assert found(verified(scene)) == {
        ("ncc:users:baseline", None, "5 check-ins that the users have beyond it", "4"),
    }


@pytest.mark.parametrize(
    ("damage", "difference"),
    [
        (
            ("HSET", KEYS.users_removed, "1", '{"numCheckins":3}'),
            ("ncc:users:removed", "1", "numCheckins 3", "2"),
        ),
        (
            ("HSET", KEYS.locations_removed, "2", '{"numCheckins":1,"numStars":8}'),
            ("ncc:locations:removed", "2", "numCheckins 1", "2"),
        ),
        (
            ("HSET", KEYS.locations_removed, "2", '{"numCheckins":2,"numStars":9}'),
            ("ncc:locations:removed", "2", "numStars 9", "8"),
        ),
        (("HSET", KEYS.users_removed, "1", "two"), ("ncc:users:removed", "1", "two", "JSON of counters")),
        (("HSET", KEYS.users_removed, "one", "{}"), ("ncc:users:removed", "one", "there", None)),
        (("HSET", KEYS.user(1), "id", "1"), ("ncc:users:1", None, "there", None)),
        (("HSET", KEYS.location(2), "id", "2"), ("ncc:locations:2", None, "there", None)),
        (("ZADD", KEYS.users_by_checkins, "5", "1"), ("ncc:users:bycheckins", "1", "5", None)),
        (("ZADD", KEYS.users_recent, "5", "1"), ("ncc:users:recent", "1", "5", None)),
        (("ZADD", KEYS.users_last_seen, "0", MEMBER_1), ("ncc:users:lastseen", MEMBER_1, "there", None)),
        (("HSET", KEYS.users_email, "user1@example.com", "1"), ("ncc:users:email", "user1@example.com", "1", None)),
        (("HSET", KEYS.users_baseline, "1", "{}"), ("ncc:users:baseline", "1", "{}", None)),
        (("ZADD", KEYS.locations_by_checkins, "5", "2"), ("ncc:locations:bycheckins", "2", "5", None)),
        (("GEOADD", KEYS.locations_geo, "1", "1", "2"), ("ncc:locations:geo", "2", "there", None)),
        (("ZADD", KEYS.category("cafe"), "2", "2"), ("ncc:locations:category:cafe", "2", "there", None)),
        (("SET", KEYS.location_details(2), "{}"), ("ncc:locationdetails:2", None, "there", None)),
        (("HDEL", KEYS.users_removed, "1"), ("ncc:users:1", None, None, "a user with numCheckins 2")),
    ],
)  # fmt: skip
def test_what_is_left_or_remembered_wrong_is_named(scene: Any, damage: tuple[Any, ...], difference: Any) -> None:
    scene.execute_command(*damage)
    assert found(verified(scene)) == {difference}


def test_a_rebuild_remembers_rightly_and_brings_nobody_back(server: Server, scene: Any) -> None:
    scene.hset(KEYS.users_removed, "1", '{"numCheckins":7}')
    scene.hset(KEYS.locations_removed, "2", "nothing")
    scene.zadd(KEYS.users_by_checkins, {"1": 5})
    scene.hset(KEYS.user(1), mapping={"id": 1, "email": "user1@example.com", "numCheckins": 4})
    scene.hset(KEYS.users_email, "user1@example.com", 1)
    scene.hset(KEYS.location(2), mapping={"id": 2, "name": "Place 2", "numCheckins": 4, "category": "cafe"})
    scene.zadd(KEYS.category("cafe"), {"2": 2})
    scene.execute_command("GEOADD", KEYS.locations_geo, "1", "1", "2")
    add(scene, 1, 3, 5)
    process(server)
    done = rebuilt(scene)
    assert (done.users, done.locations, done.made) == (1, 1, 0)
    # the third was counted while there was a record that nobody may have made
    assert scene.hgetall(KEYS.users_removed) == {b"1": b'{"numCheckins":3}'}
    assert scene.hgetall(KEYS.locations_removed) == {b"2": b'{"numCheckins":2,"numStars":8}'}
    assert not scene.exists(KEYS.user(1), KEYS.location(2))
    assert_sound(scene)
    done = rebuilt(scene)
    assert (done.users, done.locations, done.strays) == (0, 0, 0)


def test_what_is_no_id_among_the_removed_is_dropped_by_a_rebuild(scene: Any) -> None:
    scene.hset(KEYS.users_removed, "one", "{}")
    rebuilt(scene)
    assert scene.hkeys(KEYS.users_removed) == [b"1"]
    assert_sound(scene)


@pytest.mark.parametrize("key", [KEYS.users_removed, KEYS.locations_removed])
def test_who_was_removed_cannot_be_made_anew(scene: Any, key: bytes) -> None:
    scene.delete(key)
    scene.set(key, "gone")
    assert (key.decode(), None, "a string", "a hash") in found(verified(scene))
    with pytest.raises(BrokenKeyError, match=key.decode()):
        rebuilt(scene)
    assert scene.get(key) == b"gone"


def test_after_new_check_ins_were_loaded_the_ids_are_still_taken_and_nothing_is_counted(
    server: Server, scene: Any
) -> None:
    rows: list[dict[str, object]] = [
        {"id": f"{FIRST_MS}-0", "userId": 1, "locationId": 3, "starRating": 5},
        {"id": f"{FIRST_MS}-1", "userId": 3, "locationId": 3, "starRating": 5},
    ]
    load_rows(scene, "checkins", rows, reset=True, yes=True, unknown_becomes_dead_letters=True)
    assert scene.hgetall(KEYS.users_removed) == {b"1": b'{"numCheckins":0}'}
    assert scene.hgetall(KEYS.locations_removed) == {b"2": b'{"numCheckins":0,"numStars":0}'}
    assert_sound(scene)
    process(server, create=True)
    assert [letter[1][3] for letter in scene.xrange(KEYS.dead_letters)] == [b"unknown-user"]
    assert not scene.exists(KEYS.user(1), KEYS.location(2))
    assert_sound(scene)
    load_rows(scene, "users", [user_row(user) for user in range(2, 41)])
    load_rows(scene, "locations", [location_row(location) for location in range(3, 13)])
    assert_sound(scene)


def test_a_location_that_is_added_and_removed_leaves_nothing(server: Server, scene: Any) -> None:
    manage_locations(server, lambda locations: locations.add(new_location(500, category="pier", details=details(500))))
    manage_locations(server, lambda locations: locations.remove(500))
    assert mentions(scene, 500) == {KEYS.locations_removed}
    assert_sound(scene)
