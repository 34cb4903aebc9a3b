"""Reading from the server: each answer together with a snapshot of metadata and stream at that moment."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError
from redis.exceptions import NoScriptError as RedisNoScriptError

from footfall.errors import FootfallError, UnavailableError
from footfall.keys import Keys
from footfall.operations.audit.limits import Retries, Sizes
from footfall.store.calls.audit import READ_ONLY, Snapshot, read_snapshot
from footfall.store.calls.metadata import open_metadata
from footfall.store.client import raise_if_told
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import Call

T = TypeVar("T")


class StreamChangedError(FootfallError):
    """What was read does not belong together: the stream was replaced or trimmed meanwhile. Start again."""


class SnapshotReader:
    """Reads from one server. Replies are as the server sends them."""

    def __init__(
        self, client: Redis, keys: Keys, *, sizes: Sizes | None = None, retries: Retries | None = None
    ) -> None:
        self.keys = keys
        self.sizes, self.retries = sizes or Sizes(), retries or Retries()
        self.client: Any = Redis(connection_pool=client.connection_pool)
        self.client.response_callbacks.clear()
        self._read_snapshot = read_snapshot(keys)

    def require_metadata(self) -> None:
        """Raise when there is nothing to go by.

        UnavailableError when there is no metadata, LoadingError while data is being loaded, BrokenKeyError when the
        metadata cannot be trusted.
        """
        keys = self.keys
        if not self.client.exists(keys.meta, keys.processed):
            raise UnavailableError(
                f"there is no metadata with the prefix {keys.prefix}: nothing was loaded or processed"
            )
        open_metadata(keys).look_sync(self.client).position()

    def snapshot(self) -> Snapshot:
        """Metadata and stream as they are now. Raises LoadingError and BrokenKeyError."""
        return self.with_snapshot()[0]

    def with_snapshot(self, *command: Argument) -> tuple[Snapshot, Reply]:
        """The reply to a command that only reads, and a snapshot of the same moment. Raises as `snapshot`."""
        while True:
            transaction = self.client.pipeline(transaction=True)
            transaction.execute_command(*self._read_snapshot.as_read_only)
            if command:
                transaction.execute_command(*command)
            replies = transaction.execute(raise_on_error=False)
            errors = [reply for reply in replies if isinstance(reply, RedisError)]
            if any(isinstance(error, RedisNoScriptError) for error in errors):
                for script in READ_ONLY:
                    self.client.execute_command("SCRIPT LOAD", script.source)
                continue
            for error in errors:
                raise_if_told(self.client, error)
                raise error
            return self._read_snapshot.read(replies[0]), replies[-1]

    def read(self, call: Call[T]) -> tuple[Snapshot, T]:
        """As `with_snapshot`, for a call of a script that only reads."""
        snapshot, reply = self.with_snapshot(*call.as_read_only)
        return snapshot, call.read(reply)

    def types(self, keys: Sequence[bytes]) -> list[str]:
        """The type of each key; `none` when it is not there."""
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.execute_command("TYPE", key)
        return [reply.decode() for reply in pipeline.execute()]

    def fields(self, keys: Sequence[bytes], *names: str) -> list[list[bytes]]:
        """Fields of hashes; those that are not there are empty, as are all of a key of another type."""
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.execute_command("HMGET", key, *names)
        replies = pipeline.execute(raise_on_error=False)
        return [[b""] * len(names) if isinstance(r, Exception) else [value or b"" for value in r] for r in replies]

    def scan(self, command: str, key: bytes | None, *options: Argument) -> Iterator[list[bytes]]:
        """What SCAN, HSCAN or ZSCAN finds, page by page: the names, and the values or scores between them."""
        cursor = b"0"
        while True:
            cursor, page = self.client.execute_command(
                command, *([key] if key else []), cursor, "COUNT", self.sizes.scanned, *options
            )
            yield page
            if cursor == b"0":
                return

    def server_id(self) -> bytes:
        """Which process answers: after a failover it is another. Empty when the user may not ask."""
        try:
            info: bytes = self.client.execute_command("INFO", "server")
        except NoPermissionError:
            return b""
        return info.partition(b"run_id:")[2].partition(b"\r")[0]
