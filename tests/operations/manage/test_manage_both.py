"""Managing users and locations: what is promised of both."""

from collections.abc import Iterator
from typing import Any

import pytest

from audit_scene import assert_sound, prepare, process, settle_dead_letters
from chaos.replay import raw_client
from chaos.scene import add
from footfall.domain.documents import LocationChange, UserChange
from footfall.errors import BrokenKeyError, ConflictError, LoadingError, NotFoundError
from manage_scene import KEYS, details, dump, manage_locations, manage_users, new_location, new_user
from servers import Server

KINDS = ["user", "location"]


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client of a small system: users 1 to 40 and locations 1 to 12."""
    client = raw_client(server.port)
    prepare(server, client)
    yield client
    client.close()


def add_one(server: Server, kind: str, number: int) -> None:
    if kind == "user":
        manage_users(server, lambda users: users.add(new_user(number)))
    else:
        manage_locations(server, lambda locations: locations.add(new_location(number, details=details(number))))


def change_one(server: Server, kind: str, number: int) -> None:
    if kind == "user":
        user = UserChange(email="nova@example.com", password="battery staple")
        manage_users(server, lambda users: users.change(number, user))
    else:
        location = LocationChange(category="bar", location="7,8", details=details(number))
        manage_locations(server, lambda locations: locations.change(number, location))


def remove_one(server: Server, kind: str, number: int) -> None:
    if kind == "user":
        manage_users(server, lambda users: users.remove(number))
    else:
        manage_locations(server, lambda locations: locations.remove(number))


def work(server: Server, what: str, kind: str) -> None:
    if what == "add":
        add_one(server, kind, 500)
    elif what == "change":
        change_one(server, kind, 1)
    else:
        remove_one(server, kind, 1)


# ---------------------------------------------------------------- ids


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_that_is_or_was_taken_is_refused_and_nothing_is_changed(server: Server, client: Any, kind: str) -> None:
    remove_one(server, kind, 9)
    before = dump(client)
    with pytest.raises(ConflictError, match=f"there is a {kind} with this id already"):
        add_one(server, kind, 1)
    with pytest.raises(ConflictError, match="was removed for good"):
        add_one(server, kind, 9)
    assert dump(client) == before


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_exist_cannot_be_changed_or_removed(server: Server, client: Any, kind: str) -> None:
    remove_one(server, kind, 9)
    before = dump(client)
    for number in (9, 500):
        with pytest.raises(NotFoundError, match=f"there is no such {kind}"):
            change_one(server, kind, number)
        with pytest.raises(NotFoundError, match=f"there is no such {kind}"):
            remove_one(server, kind, number)
    assert dump(client) == before


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_later_check_ins_of_what_was_removed_become_dead_letters_and_stay_that(
    server: Server, client: Any, kind: str, create: bool
) -> None:
    settle_dead_letters(client, "discard")
    add(client, 2, 2, 5)
    remove_one(server, kind, 2)
    add(client, 2, 2, 4)
    process(server, create=create)
    assert [letter[1][3] for letter in client.xrange(KEYS.dead_letters)] == [b"unknown-%s" % kind.encode()] * 2
    settle_dead_letters(client, "retry", unknown_ids="create")
    settle_dead_letters(client, "retry")
    assert client.xlen(KEYS.dead_letters) == 2
    assert not client.exists({"user": KEYS.user, "location": KEYS.location}[kind](2))
    assert_sound(client)


# ---------------------------------------------------------------- the server

_USERS = [KEYS.meta, KEYS.users_email]
_LOCATIONS = [KEYS.meta, KEYS.locations_geo]
_BAR, _CAFE = KEYS.category("bar"), KEYS.category("cafe")
TOUCHED = {
    ("add", "user"): [*_USERS, KEYS.users_by_checkins, KEYS.users_baseline, KEYS.users_removed, KEYS.user(500)],
    ("change", "user"): [*_USERS, KEYS.user(1), KEYS.user_sessions(1)],
    ("remove", "user"): [
        *(*_USERS, KEYS.user(1), KEYS.user_sessions(1), KEYS.users_by_checkins, KEYS.users_recent),
        *(KEYS.users_last_seen, KEYS.users_baseline, KEYS.users_removed),
    ],
    ("add", "location"): [
        *(*_LOCATIONS, KEYS.locations_by_checkins, KEYS.locations_baseline, KEYS.locations_removed),
        *(KEYS.location(500), KEYS.location_details(500), _BAR),
    ],
    ("change", "location"): [*_LOCATIONS, KEYS.location(1), KEYS.location_details(1), _CAFE, _BAR],
    ("remove", "location"): [
        *(*_LOCATIONS, KEYS.locations_by_checkins, KEYS.locations_baseline, KEYS.locations_removed),
        *(KEYS.location(1), KEYS.location_details(1), _CAFE, KEYS.trending_state, *KEYS.trending_orders),
    ],
}


@pytest.mark.parametrize(("what", "kind", "key"), [(*work, key) for work, keys in TOUCHED.items() for key in keys])
def test_a_key_of_another_type_is_named_and_nothing_is_changed(
    server: Server, client: Any, what: str, kind: str, key: bytes
) -> None:
    client.delete(key)
    client.rpush(key, "no such thing")
    before = dump(client)
    with pytest.raises(BrokenKeyError, match=key.decode()):
        work(server, what, kind)
    assert dump(client) == before


@pytest.mark.parametrize(
    ("what", "kind", "key", "field"),
    [
        ("add", "user", KEYS.user(500), "numCheckins"),
        ("remove", "user", KEYS.user(1), "numCheckins"),
        ("remove", "user", KEYS.user(1), "lastCheckin"),
        ("remove", "user", KEYS.users_baseline, "1"),
        ("add", "location", KEYS.location(500), "numCheckins"),
        ("add", "location", KEYS.location(500), "averageStars"),
        ("remove", "location", KEYS.location(1), "numStars"),
        ("remove", "location", KEYS.locations_baseline, "1"),
    ],
)
def test_a_number_that_is_none_is_named_and_nothing_is_changed(
    server: Server, client: Any, what: str, kind: str, key: bytes, field: str
) -> None:
    client.hset(key, field, "many")
    before = dump(client)
    with pytest.raises(BrokenKeyError, match=key.decode()):
        work(server, what, kind)
    assert dump(client) == before


@pytest.mark.parametrize(("what", "kind"), TOUCHED)
def test_while_data_is_loading_all_is_refused(server: Server, client: Any, what: str, kind: str) -> None:
    client.hset(KEYS.meta, "state", "loading")
    before = dump(client)
    with pytest.raises(LoadingError):
        work(server, what, kind)
    assert dump(client) == before
