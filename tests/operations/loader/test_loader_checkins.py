"""Loading check-ins: everything goes back to what was loaded, and nothing is dropped unasked."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footfall import config
from footfall.errors import BrokenKeyError, ExitCode, RefusedError, UsageError
from footfall.operations import loader
from footfall.operations.loader import BadRowsError, Loaded, LoadLeaseLostError, LoadOptions, What
from footfall.operations.loader import rows as rows_module
from footfall.operations.loader import stream as stream_module
from footfall.operations.loader.lease import Lease
from footfall.store.calls.load import append_staged
from loader_scene import (
    KEYS,
    NEW,
    Bench,
    assert_at_baselines,
    assert_indexes_are_exact,
    check_in,
    location,
    prepare,
    records,
    unchanged,
    user,
)
from servers import Server, wait_until


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


def test_loading_check_ins_takes_everything_back_to_the_baselines(bench: Bench) -> None:
    prepare(bench)
    generation = int(bench.meta("generation"))
    assert bench.load("checkins", NEW, reset=True, yes=True) == Loaded(0, 0, 2)
    assert_at_baselines(bench)
    assert [entry_id for entry_id, _ in bench.client.xrange(KEYS.stream)] == [b"2000-5", b"2001-0"]
    assert int(bench.meta("generation")) == generation + 1
    assert bench.process() == 2
    assert bench.user(1).items() >= {"numCheckins": "6", "lastCheckin": "2000", "lastSeenAt": "1"}.items()


@pytest.mark.parametrize("is_trimmed", [False, True])
def test_check_ins_that_were_loaded_are_not_dropped_unasked_either(bench: Bench, is_trimmed: bool) -> None:
    bench.load("checkins", NEW)
    bench.process()
    if is_trimmed:
        bench.client.xtrim(KEYS.stream, maxlen=0, approximate=False)
    lost = r"2 check-ins on the server \(2 loaded, 0 received since\), and what they have counted, will be lost"
    with unchanged(bench), pytest.raises(RefusedError, match=lost) as error:
        bench.load("checkins", NEW)
    assert error.value.exit_code == ExitCode.REFUSED
    assert "--replace" in str(error.value)
    with unchanged(bench), pytest.raises(RefusedError, match="not confirmed"):
        bench.load("checkins", NEW, replace=True, confirm=lambda prompt: not re.search(lost, prompt))
    bench.load("checkins", NEW, replace=True, confirm=lambda _prompt: True)
    assert bench.client.xlen(KEYS.stream) == 2
    assert bench.client.get(KEYS.checkpoint) == b"0"


def test_check_ins_that_came_through_a_receiver_are_not_dropped_unasked(bench: Bench) -> None:
    prepare(bench)
    lost = r"6 check-ins on the server \(2 loaded, 4 received since\)"
    with unchanged(bench), pytest.raises(RefusedError, match=lost) as error:
        bench.load("checkins", NEW)
    assert error.value.exit_code == ExitCode.REFUSED
    bench.client.xtrim(KEYS.stream, maxlen=0, approximate=False)  # processed and trimmed: they still count
    with unchanged(bench), pytest.raises(RefusedError, match=lost):
        bench.load("checkins", NEW)


@pytest.mark.parametrize("what", ["users", "locations", "checkins", "all"])
def test_the_sample_does_not_take_the_place_of_other_data_unasked(bench: Bench, what: What) -> None:
    prepare(bench)
    # the third of each is one that a check-in has made
    overwritten = {"users": (3, 0), "locations": (0, 3), "checkins": (0, 0), "all": (3, 3)}[what]
    lost = (
        "holds other data than the sample: 3 users, 3 locations and 6 check-ins. "
        f"{overwritten[0]} users and {overwritten[1]} locations have ids of the sample"
    )
    with unchanged(bench), pytest.raises(RefusedError, match=lost) as error:
        bench.load(what)
    assert "--reset" in str(error.value)
    assert error.value.exit_code == ExitCode.REFUSED
    prompts: list[str] = []

    def decline(prompt: str) -> bool:
        prompts.append(prompt)
        return False

    with unchanged(bench), pytest.raises(RefusedError, match="not confirmed"):
        bench.load(what, reset=True, confirm=decline, unknown_becomes_dead_letters=True)
    assert len(prompts) == 1
    assert lost in prompts[0]
    bench.load(what, reset=True, yes=True, unknown_becomes_dead_letters=True)
    # all ids that were there are the sample's: where all of it was loaded, nothing else is left
    assert bench.client.hexists(KEYS.meta, "sample") == (what == "all")


def test_the_sample_over_the_sample_only_asks_for_check_ins(bench: Bench) -> None:
    bench.load("all")
    for what in ("users", "locations"):
        bench.load(what)
    with unchanged(bench), pytest.raises(RefusedError, match="5,000 check-ins on the server"):
        bench.load("checkins")
    bench.load("all", reset=True, yes=True)
    assert bench.client.hget(KEYS.meta, "sample") == b"1"
    bench.load("users", [user(1)])
    assert not bench.client.hexists(KEYS.meta, "sample")


def test_a_load_says_what_it_loads_and_what_becomes_of_what_is_there(bench: Bench) -> None:
    for what in ("users", "locations", "checkins", "all"):
        with unchanged(bench), pytest.raises(UsageError, match="say what to load"):
            bench.load(what, sample=False)
    for settings in ({"replace": True}, {"reset": True}, {"sample": True}):
        with unchanged(bench), pytest.raises(UsageError):
            bench.load("checkins", NEW, append=True, **settings)  # type: ignore[arg-type]
    with unchanged(bench), pytest.raises(UsageError):
        bench.load("users", [user()], replace=True)


@pytest.mark.parametrize("what", ["users", "locations", "checkins"])
def test_an_empty_file_is_an_error(bench: Bench, what: What) -> None:
    prepare(bench)
    with unchanged(bench), pytest.raises(BadRowsError, match="no row in it"):
        bench.load(what, [], reset=True, yes=True)


def test_later_check_ins_are_appended_and_counted_besides(bench: Bench) -> None:
    prepare(bench)
    bench.process(create=True)
    newest = int(bench.client.xinfo_stream(KEYS.stream)["last-generated-id"].partition(b"-")[0])
    later = [check_in(f"{newest + number}-7", 1, 2, 4) for number in range(1, 1200)]
    before = int(bench.user(1)["numCheckins"])
    held, generation = bench.client.xlen(KEYS.stream), bench.meta("generation")
    wait_until(lambda: int(bench.client.time()[0]) * 1000 > newest + 1200, "that time has come")
    assert bench.load("checkins", later, append=True) == Loaded(0, 0, 1199)
    assert bench.client.xlen(KEYS.stream) == held + 1199
    assert (bench.meta("loaded"), bench.meta("generation"), bench.meta("state")) == ("1201", generation, "ready")
    assert not bench.client.exists(KEYS.staging)
    assert bench.process(create=True) == 1199
    assert int(bench.user(1)["numCheckins"]) == before + 1199
    assert_indexes_are_exact(bench.client)
    with unchanged(bench), pytest.raises(RefusedError, match="does not come after the newest one"):
        bench.load("checkins", later, append=True)


def test_check_ins_of_nobody_are_counted_before_anything_is_written(bench: Bench) -> None:
    bench.load("users", [user(1)])
    bench.load("locations", [location(1)])
    rows = [check_in("1000-0", 1, 1), check_in("1001-0", 2, 1), check_in("1002-0", 1, 7), check_in("1003-0", 3, 8)]
    with (
        unchanged(bench),
        pytest.raises(RefusedError, match=r"3 of 4 check-ins .*\(2 users, such as 2, 3, 2 loc") as error,
    ):
        bench.load("checkins", rows, unknown_becomes_dead_letters=False)
    assert "--unknown-becomes-dead-letters" in str(error.value)
    bench.load("checkins", rows, unknown_becomes_dead_letters=False, unknown_ids="create")


def test_what_will_be_trimmed_is_said_before(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.load("checkins", NEW, retain=2)
    assert "--retain" not in caplog.text
    bench.load("checkins", NEW, retain=1, replace=True, yes=True)
    assert "2 check-ins will be there; of the processed ones a processor keeps 1" in caplog.text
    assert "--retain 2" in caplog.text


def test_a_replacement_asks_first_and_says_how_much_will_be_lost(bench: Bench) -> None:
    prepare(bench)
    prompts: list[str] = []

    def answer(prompt: str) -> bool:
        prompts.append(prompt)
        return len(prompts) > 1

    with unchanged(bench), pytest.raises(RefusedError, match="not confirmed"):
        bench.load("checkins", NEW, confirm=answer, reset=True)
    bench.load("checkins", NEW, confirm=answer, reset=True)
    assert_at_baselines(bench)
    assert [prompt[:40] for prompt in prompts] == ["6 check-ins on the server (2 loaded, 4 r"] * 2


def test_a_stream_taken_over_from_another_program_is_not_dropped_without_reset(bench: Bench) -> None:
    bench.client.xadd(KEYS.stream, {"locationId": 1, "userId": 1, "starRating": 5})
    bench.client.set(KEYS.checkpoint, "0")
    bench.client.hset(KEYS.user(1), mapping={"id": 1, "email": "a@example.com", "numCheckins": 9})
    bench.client.hset(KEYS.location(1), mapping={"id": 1, "name": "The Place"})
    bench.process()
    with pytest.raises(RefusedError, match="1 check-in on the server"):
        bench.load("checkins", NEW)
    bench.load("checkins", NEW, reset=True, yes=True)
    assert bench.user(1)["email"] == "a@example.com", "a record that check-ins have not made is kept"
    assert bench.user(1)["numCheckins"] == "0"
    assert bench.location(1)["name"] == "The Place"


def test_a_stream_deleted_by_hand_is_missed_and_replaced_when_that_is_said(bench: Bench) -> None:
    bench.load("users", [user()])
    bench.load("locations", [location()])
    bench.load("checkins", NEW)
    bench.client.delete(KEYS.stream)
    bench.receive(1, 1)
    with pytest.raises(BrokenKeyError, match="2 check-ins were loaded, but only 1 were ever added to it"):
        bench.load("checkins", NEW)
    bench.load("checkins", NEW, replace=True, yes=True)
    assert bench.client.xlen(KEYS.stream) == 2


def test_check_ins_of_unknown_records_are_loaded_and_become_dead_letters(bench: Bench) -> None:
    bench.load("checkins", NEW)
    bench.process()
    assert bench.client.xlen(KEYS.dead_letters) == 2


def test_consumer_groups_of_others_are_named(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.load("checkins", NEW)
    bench.client.xgroup_create(KEYS.stream, "analytics")
    bench.load("checkins", NEW, replace=True, yes=True)
    assert "analytics" in caplog.text


def test_check_ins_that_come_while_the_question_is_open_are_asked_about_too(bench: Bench) -> None:
    bench.load("users", [user(1)])
    bench.load("locations", [location(1)])
    bench.load("checkins", NEW)
    prompts: list[str] = []

    def confirm(prompt: str) -> bool:
        prompts.append(prompt)
        if len(prompts) == 1:
            bench.receive(1, 1)
        return True

    bench.load("checkins", NEW, replace=True, confirm=confirm)
    assert [prompt.partition(" ")[0] for prompt in prompts] == ["2", "3"]


def test_a_load_that_has_lost_its_lease_does_not_make_other_data_the_sample(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rows_module.read

    def slow(*arguments: Any) -> Any:
        rows = real(*arguments)
        bench.client.delete(KEYS.loader_lease)  # it has stood still
        monkeypatch.setattr(loader, "read", real)
        bench.load("users", [user(1)])
        return rows

    monkeypatch.setattr(loader, "read", slow)
    with pytest.raises(LoadLeaseLostError):
        bench.load("users")
    assert not bench.client.hexists(KEYS.meta, "sample")
    assert records(bench.client, "users").keys() == {1}


def test_the_sample_in_the_place_of_records_with_its_ids_is_the_sample(bench: Bench) -> None:
    bench.load("users", [user(1)])
    assert not bench.client.hexists(KEYS.meta, "sample")
    bench.load("all", reset=True, yes=True)
    assert bench.client.hget(KEYS.meta, "sample") == b"1"
    bench.load("users", [user(5001)])
    bench.load("all", reset=True, yes=True)
    assert not bench.client.hexists(KEYS.meta, "sample")


def test_the_command_that_is_remembered_can_be_typed_again_anywhere(bench: Bench) -> None:
    path = bench.directory / "a file.csv"
    options = LoadOptions(source=path, replace=True)
    words = shlex.split(loader._command("checkins", options, config.load({"prefix": "team"})))
    assert words == ["footfall", "load", "checkins", "--from", str(path), "--replace", "--prefix", "team"]


def test_what_another_program_adds_while_check_ins_are_appended_does_not_lock_everything(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.load("users", [user(1)])
    bench.load("locations", [location(1)])
    bench.load("checkins", [check_in("1000-0", 1, 1, 5)])
    monkeypatch.setattr(stream_module, "CHUNK", 10)
    run, calls = Lease.run, 0

    def run_and_add(self: Lease, call: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal calls
        if call is append_staged:
            calls += 1
            if calls == 3:
                bench.client.xadd(KEYS.stream, {"locationId": 1, "userId": 1, "starRating": 1}, "2024-5")
        return run(self, call, *arguments, **named)

    monkeypatch.setattr(Lease, "run", run_and_add)
    later = [check_in(f"{2000 + number}-0", 1, 1, 4) for number in range(50)]
    loaded = bench.load("checkins", later, append=True)
    assert loaded == Loaded(0, 0, 45, ("5 check-ins that come before what another program has added",))
    assert "5 check-ins come before what another program has added to ncc:checkins meanwhile" in caplog.text
    assert bench.meta("state") == "ready"
    assert bench.meta("loaded") == "46"
    ids = [entry_id for entry_id, _ in bench.client.xrange(KEYS.stream)]
    assert len(ids) == 47
    assert not bench.client.exists(KEYS.staging)
    bench.process()
    assert bench.user(1)["numCheckins"] == "47"
