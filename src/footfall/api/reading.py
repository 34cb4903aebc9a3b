"""Reading the server for an answer: what is not as Footfall keeps it is an error that names the key."""

from collections.abc import Sequence
from typing import TypeVar

from footfall.api.records import Shape, Value
from footfall.errors import BrokenKeyError, NotFoundError, WrongTypeError
from footfall.keys import Keys
from footfall.store.pipeline import Argument, Pipeline, Reply
from footfall.store.scripts import READ_RECORDS, Script

T = TypeVar("T")


class Reader:
    """The server, as the handlers see it.

    All methods raise BrokenKeyError when a key does not hold what it must, UnavailableError when the server does not
    answer.
    """

    def __init__(self, pipeline: Pipeline, keys: Keys) -> None:
        self.keys = keys
        self._pipeline = pipeline

    async def call(self, command: str, key: bytes, *arguments: Argument) -> Reply:
        """The reply to a command about one key."""
        try:
            return await self._pipeline.call(command, key, *arguments)
        except WrongTypeError:
            raise _wrong_type(key) from None

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Argument]) -> Reply:
        """The list that a script answers, or `BROKEN <key>`."""
        reply = await script.run(self._pipeline.connection, keys, arguments)
        if isinstance(reply, bytes):
            raise _wrong_type(reply.partition(b" ")[2])
        return reply

    async def one(self, shape: Shape[T], key: bytes, what: str) -> T:
        """The answer about one record. Raises NotFoundError, calling it `what`, when there is none."""
        values: list[Value] = await self.call("HMGET", key, *shape.fields)
        found = shape.one(key, values)
        if found is None:
            raise NotFoundError(f"there is no such {what}")
        return found

    async def many(self, shape: Shape[T], keys: Sequence[bytes]) -> list[T]:
        """The answers about many records, read at one moment; those that are not there are left out."""
        return shape.many(keys, await self.run(READ_RECORDS, keys, shape.fields)) if keys else []


def _wrong_type(key: bytes) -> BrokenKeyError:
    return BrokenKeyError(f"{key.decode(errors='replace')} holds another type than it must")
