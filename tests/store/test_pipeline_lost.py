"""The auto-pipelining connection when the server is lost: who hears of it, what is logged, and how it comes back."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from footfall.errors import BrokenKeyError, ConnectionLostError, FootfallError, UnavailableError
from footfall.store.pipeline import Connection
from pipelines import Wire, connected_to, pipeline_to
from proxy import Proxy
from servers import Server, free_port, wait_until_async

#: seconds after which silence counts as loss, in tests of that
_BRIEF = 0.2


@pytest.mark.parametrize("partial", [b"", b"$100\r\nhalf of", b"*3\r\n$1\r\na\r\n"])
async def test_all_who_wait_hear_of_a_connection_that_is_cut(partial: bytes) -> None:
    connection = Connection(timeout=10)
    Wire(connection)
    calls = [connection.call("PING") for _ in range(3)]
    connection.data_received(b"+PONG\r\n" + partial)
    connection.connection_lost(ConnectionResetError("reset by peer"))
    assert await calls[0] == b"PONG"
    for call in calls[1:]:
        with pytest.raises(ConnectionLostError, match="reset by peer"):
            await call
    assert connection.is_closed
    with pytest.raises(ConnectionLostError):
        await connection.call("PING")


async def test_commands_under_way_fail_when_a_real_connection_is_cut(server: Server) -> None:
    with Proxy(server.port) as proxy:
        async with connected_to(proxy.url) as connection:
            proxy.hold_replies(to=b"first")
            calls = [connection.call("ECHO", text) for text in ("first", "second")]
            await wait_until_async(lambda: proxy.holding, "the replies are held")
            proxy.cut()
            for call in calls:
                with pytest.raises(ConnectionLostError):
                    await call


async def test_closing_fails_what_is_under_way(server: Server) -> None:
    with Proxy(server.port) as proxy:
        async with pipeline_to(proxy.url) as pipeline:
            connection = await pipeline.connected()
            proxy.hold_requests(containing=b"never")
            call = connection.call("ECHO", "never")
            await wait_until_async(lambda: proxy.holding, "the command is under way")
            await pipeline.close()
            with pytest.raises(ConnectionLostError, match="closing"):
                await asyncio.wait_for(call, 5)
            assert connection.is_closed
            with pytest.raises(UnavailableError):
                pipeline.call("PING")


async def test_silence_counts_as_loss(server: Server) -> None:
    with Proxy(server.port) as proxy:
        async with connected_to(proxy.url, timeout=_BRIEF) as connection:
            proxy.hold_replies(to=b"never")
            started = asyncio.get_running_loop().time()
            calls = [connection.call("ECHO", text) for text in ("never", "either")]
            for call in calls:
                with pytest.raises(ConnectionLostError, match=f"did not answer within {_BRIEF:g} s"):
                    await asyncio.wait_for(call, 5)
            assert asyncio.get_running_loop().time() - started >= _BRIEF


async def test_a_connection_that_nobody_waits_on_is_not_silent(server: Server) -> None:
    async with connected_to(server.url, timeout=_BRIEF) as connection:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(connection.closed), 2.5 * _BRIEF)
        assert await connection.call("PING") == b"PONG"


async def test_a_server_that_keeps_answering_may_take_its_time_for_all_of_it(server: Server) -> None:
    async with connected_to(server.url, timeout=2 * _BRIEF) as connection:
        calls = [connection.call("BLPOP", "empty", _BRIEF) for _ in range(4)]
        assert await asyncio.gather(*calls) == [None] * 4


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n+OK\r\n", b"\x15\x03\x01\x00\x02\x02"])
async def test_what_does_not_speak_the_protocol_is_left(data: bytes) -> None:
    connection = Connection(timeout=10)
    wire = Wire(connection)
    call = connection.call("PING")
    connection.data_received(data)
    assert wire.is_aborted
    assert "does not speak the protocol" in await connection.closed
    with contextlib.suppress(ConnectionLostError):
        assert await call == b"OK"


async def test_a_primary_that_has_become_a_replica_is_left(server: Server) -> None:
    async with pipeline_to(server.url) as pipeline:
        connection = await pipeline.connected()
        # to a port where nobody is, so that it stays as it is otherwise
        await connection.call("REPLICAOF", "127.0.0.1", free_port())
        with pytest.raises(ConnectionLostError, match="has become a replica"):
            await connection.call("SET", "key", 1)
        server.promote()
        again = await asyncio.wait_for(pipeline.connected(), 5)
        assert again is not connection
        assert await again.call("SET", "key", 1) == b"OK"


async def test_the_pipeline_has_a_new_connection_after_a_loss(own_server: Callable[..., Server]) -> None:
    server = own_server()
    async with pipeline_to(server.url) as pipeline:
        connection = await pipeline.connected()
        assert pipeline.connection is connection
        server.kill()
        await wait_until_async(lambda: connection.is_closed, "the loss is noticed")
        with pytest.raises(UnavailableError, match=r"^the server is not available$"):
            pipeline.call("PING")
        server.start()
        again = await asyncio.wait_for(pipeline.connected(), 5)
        assert again is not connection
        assert await pipeline.call("PING") == b"PONG"


async def test_what_on_connect_refuses_is_out_of_use(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "footfall")
    refusals = [FootfallError("not yet"), BrokenKeyError("a key is broken"), BrokenKeyError("a key is broken"), None]
    seen = []

    async def refuse(connection: Connection) -> None:
        seen.append(connection)
        with pytest.raises(UnavailableError):
            pipeline.call("PING")
        refusal = refusals[len(seen) - 1]
        if refusal is not None:
            raise refusal

    async with pipeline_to(server.url, on_connect=refuse) as pipeline:
        connection = await asyncio.wait_for(pipeline.connected(), 5)
    assert len(seen) == 4
    assert connection is seen[3]
    assert all(refused.is_closed for refused in seen)
    where = f"the server at redis://127.0.0.1:{server.port}/0"
    first, second, last = caplog.messages
    assert first == f"Cannot reach {where} (not yet); retrying until it is available."
    assert second == f"Cannot use what is in {where} (a key is broken); retrying until it is available."
    assert last.startswith(f"The server at redis://127.0.0.1:{server.port}/0 is available again after ")


async def test_what_was_wrong_in_an_outage_is_told_to_nobody_when_it_is_over(server: Server) -> None:
    refusals, goes_on = [BrokenKeyError("a key is broken")], asyncio.Event()

    async def refuse(_: Connection) -> None:
        if refusals:
            raise refusals.pop()
        await goes_on.wait()

    async with pipeline_to(server.url, on_connect=refuse) as pipeline:
        await wait_until_async(lambda: not refusals, "it is refused")
        with pytest.raises(UnavailableError, match="a key is broken"):
            pipeline.call("PING")
        goes_on.set()
        connection = await asyncio.wait_for(pipeline.connected(), 5)
        goes_on.clear()
        client: Any = server.client()
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.wait_for(connection.closed, 5)
        with pytest.raises(UnavailableError, match=r"available$"):
            pipeline.call("PING")
        goes_on.set()


async def test_an_outage_is_logged_once_and_once_when_it_ends(
    own_server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "footfall")
    server = own_server()
    tries = []

    async def count(connection: Connection) -> None:
        tries.append(connection)

    with Proxy(server.port) as proxy:
        async with pipeline_to(proxy.url, timeout=1, on_connect=count) as pipeline:
            await pipeline.connected()
            assert caplog.messages == []
            server.pause()  # connections are taken, but lead nowhere
            proxy.cut()
            await wait_until_async(lambda: caplog.messages, "the outage is logged")
            server.kill()
            await asyncio.gather(*(asyncio.to_thread(proxy.cut) for _ in range(3)))
            server.start()
            await asyncio.wait_for(pipeline.connected(), 5)
            assert len(tries) == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert caplog.messages[0].startswith(f"Cannot reach the server at redis://127.0.0.1:{proxy.port}/0 (")
    assert caplog.messages[1].startswith(f"The server at redis://127.0.0.1:{proxy.port}/0 is available again after ")
    assert float(caplog.messages[1].split()[-2]) < 5


async def test_a_server_that_takes_connections_but_does_not_answer_is_given_up(
    own_server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = own_server()
    server.pause()
    async with pipeline_to(server.url, timeout=_BRIEF) as pipeline:
        await wait_until_async(lambda: "did not answer within" in caplog.text, "it is given up")
        server.resume()
        assert await (await pipeline.connected()).call("PING") == b"PONG"
