"""Managing locations: record, details and indexes change together or not at all, and counters never do."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest

from audit_scene import assert_sound, prepare, process
from chaos.replay import raw_client
from chaos.scene import add
from footfall.domain.activity import BUCKET_MS
from footfall.domain.documents import LocationChange
from footfall.errors import ConflictError, InvalidError
from footfall.operations.manage.locations import Locations
from manage_scene import KEYS, details, dump, manage_locations, mentions, new_location
from servers import Server


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client of a small system: locations 1 to 12, of which 2 has two check-ins with 8 stars, and 3 one with 4."""
    client = raw_client(server.port)
    prepare(server, client)
    yield client
    client.close()


def change(server: Server, location_id: int, **values: Any) -> None:
    manage_locations(server, lambda locations: locations.change(location_id, LocationChange(**values)))


def remove(server: Server, location: int) -> int:
    return manage_locations(server, lambda locations: locations.remove(location))


def add_location(server: Server, location_id: int, **values: Any) -> None:
    manage_locations(server, lambda locations: locations.add(new_location(location_id, **values)))


# ---------------------------------------------------------------- adding


def test_an_added_location_can_be_checked_in_at_and_is_sound(server: Server, client: Any) -> None:
    add_location(server, 500, details=details(500))
    assert client.hgetall(KEYS.location(500)) == {
        b"id": b"500",
        b"name": b"Harbour",
        b"category": b"bar",
        b"location": b"3.5,4.5",
        b"numCheckins": b"0",
        b"numStars": b"0",
        b"averageStars": b"0",
    }
    assert msgspec.json.decode(client.get(KEYS.location_details(500))) == msgspec.to_builtins(details(500))
    assert_sound(client)
    add(client, 1, 500, 5)
    process(server)
    assert client.hget(KEYS.location(500), "averageStars") == b"5"
    assert_sound(client)


def test_a_location_that_check_ins_made_is_filled_in_and_keeps_what_was_counted(server: Server, client: Any) -> None:
    add(client, 1, 500, 5)
    process(server, create=True)
    before = client.hgetall(KEYS.location(500))
    with pytest.raises(ConflictError, match="nobody has added this location"):
        change(server, 500, name="Pier")
    add_location(server, 500)
    assert before.items() <= client.hgetall(KEYS.location(500)).items()
    assert_sound(client)


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"location": "180.5,1"}, ["location"]),
        ({"location": "1,85.06"}, ["location"]),
        ({"details": details(1, id=2)}, ["details"]),
        ({"details": details(1, hours=details(1).hours[:6] * 2)}, ["details"]),
        ({"location": "1,-86", "details": details(7)}, ["location", "details"]),
    ],
)
def test_what_is_no_place_and_no_details_is_refused(
    server: Server, client: Any, values: dict[str, Any], fields: list[str]
) -> None:
    before = dump(client)
    for work in (partial(add_location, server, 500), partial(change, server, 1)):
        with pytest.raises(InvalidError) as error:
            work(**values)
        assert [field for field, _ in error.value.errors] == fields
    assert dump(client) == before


# ---------------------------------------------------------------- changing


def test_a_change_moves_the_indexes_and_no_counter(server: Server, client: Any) -> None:
    before = client.hgetall(KEYS.location(2))
    change(server, 2, name="Pier", category="bar", location="-179.9,-85.05")
    assert client.hgetall(KEYS.location(2)) == before | {
        b"name": b"Pier",
        b"category": b"bar",
        b"location": b"-179.9,-85.05",
    }
    assert client.zrange(KEYS.category("bar"), 0, -1) == [b"2"]
    assert b"2" not in client.zrange(KEYS.category("cafe"), 0, -1)
    assert_sound(client)
    change(server, 2)
    change(server, 2, category="bar")
    assert_sound(client)


def test_details_are_replaced_as_a_whole_and_null_removes_them(server: Server, client: Any) -> None:
    change(server, 2, details=details(2))
    change(server, 2, name="Pier")
    change(server, 2, details=details(2, phone="1"))
    assert msgspec.json.decode(client.get(KEYS.location_details(2)))["phone"] == "1"
    change(server, 2, details=None)
    assert not client.exists(KEYS.location_details(2))
    assert_sound(client)


# ---------------------------------------------------------------- removing


def test_of_a_removed_location_only_is_kept_how_much_was_counted(server: Server, client: Any) -> None:
    add_location(server, 500, category="pier", details=details(500))
    add(client, 1, 500, 5)
    add(client, 2, 500, 3)
    process(server)
    client.rpush(KEYS.location_history(500), "1-0 1 5")
    client.zadd(KEYS.location_presence(500), {f"{1:016d}": -5})
    client.hset(KEYS.hour(int(time.time()) // 3600), f"{500:016}", 2)
    bucket = time.time_ns() // 1_000_000 // BUCKET_MS
    client.hset(KEYS.trending_state, mapping={"window": bucket, "order": 0, "building": "x"})
    for order in KEYS.trending_orders:
        client.zadd(order, {f"{500:016d}": -2, f"{2:016d}": -1})
    for age in range(25):
        client.hset(KEYS.trending_bucket(bucket - age), mapping={f"{500:016d}": 1, f"{2:016d}": 1})
    users = {user: client.hgetall(KEYS.user(user)) for user in (1, 2)}
    assert remove(server, 500) == 2
    assert mentions(client, 500) == {KEYS.locations_removed}
    assert client.hgetall(KEYS.locations_removed) == {b"500": b'{"numCheckins":2,"numStars":8}'}
    assert {user: client.hgetall(KEYS.user(user)) for user in (1, 2)} == users
    assert not client.hexists(KEYS.trending_state, "building")
    assert (
        len(mentions(client, 2) & {*KEYS.trending_orders, *map(KEYS.trending_bucket, range(bucket - 24, bucket))}) == 26
    )
    assert_sound(client)


# ---------------------------------------------------------------- others at the same time


@pytest.mark.parametrize(
    "work", [partial(change, category="bar", location="7,8", details=details(1)), remove], ids=["change", "remove"]
)
def test_what_changes_between_reading_and_writing_is_read_again(
    server: Server, client: Any, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Locations._category
    moves = ["bar", "gym", None]

    async def outdated(self: Locations, location_id: int) -> Any:
        found = await read(self, location_id)
        if category := moves.pop(0):
            client.zrem(KEYS.category(client.hget(KEYS.location(1), "category").decode()), 1)
            client.hset(KEYS.location(1), "category", category)
            client.zadd(KEYS.category(category), {"1": 1})
        return found

    monkeypatch.setattr(Locations, "_category", outdated)
    work(server, 1)
    assert moves == []
    assert_sound(client)
