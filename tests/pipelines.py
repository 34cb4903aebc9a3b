"""Pipelines and connections for the tests: to a real server, or to one that the test plays itself, byte by byte."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from footfall.store.address import parse
from footfall.store.pipeline import Connection, Pipeline


async def take_it(connection: Connection) -> None:
    """An `on_connect` that has nothing against it."""


@contextlib.asynccontextmanager
async def pipeline_to(
    url: str, *, timeout: float = 10, on_connect: Callable[[Connection], Any] = take_it
) -> AsyncIterator[Pipeline]:
    """A pipeline that has begun to connect."""
    pipeline = Pipeline(parse(url), timeout=timeout, on_connect=on_connect)
    pipeline.start()
    try:
        yield pipeline
    finally:
        await pipeline.close()


@contextlib.asynccontextmanager
async def connected_to(url: str, *, timeout: float = 10) -> AsyncIterator[Connection]:
    """A connection that is up."""
    async with pipeline_to(url, timeout=timeout) as pipeline:
        yield await asyncio.wait_for(pipeline.connected(), 10)


class Wire(asyncio.WriteTransport):
    """The transport of a connection that a test plays the server of, byte by byte."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_aborted = False
        connection.connection_made(self)

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def abort(self) -> None:
        self.is_aborted = True
