"""Verifying: each kind of damage is named, and a sound system has none, whatever happens while it is read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from audit_damages import DAMAGES, Events, damage
from audit_scene import (
    E1,
    E3,
    E5,
    FIRST_MS,
    EventfulReader,
    assert_sound,
    count_lost,
    found,
    prepare,
    process,
    settle_dead_letters,
    small_sizes,
    trim,
    verified,
)
from chaos.replay import raw_client
from chaos.scene import LOCATIONS, USERS, add, load_rows, location_row, seeded, user_row
from footfall.errors import BrokenKeyError, ExitCode, LoadingError, UnavailableError
from footfall.operations.audit.differences import SHOWN
from footfall.operations.audit.limits import Retries, Sizes
from footfall.operations.audit.verify_report import render
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


# ---------------------------------------------------------------- sound


def test_a_sound_system_has_no_differences(scene: Any) -> None:
    report = assert_sound(scene)
    assert (report.users, report.locations, report.entries, report.checkpoint) == (USERS, LOCATIONS, 5, E5)


def test_nothing_is_written(scene: Any) -> None:
    before = scene.execute_command("DEBUG", "DIGEST")
    verified(scene)
    assert scene.execute_command("DEBUG", "DIGEST") == before


def test_what_was_loaded_and_not_processed_is_sound(client: Any) -> None:
    load_rows(client, "users", [user_row(1)])
    assert_sound(client)
    load_rows(client, "users", [user_row(2, lastCheckin=5, lastSeenAt=7, email="Ärger@Example.com")])
    load_rows(
        client,
        "locations",
        [location_row(1), location_row(2, numCheckins=0, numStars=0) | {"location": "-179.99999,-85.05"}],
    )
    assert_sound(client)


def test_records_that_check_ins_have_created_are_sound(server: Server, client: Any) -> None:
    load_rows(client, "users", [user_row(1)])
    for number in range(5):
        add(client, 100 + number, 200, number)
    process(server, create=True)
    assert assert_sound(client).users == 6


def test_records_loaded_again_are_sound(server: Server, scene: Any) -> None:
    load_rows(scene, "users", [user_row(user, numCheckins=user) for user in range(1, USERS + 10)])
    load_rows(scene, "locations", [location_row(2, numStars=0) | {"category": "bar", "location": "3,4"}])
    process(server)
    assert_sound(scene)


@pytest.mark.parametrize("trimmed", [False, True])
@pytest.mark.parametrize("action", ["retry", "discard", "discard, then load", "load, then retry"])
def test_settled_dead_letters_are_sound(server: Server, scene: Any, action: str, *, trimmed: bool) -> None:
    if "load, then" in action:
        load_rows(scene, "users", [user_row(99)])
    settle_dead_letters(scene, "discard" if "discard" in action else "retry")
    if "then load" in action:
        load_rows(scene, "users", [user_row(99)])
    process(server)
    if trimmed:
        assert trim(scene, 2) == 4
    assert_sound(scene, "sums" if trimmed else "records")


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(scene: Any, name: str) -> None:
    commands, expected = DAMAGES[name]
    damage(scene, commands)
    report = verified(scene)
    assert found(report) == {(f"ncc:{key}", *rest) for key, *rest in expected}
    assert report.differences == len(expected)


def test_a_place_that_is_another_is_named(scene: Any) -> None:
    damage(scene, "GEOADD locations:geo 1.50001 2.5 2")
    assert [(one.key, one.part, one.wanted) for one in verified(scene).shown] == [("ncc:locations:geo", "2", "1.5,2.5")]


def test_of_many_differences_the_first_are_shown_and_all_are_counted(scene: Any) -> None:
    damage(scene, "DEL users:bycheckins|DEL users:recent|DEL users:lastseen|DEL users:email")
    report = verified(scene)
    assert report.differences == 2 * USERS + 2 * 21
    assert len(report.shown) == SHOWN


@pytest.mark.parametrize(
    ("commands", "error"),
    [
        ("DEL checkinprocessor:lastid", BrokenKeyError),
        ("DEL checkins:dead|SET checkins:dead x", BrokenKeyError),
        ("DEL meta|SET meta x", BrokenKeyError),
        ("HSET meta state loading", LoadingError),
    ],
)
def test_without_metadata_nothing_is_said_of_them(scene: Any, commands: str, error: type[Exception]) -> None:
    damage(scene, commands)
    with pytest.raises(error):
        verified(scene)


def test_a_server_without_metadata_is_named_as_that(client: Any) -> None:
    with pytest.raises(UnavailableError, match="there is no metadata with the prefix ncc"):
        verified(client)
    assert client.dbsize() == 0


# ---------------------------------------------------------------- when the stream does not tell all


@pytest.fixture
def trimmed(scene: Any) -> Any:
    """A client of a system whose stream was trimmed."""
    assert trim(scene, 3) == 2
    return scene


def test_a_trimmed_stream_is_verified_by_its_sums(server: Server, trimmed: Any) -> None:
    assert "2 entries are no longer in it" in assert_sound(trimmed, "sums").reason
    process(server)
    assert_sound(trimmed, "sums")


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ("HINCRBY users:1 numCheckins 1|ZADD users:bycheckins 6 1",
         {("users:baseline", "4 check-ins that the users have beyond it")}),
        ("HINCRBY locations:9 numCheckins 1|ZADD locations:bycheckins 19 9|HSET locations:9 averageStars 3",
         {("locations:baseline", "4 check-ins that the locations have beyond it")}),
        ("SET checkinprocessor:processed 4", {("checkinprocessor:processed", "4")}),
        ("ZREM users:recent 1", {("users:recent", None)}),
        ("HDEL users:1 lastSeenAt", {("users:1", None)}),
        ("HSET users:1 lastCheckin x", {("users:1", "x"), ("users:recent", f"{FIRST_MS + 5}")}),
        ("DEL users:1", {("users:1", None)}),
        ("DEL locations:2", {("locations:2", None)}),
    ],
)  # fmt: skip
def test_sums_and_indexes_show_damage_without_the_whole_stream(
    trimmed: Any, commands: str, expected: set[tuple[str, str | None]]
) -> None:
    damage(trimmed, commands)
    assert {(key, there) for key, _, there, _ in found(verified(trimmed))} == {(f"ncc:{k}", t) for k, t in expected}


def test_entries_that_others_removed_before_they_were_processed_are_no_difference(server: Server, scene: Any) -> None:
    for number in range(10):
        add(scene, 1, 1, number % 6)
    scene.xtrim("ncc:checkins", maxlen=4, approximate=False)
    process(server)
    assert count_lost(scene) == 7
    report = assert_sound(scene)
    assert report.gone
    assert (report.gone.entries, report.gone.dead) == (5, 2), "those that were processed are told apart"


def test_of_a_stream_taken_over_only_indexes_are_verified(server: Server, client: Any) -> None:
    add(client, 1, 1, 5, E1)
    client.set("ncc:checkinprocessor:lastid", E1)
    process(server)
    load_rows(client, "users", [user_row(1)])
    assert "had processed 1 entries" in assert_sound(client, "indexes").reason
    damage(client, "HINCRBY users:1 numCheckins 1")
    assert found(verified(client)) == {("ncc:users:bycheckins", "1", "3", "4")}


def test_loading_check_ins_makes_a_stream_taken_over_ones_own(server: Server, client: Any) -> None:
    client.hset("ncc:users:1", mapping={"id": 1, "email": "a@b", "numCheckins": 9})
    client.hset(
        "ncc:locations:1", mapping={"id": 1, "name": "There", "numCheckins": 9, "numStars": 9, "averageStars": 1}
    )
    client.hset("ncc:users:email", "a@b", 1)
    client.zadd("ncc:users:bycheckins", {"1": 9})
    client.zadd("ncc:locations:bycheckins", {"1": 9})
    add(client, 1, 1, 5, E1)
    client.set("ncc:checkinprocessor:lastid", E1)
    process(server)
    rows: list[dict[str, object]] = [{"id": E3, "userId": 1, "locationId": 1, "starRating": 4}]
    load_rows(client, "checkins", rows, reset=True, yes=True)
    process(server)
    assert_sound(client)


# ---------------------------------------------------------------- while things happen


@pytest.mark.parametrize("proof", ["records", "sums"])
def test_what_happens_between_two_reads_is_no_difference(server: Server, scene: Any, proof: str) -> None:
    rng = seeded()
    events = Events(server, scene, rng, dead_letters=True)
    if proof == "sums":
        trim(scene, 3)
    for _ in range(3):
        retries = Retries(pause_s=0)
        reader = EventfulReader(scene, before_read=events.happen, sizes=small_sizes(rng), retries=retries)
        assert_sound(scene, proof, reader)
    assert events.count > 15


@pytest.mark.parametrize("action", ["retry", "discard"])
@pytest.mark.parametrize("proof", ["records", "sums"])
def test_a_dead_letter_that_is_settled_between_two_pages_is_no_difference(scene: Any, proof: str, action: str) -> None:
    if proof == "sums":
        trim(scene, 3)
    pages: list[int] = []

    def settle(first: int) -> None:
        pages.append(first)
        if len(pages) == 2:
            load_rows(scene, "users", [user_row(99)])
            settle_dead_letters(scene, action)

    assert_sound(scene, proof, EventfulReader(scene, before_users=settle, sizes=Sizes(compared=10)))
    assert pages[:3] == [1, 11, 11], "the page is read again"


def test_an_email_or_category_that_changes_between_two_reads_is_no_difference(scene: Any) -> None:
    changed: list[str] = []

    def change(name: str) -> None:
        if name not in changed:
            changed.append(name)
            if name == "email":
                load_rows(scene, "users", [user_row(1, email="another@example.com")])
            else:
                load_rows(scene, "locations", [location_row(2) | {"category": "bar"}])

    assert_sound(scene, reader=EventfulReader(scene, after_fields=change))
    assert changed == ["email", "category"]


def test_records_that_are_changed_again_and_again_end_it(scene: Any) -> None:
    changes: list[str] = []

    def change(name: str) -> None:
        changes.append(name)
        load_rows(scene, "users", [user_row(1, email=f"{len(changes)}@example.com")])

    with pytest.raises(UnavailableError, match="records are changed faster than they can be read"):
        verified(scene, EventfulReader(scene, after_fields=change, retries=Retries(5)))
    assert changes == ["email"] * 5


def test_a_check_in_at_the_loaded_time_is_the_later_one(server: Server, client: Any) -> None:
    load_rows(client, "users", [user_row(1, lastCheckin=FIRST_MS + 1, lastSeenAt=7)])
    load_rows(client, "locations", [location_row(2)])
    add(client, 1, 2, 5, E1)
    process(server)
    assert client.hget("ncc:users:1", "lastSeenAt") == b"2"
    assert_sound(client)


def test_a_stream_that_is_replaced_meanwhile_is_verified_again(scene: Any) -> None:
    replaced: list[bool] = []

    def replace(_first: int) -> None:
        if not replaced:
            replaced.append(True)
            rows: list[dict[str, object]] = [{"id": E1, "userId": 1, "locationId": 1, "starRating": 4}]
            load_rows(scene, "checkins", rows, reset=True, yes=True)

    assert assert_sound(scene, reader=EventfulReader(scene, before_users=replace)).checkpoint == "0"
    assert replaced


def test_a_stream_that_is_trimmed_faster_than_it_can_be_read_is_said_to_be(server: Server, scene: Any) -> None:
    runs: list[int] = []

    def trim_again(first: int) -> None:
        runs.append(first)
        for _ in range(3):
            add(scene, 1, 1, 1)
        process(server)
        scene.xtrim("ncc:checkins", maxlen=1, approximate=False)

    with pytest.raises(UnavailableError, match="3 times: entries were removed from the stream before they were read"):
        verified(scene, EventfulReader(scene, before_users=trim_again))
    assert runs == [1, 1, 1], "it starts again, and gives up"


def test_dead_letters_that_are_settled_again_and_again_end_it(scene: Any) -> None:
    looks: list[int] = []

    def settle(first: int) -> None:
        looks.append(first)
        scene.hincrby("ncc:meta", "settled", 1)

    with pytest.raises(UnavailableError, match="dead letters are being retried or discarded"):
        verified(scene, EventfulReader(scene, before_users=settle, retries=Retries(7, pause_s=0)))
    assert len(looks) == 7


def test_nested_retries_use_up_the_same_tries(scene: Any) -> None:
    """Dead letters have to be read some ten times, and then the page of users has to be read again, each time."""
    reads: list[int] = []

    def settle(_first: int = 0) -> None:
        scene.hincrby("ncc:meta", "settled", 1)

    def settle_mostly() -> None:
        reads.append(1)
        if len(reads) // 4 % 8:
            settle()

    reader = EventfulReader(
        scene, before_read=settle_mostly, before_users=settle, retries=Retries(20, pause_s=0), sizes=Sizes(compared=50)
    )
    with pytest.raises(UnavailableError, match="dead letters are being retried or discarded"):
        verified(scene, reader)
    assert len(reads) < 20 * 4 * 2, "not as many tries for each page"


def test_progress_gives_all_tries_back(scene: Any) -> None:
    pages: list[int] = []

    def settle_every_other_time(first: int) -> None:
        pages.append(first)
        if len(pages) % 2:
            scene.hincrby("ncc:meta", "settled", 1)

    reader = EventfulReader(
        scene, before_users=settle_every_other_time, sizes=Sizes(compared=10), retries=Retries(3, pause_s=0)
    )
    assert_sound(scene, reader=reader)
    assert pages == [1, 1, 11, 11, 21, 21, 31, 31, 99, 99][: len(pages)]
    assert len(pages) >= 8, "each page was read twice, more often than there are tries in a row"


# ---------------------------------------------------------------- the command


def test_the_command_names_differences_and_ends_with_1(server: Server, scene: Any) -> None:
    settings = {"redis_url": server.url}
    with Footfall("verify", settings=settings) as sound, Footfall("verify", "--json", settings=settings) as as_json:
        assert (sound.wait(), as_json.wait()) == (ExitCode.OK, ExitCode.OK), sound.log + as_json.log
        assert sound.log.splitlines()[-1] == "No differences."
        assert json.loads(as_json.log)["differences"] == 0
        damage(scene, "HSET users:1 numCheckins 6")
        sound.start()
        assert sound.wait() == ExitCode.FAILURE
        assert "ncc:users:1 numCheckins: it is 6, must be 5 (3 loaded, 2 counted)" in sound.log


def test_a_person_is_told_how_much_was_proven(trimmed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    damage(trimmed, "DEL users:email|DEL users:bycheckins|DEL users:recent|DEL users:lastseen")
    render(verified(trimmed), Console(width=200))
    lines = capsys.readouterr().out.splitlines()
    assert lines[SHOWN] == "... and 22 more"
    assert lines[-2].startswith(
        "Sums and indexes are compared, single counters are not: the stream does not reach back"
    )
    assert lines[-1] == "122 differences."
