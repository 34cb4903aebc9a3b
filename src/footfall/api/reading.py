"""Reading the server for an answer: what is not as Footfall keeps it is an error that names the key."""

from collections.abc import Sequence
from typing import TypeVar

from footfall.api.record_shapes import Shape, Value
from footfall.errors import BrokenKeyError, NotFoundError, WrongTypeError
from footfall.keys import Keys
from footfall.store.calls.records import read_records
from footfall.store.pipeline import Argument, Pipeline, Reply
from footfall.store.scripts import Call

T = TypeVar("T")
ResultT = TypeVar("ResultT")


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

    async def run(self, call: Call[ResultT]) -> ResultT:
        """What a call of a script results in."""
        return await call.start(self._pipeline.connection)

    async def one(self, shape: Shape[T], key: bytes, what: str) -> T:
        """The answer about one record. Raises NotFoundError, calling it `what`, when there is none."""
        values: list[Value] = await self.call("HMGET", key, *shape.fields)
        found = shape.one(key, values)
        if found is None:
            raise NotFoundError(f"there is no such {what}")
        return found

    async def many(self, shape: Shape[T], keys: Sequence[bytes]) -> list[T]:
        """The answers about many records, read at one moment; those that are not there are left out."""
        return shape.many(keys, await self.run(read_records(keys, shape.fields))) if keys else []


def _wrong_type(key: bytes) -> BrokenKeyError:
    return BrokenKeyError(f"{key.decode(errors='replace')} holds another type than it must")
