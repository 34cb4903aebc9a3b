"""The auto-pipelining connection: what is sent when, and who gets which reply."""

import asyncio

import pytest

from footfall.errors import (
    DeniedError,
    NoScriptError,
    ReplyError,
    TemporaryReplyError,
    UnavailableError,
    WrongTypeError,
)
from footfall.store.pipeline import Connection
from pipelines import Wire, connected_to
from proxy import Proxy
from servers import Server, wait_until_async


async def test_each_command_gets_its_own_reply(server: Server) -> None:
    async with connected_to(server.url) as connection:
        calls = [connection.call("ECHO", f"text {number}") for number in range(1000)]
        assert await asyncio.gather(*calls) == [b"text %d" % number for number in range(1000)]


async def test_replies_have_the_types_of_the_protocol(server: Server) -> None:
    async with connected_to(server.url) as connection:
        assert await connection.call("SET", b"key\r\n\x00", 1.5) == b"OK"
        assert await connection.call("GET", b"key\r\n\x00") == b"1.5"
        assert await connection.call("INCR", "n") == 1
        assert await connection.call("GET", "nothing") is None
        assert await connection.call("GET", "") is None
        assert await connection.call("MGET", "n", "nothing") == [b"1", None]
        big = b"x" * 3_000_000
        assert await connection.call("ECHO", big) == big


async def test_the_commands_of_one_turn_of_the_loop_leave_in_one_write() -> None:
    connection = Connection(timeout=10)
    wire = Wire(connection)
    calls = [connection.call("GET", name) for name in "abc"]
    assert wire.writes == []
    await asyncio.sleep(0)
    assert wire.writes == [b"".join(b"*2\r\n$3\r\nGET\r\n$1\r\n%c\r\n" % name for name in b"abc")]
    calls += [connection.call("GET", "d")]
    connection.flush()
    calls += [connection.call("GET", "e")]
    await asyncio.sleep(0)
    assert [write[-3:-2] for write in wire.writes[1:]] == [b"d", b"e"]
    connection.data_received(b"+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n")
    assert await asyncio.gather(*calls) == [b"1", b"2", b"3", b"4", b"5"]
    connection.abort("done")


async def test_replies_may_be_split_anywhere() -> None:
    replies = b"$5\r\nhello\r\n:-7\r\n$-1\r\n*2\r\n$1\r\na\r\n*-1\r\n-WRONGTYPE no\r\n+OK\r\n"
    for position in range(1, len(replies)):
        connection = Connection(timeout=10)
        Wire(connection)
        calls = [connection.call("PING") for _ in range(6)]
        connection.data_received(replies[:position])
        connection.data_received(replies[position:])
        got = await asyncio.gather(*calls, return_exceptions=True)
        error = got.pop(4)
        assert got == [b"hello", -7, None, [b"a", None], b"OK"]
        assert isinstance(error, WrongTypeError)
        connection.abort("done")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("NOSCRIPT No matching script", NoScriptError),
        ("WRONGTYPE Operation against a key", WrongTypeError),
        ("ERR unknown command", ReplyError),
        ("NOPERM this user has no permissions", DeniedError),
        ("DENIED ZADD refused", DeniedError),
        ("LOADING the dataset in memory", TemporaryReplyError),
        ("BUSY running a script", TemporaryReplyError),
        ("OOM command not allowed", TemporaryReplyError),
        ("MISCONF errors writing to the AOF", TemporaryReplyError),
        ("MASTERDOWN link with master is down", TemporaryReplyError),
    ],
)
async def test_an_error_reply_is_the_error_of_its_code(reply: str, kind: type[ReplyError]) -> None:
    connection = Connection(timeout=10)
    Wire(connection)
    calls = [connection.call("PING") for _ in range(2)]
    connection.data_received(b"-%s\r\n+PONG\r\n" % reply.encode())
    with pytest.raises(kind, match=f"^{reply}$" if kind is not DeniedError else "default") as caught:
        await calls[0]
    assert type(caught.value) is kind
    assert caught.value.code == reply.partition(" ")[0]
    assert isinstance(caught.value, UnavailableError) == (kind is TemporaryReplyError)
    assert await calls[1] == b"PONG"
    connection.abort("done")


async def test_errors_of_a_real_server_leave_the_connection_in_use(server: Server) -> None:
    async with connected_to(server.url) as connection:
        calls = [
            connection.call("SET", "key", 1),
            connection.call("XLEN", "key"),
            connection.call("EVALSHA", "0" * 40, 0),
            connection.call("NONSENSE"),
            connection.call("GET", "key"),
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [bytes, WrongTypeError, NoScriptError, ReplyError, bytes]


async def test_a_caller_that_gives_up_does_not_disturb_the_others(server: Server) -> None:
    with Proxy(server.port) as proxy:
        async with connected_to(proxy.url) as connection:
            proxy.hold_replies(to=b"first")
            calls = [connection.call("ECHO", text) for text in ("first", "second", "third")]
            await wait_until_async(lambda: proxy.holding, "the replies are held")
            calls[1].cancel()
            proxy.release()
            assert [await calls[0], await calls[2]] == [b"first", b"third"]
            assert await connection.call("ECHO", "fourth") == b"fourth"
