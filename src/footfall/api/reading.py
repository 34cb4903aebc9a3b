"""Reading the server for an answer: what is not as Footfall keeps it is an error that names the key."""

from collections.abc import Sequence

from footfall.errors import BrokenKeyError, WrongTypeError
from footfall.keys import Keys
from footfall.store.pipeline import Argument, Pipeline, Reply

#: digits of the largest number that the scripts keep
_MAX_DIGITS = 16


class Reader:
    """The server, as the handlers see it."""

    def __init__(self, pipeline: Pipeline, keys: Keys) -> None:
        self.keys = keys
        self._pipeline = pipeline

    async def call(self, command: str, key: bytes, *arguments: Argument) -> Reply:
        """The reply to a command about one key.

        Raises BrokenKeyError when the key holds another type, UnavailableError when the server does not answer.
        """
        try:
            return await self._pipeline.call(command, key, *arguments)
        except WrongTypeError:
            raise BrokenKeyError(f"{key.decode()} holds another type than it must") from None

    async def record(self, key: bytes, fields: Sequence[str]) -> "Record | None":
        """These fields of a hash, or None when there is no record: one has an `id`, which must be among them."""
        values: list[bytes | None] = await self.call("HMGET", key, *fields)
        record = Record(key, dict(zip(fields, values, strict=True)))
        return record if record.text("id") is not None else None


class Record:
    """Some fields of one hash. All methods raise BrokenKeyError when a field is not what it must be."""

    def __init__(self, key: bytes, values: dict[str, bytes | None]) -> None:
        self._key = key
        self._values = values

    def text(self, field: str) -> str | None:
        """The field as text; None when there is none."""
        value = self._values[field]
        if value is None:
            return None
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise self._broken(field, "UTF-8") from None

    def number(self, field: str) -> int | None:
        """The field as a number; None when there is none."""
        value = self._values[field]
        if value is None:
            return None
        if len(value) > _MAX_DIGITS or not value.isdigit():
            raise self._broken(field, "a number")
        return int(value)

    def count(self, field: str) -> int:
        """The field as a number; 0 when there is none, as the scripts reckon."""
        return self.number(field) or 0

    def _broken(self, field: str, expected: str) -> BrokenKeyError:
        return BrokenKeyError(f"{self._key.decode()}: {field} is not {expected}")
