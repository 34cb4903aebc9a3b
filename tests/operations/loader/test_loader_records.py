"""Loading users and locations, for the first time and again."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import msgspec
import pytest

from footfall.operations.loader import What
from footfall.operations.loader import write_records as records_module
from loader_scene import DETAILS, HASH, KEYS, ROWS, Bench, assert_indexes_are_exact, content, location, user
from servers import Server


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


def test_a_hash_is_kept_and_a_clear_password_is_hashed_at_the_cost_that_is_set(bench: Bench) -> None:
    rows = [user(1, password=HASH), user(2, password="pässword"), user(3, password=HASH.replace("$2b$", "$2y$"))]
    bench.load("users", rows, bcrypt_cost=5)
    hashes = [bench.user(n)["password"] for n in (1, 2, 3)]
    assert hashes[0] == HASH
    assert hashes[1].startswith("$2b$05$")
    assert bcrypt.checkpw("pässword".encode(), hashes[1].encode())
    assert hashes[2] == rows[2]["password"]


def test_reloaded_counters_move_by_the_difference_of_the_baselines(bench: Bench) -> None:
    bench.load("users", [user(numCheckins=100, lastCheckin=500, lastSeenAt=1)])
    bench.load("locations", [location(numCheckins=100, numStars=300), location(2)])
    for stars in (5, 4, 5):
        bench.receive(1, 1, stars)
    bench.process()
    last = bench.user()["lastCheckin"]
    bench.load("users", [user(numCheckins=40, lastCheckin=600, lastSeenAt=2)])
    bench.load("locations", [location(numCheckins=1000, numStars=2000)])
    assert (bench.user()["numCheckins"], bench.user()["lastCheckin"]) == ("43", last)
    assert bench.user()["lastSeenAt"] == "1"
    assert (bench.location()["numCheckins"], bench.location()["numStars"]) == ("1003", "2014")
    assert bench.location()["averageStars"] == "2"
    assert_indexes_are_exact(bench.client)
    before = content(bench.client)
    bench.load("users", [user(numCheckins=40, lastCheckin=600, lastSeenAt=2)])
    bench.load("locations", [location(numCheckins=1000, numStars=2000)])
    assert content(bench.client) == before, "loading the same again changes nothing"


def test_loading_again_while_check_ins_are_processed_loses_none(bench: Bench) -> None:
    bench.load("users", [user()])
    bench.load("locations", [location()])

    def load_again() -> None:
        with Bench(bench.server, bench.directory) as other:
            for count in range(30):
                other.load("users", [user(numCheckins=count)])
                other.load("locations", [location(numCheckins=count, numStars=count)])

    loading = threading.Thread(target=load_again)
    loading.start()
    counted = 0
    while loading.is_alive():
        assert b"-" in bench.receive(1, 1, 1)
        counted += bench.process()
    assert counted > 10
    assert bench.user()["numCheckins"] == str(29 + counted)
    assert bench.location().items() >= {"numCheckins": str(29 + counted), "numStars": str(29 + counted)}.items()
    assert_indexes_are_exact(bench.client)


def test_counters_never_fall_below_zero(bench: Bench) -> None:
    bench.load("users", [user(numCheckins=100)])
    bench.load("locations", [location(numCheckins=100, numStars=100)])
    bench.client.hset(KEYS.user(1), "numCheckins", 3)
    bench.client.hset(KEYS.location(1), mapping={"numCheckins": 3, "numStars": 3})
    bench.load("users", [user()])
    bench.load("locations", [location()])
    assert bench.user()["numCheckins"] == "0"
    assert bench.location().items() >= {"numCheckins": "0", "numStars": "0", "averageStars": "0"}.items()
    assert_indexes_are_exact(bench.client)


@pytest.mark.parametrize(
    ("old", "counted", "new", "expected"),
    [
        pytest.param((500, 1), None, (600, 2), (600, 2), id="newer baseline"),
        pytest.param((500, 1), None, (400, 2), (400, 2), id="older baseline"),
        pytest.param((500, 1), None, None, None, id="baseline without"),
        pytest.param(None, None, (400, 2), (400, 2), id="first with"),
        pytest.param((500, 1), (550, 3), (400, 2), (550, 3), id="a check-in is newer than both"),
        pytest.param((500, 1), (550, 3), (550, 2), (550, 3), id="a check-in at the time of the new baseline"),
        pytest.param((500, 1), (550, 3), (600, 2), (600, 2), id="a baseline newer than the check-in"),
        pytest.param((500, 1), (550, 3), None, (550, 3), id="a check-in, baseline without"),
        pytest.param(None, (550, 3), None, (550, 3), id="a check-in, never with"),
        pytest.param((500, 1), (500, 3), (400, 2), (500, 3), id="a check-in at the time of the old baseline"),
    ],
)
def test_the_last_check_in_is_the_newest_of_what_was_loaded_and_counted(
    bench: Bench,
    old: tuple[int, int] | None,
    counted: tuple[int, int] | None,
    new: tuple[int, int] | None,
    expected: tuple[int, int] | None,
) -> None:
    def last(pair: tuple[int, int] | None) -> ROWS:
        return {"lastCheckin": pair[0], "lastSeenAt": pair[1]} if pair else {}

    bench.load("locations", [location(3)])
    bench.load("users", [user(**last(old))])
    if counted:
        fields = {"locationId": counted[1], "userId": 1, "starRating": 5}
        bench.client.xadd(KEYS.stream, fields, id=f"{counted[0]}-0")
        bench.process()
    bench.load("users", [user(**last(new))])
    found = {name: int(value) for name, value in bench.user().items() if name in ("lastCheckin", "lastSeenAt")}
    assert found == last(expected)
    assert_indexes_are_exact(bench.client)


def test_records_that_check_ins_have_created_keep_their_counts_when_loaded(bench: Bench) -> None:
    bench.load("users", [user(1)])
    for stars in (5, 0):
        bench.receive(7, 8, stars, unknown_ids="create")
    bench.process(create=True)
    bench.load("users", [user(7, numCheckins=10)])
    bench.load("locations", [location(8, numCheckins=10, numStars=20)])
    assert bench.user(7)["numCheckins"] == "12"
    assert bench.user(7)["lastSeenAt"] == "8"
    assert bench.location(8).items() >= {"numCheckins": "12", "numStars": "25", "averageStars": "2"}.items()
    assert_indexes_are_exact(bench.client)


def test_a_new_email_replaces_the_old_one(bench: Bench) -> None:
    bench.load("users", [user(email="Öld@example.com")])
    bench.load("users", [user(email="New@Example.com")])
    assert bench.client.hgetall(KEYS.users_email) == {b"new@example.com": b"1"}
    bench.load("users", [user(email="NEW@example.com")])
    assert_indexes_are_exact(bench.client)


def test_users_may_swap_their_emails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.load("users", [user(n, email=f"{n}@example.com") for n in (1, 2, 3)])
    monkeypatch.setattr(records_module, "USERS_AT_ONCE", 1)  # each in a call of its own
    bench.load("users", [user(n, email=f"{n % 3 + 1}@example.com") for n in (1, 2, 3)])
    assert_indexes_are_exact(bench.client)


def test_a_new_category_and_place_replace_the_old_ones(bench: Bench) -> None:
    bench.load("locations", [location(category="cafe"), location(2)])
    bench.load("locations", [location(category="bar", location="12.5,-7")])
    assert_indexes_are_exact(bench.client)


@pytest.mark.parametrize("place", ["180,-17", "180,85.05112878", "-180,85.05112878"])
def test_a_place_at_the_ends_of_the_map_is_found_nearby(bench: Bench, place: str) -> None:
    bench.load("locations", [location(location=place)])
    latitude = float(place.partition(",")[2])
    for east in (179.9999, -179.9999):
        found = bench.client.geosearch(
            KEYS.locations_geo, longitude=east, latitude=min(latitude, 85.05), radius=1, unit="km"
        )
        assert found == [b"1"]
    assert bench.location()["location"] == place
    assert_indexes_are_exact(bench.client)


def test_details_stay_when_a_row_comes_without_them(bench: Bench) -> None:
    bench.load("locations", [location(details=DETAILS)])
    bench.load("locations", [location()])
    assert msgspec.json.decode(bench.client.get(KEYS.location_details(1))) == DETAILS
    bench.load("locations", [location(details=DETAILS | {"phone": "none"})])
    assert msgspec.json.decode(bench.client.get(KEYS.location_details(1)))["phone"] == "none"


@pytest.mark.parametrize(("what", "field"), [("users", "email"), ("locations", "category")])
def test_a_record_that_changes_while_it_is_reloaded_is_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: What, field: str
) -> None:
    row = {"users": user, "locations": location}[what]
    bench.load(what, [row()])
    stored = records_module._stored
    answers: list[list[bytes]] = [[b"outdated"]]

    def outdated_at_first(*arguments: Any) -> list[bytes]:
        return answers.pop() if answers else stored(*arguments)

    monkeypatch.setattr(records_module, "_stored", outdated_at_first)
    bench.load(what, [row(**{field: "new@example.com" if what == "users" else "new"})])
    assert not answers
    assert_indexes_are_exact(bench.client)
