"""How a pipeline signs in to a server: passwords, users, databases, Unix sockets, TLS."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from footfall.errors import UnavailableError
from pipelines import pipeline_to
from servers import Server, wait_until_async


async def answer(url: str, *command: str) -> Any:
    """The reply of the server at this URL."""
    async with pipeline_to(url) as pipeline:
        return await (await asyncio.wait_for(pipeline.connected(), 10)).call(*command)


def with_user(server: Server, user: str) -> str:
    """The server's URL with user and password."""
    return f"redis://{user}@127.0.0.1:{server.port}"


@pytest.fixture
def with_users(server: Server) -> Iterator[Server]:
    """A server with two users, one of them without a password."""
    client = server.client()
    client.acl_setuser("ann", enabled=True, passwords=["+s e@c"], categories=["+@all"])
    client.acl_setuser("bob", enabled=True, nopass=True, categories=["+@all"])
    yield server
    client.acl_deluser("ann", "bob")


async def test_a_password_for_everybody_is_given(own_server: Callable[..., Server]) -> None:
    server = own_server()
    server.client().config_set("requirepass", "p/w@d")
    assert await answer(with_user(server, ":p%2Fw%40d"), "PING") == b"PONG"


@pytest.mark.parametrize(
    ("who", "name"), [("ann:s%20e%40c", b"ann"), ("bob:", b"bob"), ("bob", b"bob"), ("default:any", b"default")]
)
async def test_a_user_signs_in_by_name(with_users: Server, who: str, name: bytes) -> None:
    assert await answer(with_user(with_users, who), "ACL", "WHOAMI") == name


async def test_a_wrong_password_is_logged_without_it(with_users: Server, caplog: pytest.LogCaptureFixture) -> None:
    async with pipeline_to(with_user(with_users, "ann:guess")) as pipeline:
        await wait_until_async(lambda: "WRONGPASS" in caplog.text, "the reason is logged")
        with pytest.raises(UnavailableError, match="not available") as caught:
            pipeline.call("PING")
    assert "guess" not in caplog.text + str(caught.value)


async def test_a_database_is_selected(server: Server) -> None:
    await answer(f"{server.url}/3", "SET", "key", "value")
    assert (
        server.client().info("keyspace") == {"db3": {"keys": 1, "expires": 0, "avg_ttl": 0}}
        or server.client().info("keyspace")["db3"]["keys"] == 1
    )
    assert await answer(server.url, "GET", "key") is None


async def test_a_database_that_is_not_there_is_said_to_be(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    async with pipeline_to(f"{server.url}/9999"):
        await wait_until_async(lambda: "DB index is out of range" in caplog.text, "the reason is logged")


async def test_a_unix_socket_is_used(own_server: Callable[..., Server]) -> None:
    server = own_server()
    server.kill()
    path = server.directory / "a socket"
    server.config["unixsocket"] = str(path)
    server.start()
    url = f"unix://{str(path).replace(' ', '%20')}?db=2"
    assert b"db=2" in await answer(url, "CLIENT", "INFO")


async def test_nothing_is_sent_in_the_clear_to_a_tls_address(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    client = server.client()
    client.config_resetstat()
    # the server waits for the rest of what it takes for a command
    async with pipeline_to(f"rediss://ann:secret@127.0.0.1:{server.port}", timeout=0.5) as pipeline:
        await wait_until_async(lambda: "Cannot reach" in caplog.text, "the failure is logged")
        with pytest.raises(UnavailableError):
            pipeline.call("PING")
    assert not {"cmdstat_auth", "cmdstat_ping"} & set(client.info("commandstats"))
