"""The intake when something is in the way: who is told what, once, and that nobody stays pending."""

import asyncio
import contextlib
from typing import Any

import pytest

from footfall.errors import (
    BacklogFullError,
    BrokenKeyError,
    ConnectionLostError,
    FootfallError,
    LoadingError,
    OverloadedError,
    TooLargeError,
    UnavailableError,
    UnconfirmedError,
)
from footfall.store.calls import receive
from footfall.store.scripts import RECEIVE, Call, Script
from proxy import Proxy
from receiver_scene import CHECK_IN, META, PROCESSED, STREAM, Outcomes, intake_at, open_metadata
from servers import Server, wait_until_async


@pytest.fixture
def client(server: Server) -> Any:
    client = open_metadata(server)
    client.script_load(RECEIVE.source)
    return client


def refuse(client: Any, how: str) -> type[FootfallError]:
    """Make the server refuse check-ins; what they are told."""
    if how == "loading":
        client.hset(META, "state", "loading")
        return LoadingError
    if how == "full":
        client.set(PROCESSED, 0)
        for _ in range(10):
            client.xadd(STREAM, {"a": "b"})
        return BacklogFullError
    if how == "out of memory":
        client.config_set("maxmemory", 1)
        return UnavailableError
    client.delete(PROCESSED)
    return BrokenKeyError


@pytest.mark.parametrize("how", ["loading", "full", "out of memory", "broken"])
async def test_all_are_told_why_the_server_refuses_and_none_stays_pending(
    server: Server, client: Any, how: str
) -> None:
    outcomes = Outcomes()
    async with intake_at(server.url, max_backlog=10) as intake:
        error = refuse(client, how)
        before = client.xlen(STREAM)
        for number in range(20):
            outcomes.add(intake, number, key=f"key-{number}" if number % 2 else None)
        result = await intake.store_all([CHECK_IN] * 600)
        assert all(isinstance(outcome, error) for outcome in result.outcomes)
        assert len(result.outcomes) == 600
        assert result.accepted == 0
        with pytest.raises(error):
            await intake.store_all([CHECK_IN] * 600, "key")
        await intake.drain()
        assert outcomes.all_are(error)
        assert intake.pending == 0
    assert client.xlen(STREAM) == before
    assert not client.keys("ncc:idempotency:*")


async def test_when_the_connection_is_cut_all_are_told_once_and_the_next_go_over_a_new_one(
    server: Server, client: Any
) -> None:
    outcomes = Outcomes()
    with Proxy(server.port) as proxy:
        async with intake_at(proxy.url) as intake:
            proxy.hold_requests(containing=RECEIVE.sha)
            for number in range(10):
                outcomes.add(intake, number)
            batch = asyncio.create_task(intake.store_all([CHECK_IN] * 600))
            await wait_until_async(lambda: proxy.holding, "the calls are held")
            outcomes.add(intake, 10)  # it waits behind them
            proxy.cut()
            result = await batch
            assert all(isinstance(outcome, UnavailableError) for outcome in result.outcomes)
            await intake.drain()
            assert outcomes.all_are(UnavailableError)
            assert all(isinstance(outcomes.by_number[number][0][0], ConnectionLostError) for number in range(10))
            assert intake.pending == 0

            async def accepted() -> bool:
                with contextlib.suppress(UnavailableError):
                    await intake.store(CHECK_IN)
                    return True
                return False

            await wait_until_async(accepted, "the server is back")
    assert client.xlen(STREAM) == 1


async def test_what_has_waited_longer_than_the_server_may_take_is_not_written(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        now = 0.0

        def time(self) -> float:
            return self.now

    clock, old, new = Clock(), Outcomes(), Outcomes()
    async with intake_at(server.url, server_timeout=5, max_batch=2) as intake:
        monkeypatch.setattr(intake, "_time", clock.time)
        for number in range(2):
            old.add(intake, number, key=f"key-{number}")
        batch = asyncio.create_task(intake.store_all([CHECK_IN] * 2000))
        clock.now = 5.5
        await intake.drain()
        result = await batch
        assert old.all_are(OverloadedError)
        assert result.accepted == 2000, "a batch's chunks have come when its task began"
        # with one that has just come, those that came before it are written, too
        old = Outcomes()
        old.add(intake, 0, key="key-0")
        clock.now = 11
        new.add(intake, 0)
        await intake.drain()
        assert len(old.ids()) == len(new.ids()) == 1
    assert client.xlen(STREAM) == 2002


async def test_no_more_may_wait_than_max_pending(server: Server, client: Any) -> None:
    outcomes = Outcomes()
    async with intake_at(server.url, max_pending=600) as intake:
        with pytest.raises(TooLargeError):
            await intake.store_all([CHECK_IN] * 601)
        batch = asyncio.create_task(intake.store_all([CHECK_IN] * 599))
        await asyncio.sleep(0)
        outcomes.add(intake, 0)
        with pytest.raises(OverloadedError):
            outcomes.add(intake, 1)
        with pytest.raises(OverloadedError):
            await intake.store_all([CHECK_IN])
        assert intake.pending == 600
        await batch
        del outcomes.by_number[1]
        await intake.drain()
        assert len(outcomes.ids()) == 1
        assert intake.pending == 0
    assert client.xlen(STREAM) == 600


async def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_is_set(server: Server, client: Any) -> None:
    outcomes = Outcomes()
    async with intake_at(server.url, server_timeout=0.2) as intake:
        server.pause()
        outcomes.add(intake, 0)
        await asyncio.sleep(0)
        for number in range(1, 10):
            outcomes.add(intake, number)
        result = await intake.store_all([CHECK_IN] * 2000)
        await intake.drain()
        assert outcomes.all_are(UnavailableError)
        assert all(isinstance(outcome, UnavailableError) for outcome in result.outcomes)
        assert intake.pending == 0
        server.resume()


async def test_a_defect_leaves_nobody_without_an_answer(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = Outcomes()
    async with intake_at(server.url) as intake:
        with monkeypatch.context() as patched:
            patched.setattr(Call, "start", None)
            for number in range(3):
                outcomes.add(intake, number)
            result = await intake.store_all([CHECK_IN] * 600)
            await intake.drain()
        assert outcomes.all_are(FootfallError)
        assert {getattr(outcome, "status", None) for outcome in result.outcomes} == {500}
        assert caplog.text.count("The intake failed") == 3
        assert intake.pending == 0
        await intake.store(CHECK_IN)
    assert client.xlen(STREAM) == 1


async def test_a_wait_for_replicas_that_ends_in_an_error_is_unknown_and_not_refused(
    server: Server, client: Any
) -> None:
    """As at a change of role: Redis 7.0 answers UNBLOCKED then."""
    outcomes = Outcomes()
    async with intake_at(server.url, durability="replicas:1") as intake:
        outcomes.add(intake, 0)

        def unblocked() -> bool:
            waiting = [one["id"] for one in client.client_list() if one["cmd"] == "wait"]
            return any(client.execute_command("CLIENT", "UNBLOCK", one, "ERROR") for one in waiting)

        await wait_until_async(unblocked, "the wait is ended")
        await intake.drain()
        ((outcome, _),) = outcomes.by_number[0]
        assert isinstance(outcome, UnconfirmedError)
        assert "may have been stored" in str(outcome)
    assert client.xlen(STREAM) == 1


@pytest.mark.parametrize("is_batch", [False, True])
async def test_a_script_that_ends_in_the_middle_is_unknown_and_not_refused(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch, is_batch: bool
) -> None:
    text = RECEIVE.source.decode()
    place = "                if type(outcome) == 'string' then"
    assert text.count(place) == 1
    cut = Script("cut", text.replace(place, f"error('cut')\n{place}"))
    monkeypatch.setattr(receive, "RECEIVE", cut)
    async with intake_at(server.url) as intake:
        if is_batch:
            result = await intake.store_all([CHECK_IN] * 3)
            assert {str(outcome) for outcome in result.outcomes} == {
                "the server has failed (ERR): the check-in may have been stored"
            }
        else:
            with pytest.raises(UnconfirmedError, match="may have been stored"):
                await intake.store(CHECK_IN)
    assert client.xlen(STREAM) == 1
