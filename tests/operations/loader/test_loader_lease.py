"""Loads that are interrupted, concurrent, or late."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from footfall.domain.model import LoadedLocation, LoadedUser
from footfall.errors import BrokenKeyError, RefusedError
from footfall.operations.loader import LoadLeaseLostError, What
from footfall.operations.loader import lease as lease_module
from footfall.operations.loader.checkins import CheckIns
from footfall.operations.loader.lease import Lease
from footfall.operations.loader.removed import Removed
from footfall.operations.loader.reset import reset
from footfall.operations.loader.stream import abort, begin, finish, stage, switch
from footfall.operations.loader.write_records import write_locations, write_users
from footfall.store.calls.metadata import open_metadata as open_metadata_call
from loader_scene import HASH, KEYS, NEW, Bench, content, location, no_question, prepare, unchanged, user
from servers import Server, wait_until


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


def interrupted(bench: Bench) -> None:
    """Leave what a load leaves that was killed while it staged its check-ins."""
    with Lease(bench.client, KEYS) as lease:
        begin(lease, some_check_ins(), "footfall load", mode="drop", confirm=lambda _prompt: True)
        stage(lease, some_check_ins(), advance=lambda _n: None)


def no_bar(_description: str, _total: int | None) -> Callable[[int], None]:
    return lambda _n: None


def some_check_ins() -> CheckIns:
    check_ins = CheckIns()
    check_ins.append((9000, 0), 1, 1, 5)
    check_ins.append((9000, 1), 1, 1, 5)
    return check_ins


def test_while_check_ins_are_loaded_receivers_refuse(bench: Bench) -> None:
    bench.load("checkins", NEW)
    interrupted(bench)
    assert bench.receive(1, 1) == b"LOADING"
    assert open_metadata_call(KEYS).run_sync(bench.client).is_loading


@pytest.mark.parametrize("what", ["users", "locations"])
def test_after_an_interrupted_load_of_check_ins_nothing_else_is_loaded(bench: Bench, what: What) -> None:
    bench.load("checkins", NEW)
    interrupted(bench)
    row = {"users": user, "locations": location}[what]()
    ways_out = r"run it again \(`footfall load`\), or end it with `footfall load --abort`"
    with unchanged(bench), pytest.raises(RefusedError, match=ways_out):
        bench.load(what, [row])


@pytest.mark.parametrize("what", ["checkins", "all"])
def test_an_interrupted_load_of_check_ins_is_taken_over(bench: Bench, what: What) -> None:
    bench.load("all")
    undisturbed = content(bench.client)
    interrupted(bench)
    bench.load(what, replace=True, yes=True)
    result = content(bench.client)
    for key in (KEYS.stream, KEYS.checkpoint, KEYS.processed, KEYS.users_recent, KEYS.locations_baseline):
        assert result[key] == undisturbed[key]
    assert result.keys() == undisturbed.keys()


def test_a_lease_of_before_the_clock_was_set_back_ends_as_any_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease_module, "LEASE_S", 0.3)
    bench.client.set(KEYS.loader_lease, "of a load that was killed", px=3_600_000)
    began = time.monotonic()
    bench.load("users", [user()])
    assert "waiting" in caplog.text
    assert 0.3 <= time.monotonic() - began < 60
    assert bench.client.exists(KEYS.user(1))


def test_a_second_load_waits_for_the_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Lease(bench.client, KEYS):
        monkeypatch.setattr(lease_module, "PATIENCE_S", 0.3)
        with pytest.raises(RefusedError, match="another load is running"):
            bench.load("users", [user()])
        assert "waiting" in caplog.text
        monkeypatch.setattr(lease_module, "PATIENCE_S", 10.0)
        caplog.clear()
        waiting = threading.Thread(target=bench.load, args=("users", [user()]))
        waiting.start()
        wait_until(lambda: "waiting" in caplog.text, "the second load waits")
        assert waiting.is_alive()
    waiting.join(10)
    assert bench.user()["id"] == "1"


def test_the_lease_lasts_for_as_long_as_the_load(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "LEASE_S", 1.0)
    monkeypatch.setattr(lease_module, "RENEWAL_S", 0.1)
    left: list[int] = [1000]
    renewals: list[bool] = []

    def was_renewed() -> bool:
        left.append(bench.client.pttl(KEYS.loader_lease))
        renewals.append(left[-1] > left[-2])
        return sum(renewals) > 10

    with Lease(bench.client, KEYS) as lease:
        wait_until(was_renewed, "it was renewed so often that a lease time has passed")
        begin(lease, some_check_ins(), "footfall load", mode="keep", confirm=no_question)
    assert not bench.client.exists(KEYS.loader_lease)


def test_a_load_that_stood_still_for_too_long_cannot_write_any_more(bench: Bench) -> None:
    prepare(bench)
    late = Lease(bench.client, KEYS)
    with late:
        bench.client.delete(KEYS.loader_lease)  # it has expired
        with Lease(bench.client, KEYS) as other:
            begin(other, some_check_ins(), "footfall load", mode="drop", confirm=lambda _prompt: True)
            before = content(bench.client)

            def nothing(_n: int) -> None: ...

            new_user = LoadedUser(id=9, first_name="A", last_name="B", email="a@b", password=HASH)
            new_location = LoadedLocation(id=9, name="A", category="bar", location="1,1")
            attempts: list[Callable[[], object]] = [
                lambda: begin(late, some_check_ins(), "footfall load", mode="drop", confirm=lambda _prompt: True),
                lambda: write_users(late, [new_user], Removed("user"), bcrypt_cost=4, advance=nothing),
                lambda: write_locations(late, [new_location], Removed("location"), advance=nothing),
                lambda: stage(late, some_check_ins(), advance=nothing),
                lambda: reset(late, [b"1"], [], advance=nothing),
                lambda: reset(late, [], [b"1"], advance=nothing),
                lambda: switch(late, 0, append=False),
                lambda: finish(late, append=False, bar=no_bar),
                lambda: finish(late, append=True, bar=no_bar),
                lambda: print(abort(late)),
            ]
            for attempt in attempts:
                with pytest.raises(LoadLeaseLostError):
                    attempt()
            assert content(bench.client) == before
            stage(other, some_check_ins(), advance=nothing)
            switch(other, 2, append=False)
            finish(other, append=False, bar=no_bar)


def test_calls_whose_reply_was_lost_can_be_made_again(bench: Bench) -> None:
    def nothing(_n: int) -> None: ...

    with Lease(bench.client, KEYS) as lease:
        for _ in range(2):
            begin(lease, some_check_ins(), "footfall load", mode="keep", confirm=no_question)
        for _ in range(2):
            stage(lease, some_check_ins(), advance=nothing)
        for _ in range(2):
            switch(lease, 2, append=False)
        for _ in range(2):
            finish(lease, append=False, bar=no_bar)
    assert bench.client.xlen(KEYS.stream) == 2
    assert bench.meta("generation") == "2"


def test_a_lease_that_does_not_expire_is_nobodys(bench: Bench) -> None:
    bench.client.set(KEYS.loader_lease, "?")
    with pytest.raises(BrokenKeyError, match="ncc:loader:lease does not expire, so it is nobody's lease; delete it"):
        bench.load("users", [user()])
