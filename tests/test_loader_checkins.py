"""Loading check-ins: everything goes back to what was loaded, and nothing is dropped unasked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.errors import ExitCode, RefusedError
from footfall.loader import Loaded, What
from servers import Server
from test_loader import KEYS, Bench, assert_indexes_are_exact, check_in, location, records, unchanged, user


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


def prepare(bench: Bench) -> None:
    """Two users and locations, loaded; check-ins loaded and received, of created records too; a dead letter."""
    bench.load("users", [user(1, numCheckins=5, lastCheckin=500, lastSeenAt=2), user(2)])
    bench.load("locations", [location(1, numCheckins=5, numStars=13), location(2, category="bar")])
    bench.load("checkins", [check_in("1000-0", 1, 1, 5), check_in("1001-0", 2, 2, 1)])
    bench.receive(1, 2)
    bench.receive(33, 44, unknown_ids="create")
    bench.client.xadd(KEYS.stream, {"nonsense": "1"})
    bench.process(create=True)
    bench.receive(2, 1)
    assert bench.client.xlen(KEYS.dead_letters) == 1
    assert bench.user(33)["numCheckins"] == "1"
    assert_indexes_are_exact(bench.client)


def assert_at_baselines(bench: Bench) -> None:
    """What `prepare` has loaded is there, and nothing of its check-ins."""
    users, locations = records(bench.client, "users"), records(bench.client, "locations")
    assert users.keys() == {1, 2}
    assert locations.keys() == {1, 2}
    assert users[1].items() >= {"numCheckins": "5", "lastCheckin": "500", "lastSeenAt": "2"}.items()
    assert users[2]["numCheckins"] == "0"
    assert "lastCheckin" not in users[2]
    assert locations[1].items() >= {"numCheckins": "5", "numStars": "13", "averageStars": "3"}.items()
    assert locations[2].items() >= {"numCheckins": "0", "numStars": "0", "averageStars": "0"}.items()
    assert bench.client.mget(KEYS.checkpoint, KEYS.processed) == [b"0", b"0"]
    assert not bench.client.exists(KEYS.dead_letters, KEYS.staging)
    assert bench.meta("state") == "ready"
    assert_indexes_are_exact(bench.client)


NEW = [check_in("2000-5", 1, 1, 4), check_in("2001", 2, 2, 2)]


def test_loading_check_ins_takes_everything_back_to_the_baselines(bench: Bench) -> None:
    prepare(bench)
    generation = int(bench.meta("generation"))
    assert bench.load("checkins", NEW, load_reset=True, load_yes=True) == Loaded(0, 0, 2)
    assert_at_baselines(bench)
    assert [entry_id for entry_id, _ in bench.client.xrange(KEYS.stream)] == [b"2000-5", b"2001-0"]
    assert int(bench.meta("generation")) == generation + 1
    assert bench.process() == 2
    assert bench.user(1).items() >= {"numCheckins": "6", "lastCheckin": "2000", "lastSeenAt": "1"}.items()


def test_loaded_check_ins_can_be_loaded_again_without_a_question(bench: Bench) -> None:
    bench.load("checkins", NEW)
    bench.process()
    bench.client.xtrim(KEYS.stream, maxlen=1, approximate=False)
    bench.load("checkins", NEW)
    assert bench.client.xlen(KEYS.stream) == 2
    assert bench.client.get(KEYS.checkpoint) == b"0"


@pytest.mark.parametrize("what", ["checkins", "all"])
def test_check_ins_that_came_through_a_receiver_are_not_dropped_without_reset(bench: Bench, what: What) -> None:
    prepare(bench)
    with unchanged(bench), pytest.raises(RefusedError, match=r"4 check-ins came through a receiver") as error:
        bench.load(what)
    assert error.value.exit_code == ExitCode.REFUSED
    bench.client.xtrim(KEYS.stream, maxlen=0, approximate=False)  # processed and trimmed: they still count
    with unchanged(bench), pytest.raises(RefusedError):
        bench.load(what)


def test_a_reset_asks_first_and_says_how_much_will_be_lost(bench: Bench) -> None:
    prepare(bench)
    prompts: list[str] = []

    def answer(prompt: str) -> bool:
        prompts.append(prompt)
        return len(prompts) > 1

    with unchanged(bench), pytest.raises(RefusedError, match="not confirmed"):
        bench.load("checkins", NEW, confirm=answer, load_reset=True)
    bench.load("checkins", NEW, confirm=answer, load_reset=True)
    assert_at_baselines(bench)
    assert [prompt[:43] for prompt in prompts] == ["4 check-ins came through a receiver since t"] * 2
    bench.load("checkins", NEW, load_reset=True)  # nothing to lose, nothing to ask


def test_a_stream_taken_over_from_another_program_is_not_dropped_without_reset(bench: Bench) -> None:
    bench.client.xadd(KEYS.stream, {"locationId": 1, "userId": 1, "starRating": 5})
    bench.client.set(KEYS.checkpoint, "0")
    bench.client.hset(KEYS.user(1), mapping={"id": 1, "email": "a@example.com", "numCheckins": 9})
    bench.client.hset(KEYS.location(1), mapping={"id": 1, "name": "The Place"})
    bench.process()
    with pytest.raises(RefusedError, match="1 check-ins came"):
        bench.load("checkins", NEW)
    bench.load("checkins", NEW, load_reset=True, load_yes=True)
    assert bench.user(1)["email"] == "a@example.com", "a record that check-ins have not made is kept"
    assert bench.user(1)["numCheckins"] == "0"
    assert bench.location(1)["name"] == "The Place"


def test_a_stream_deleted_by_hand_is_no_hindrance_until_check_ins_come_again(bench: Bench) -> None:
    bench.load("users", [user()])
    bench.load("locations", [location()])
    bench.load("checkins", NEW)
    bench.client.delete(KEYS.stream)
    bench.receive(1, 1)
    with pytest.raises(RefusedError, match="1 check-ins came"):
        bench.load("checkins", NEW)
    bench.client.delete(KEYS.stream)
    bench.load("checkins", NEW)
    assert bench.client.xlen(KEYS.stream) == 2


def test_no_check_ins_leave_an_empty_stream_that_works(bench: Bench) -> None:
    prepare(bench)
    bench.load("checkins", [], load_reset=True, load_yes=True)
    assert_at_baselines(bench)
    assert bench.client.xlen(KEYS.stream) == 0
    assert not bench.client.xinfo_groups(KEYS.stream)
    assert b"-" in bench.receive(1, 1)
    assert bench.process() == 1


def test_check_ins_of_unknown_records_are_loaded_and_become_dead_letters(bench: Bench) -> None:
    bench.load("checkins", NEW)
    bench.process()
    assert bench.client.xlen(KEYS.dead_letters) == 2


def test_consumer_groups_of_others_are_named(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.load("checkins", NEW)
    bench.client.xgroup_create(KEYS.stream, "analytics")
    bench.load("checkins", NEW)
    assert "analytics" in caplog.text
