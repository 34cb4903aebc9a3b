"""What is due beside batches: the window of trending moved on, also without a new beginning of the work."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chaos.replay import raw_client
from footfall import config
from footfall.keys import Keys
from footfall.processor.maintenance import Maintenance
from footfall.processor.metrics import Metrics
from footfall.processor.stopping import Stopping
from footfall.store.calls.metadata import Position
from footfall.store.pipeline import Connection
from pipelines import connected_to
from receiver_scene import open_metadata
from servers import Server

KEYS = Keys("ncc")


@pytest.fixture
async def connection(server: Server) -> AsyncIterator[Connection]:
    open_metadata(server)
    async with connected_to(server.url) as connection:
        yield connection


def window(server: Server) -> Any:
    """The window that there is an order of."""
    client = raw_client(server.port)
    found = client.hget(KEYS.trending_state, "window")
    client.close()
    return found


@pytest.mark.parametrize("when", ["in a break", "when drained"])
async def test_the_window_of_trending_is_moved_on(server: Server, connection: Connection, when: str) -> None:
    maintenance = Maintenance(KEYS, config.load({"redis_url": server.url}), Metrics(), Stopping())
    before, was_due = window(server), maintenance.needs_a_break
    if when == "in a break":
        await maintenance.in_a_break(connection)
    else:
        await maintenance.when_drained(connection, Position(b"0", b"1"))
    assert (before, was_due, maintenance.needs_a_break) == (None, True, False)
    assert int(window(server)) == maintenance.clock.ms // 300_000
    await maintenance.end()
