"""Looking at the server: each answer together with where the books and the stream stand at that moment."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError
from redis.exceptions import NoScriptError as RedisNoScriptError

from footfall.errors import BrokenKeyError, FootfallError, LoadingError, UnavailableError
from footfall.keys import Keys
from footfall.store.books import open_arguments, open_keys, position
from footfall.store.client import raise_if_told
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import OPEN, READ_HEAD, READ_INDEX, READ_LOCATIONS, READ_USERS, Script

#: the scripts that a transaction may call
_READ_ONLY = (READ_HEAD, READ_USERS, READ_LOCATIONS, READ_INDEX)
#: names that one SCAN, HSCAN or ZSCAN looks at
_SCANNED = 1000


class MovedError(FootfallError):
    """What was read does not belong together: the stream was replaced or trimmed meanwhile. Begin anew."""


class Head(NamedTuple):
    """Where books and stream stand."""

    generation: bytes
    checkpoint: bytes
    processed: int
    #: how often dead letters were retried or discarded
    settled: bytes
    #: entries of which the dead letters were discarded
    discarded: int
    #: those of them that are no longer remembered one by one, because the stream has lost them too
    forgotten: int
    #: entries that were removed before they were processed
    lost: int
    #: entries that others removed after they were processed, of which it is noted what they have counted; and those of
    #: them that do not count
    noted: int
    noted_dead: int
    #: processed entries that were trimmed, and since when, in ms
    trimmed: int
    trimmed_since: int | None
    #: entries that another program had processed when its stream was taken over; None when it was not
    taken_over: int | None
    added: int
    #: entries in the stream
    length: int
    first: bytes
    last: bytes
    max_deleted: bytes
    #: id of the newest dead letter, among the dead letters
    last_dead: bytes

    @property
    def removed(self) -> int:
        """Entries that are no longer in the stream."""
        return self.added - self.length

    @property
    def unexplained(self) -> int:
        """Entries that are no longer in the stream, and nothing tells why."""
        return self.removed - self.lost - self.trimmed - self.noted


class Look:
    """Reads from one server. Replies are as the server sends them."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self.keys = keys
        self.client: Any = Redis(connection_pool=client.connection_pool)
        self.client.response_callbacks.clear()
        self._head_keys = [keys.meta, keys.checkpoint, keys.processed, keys.stream, keys.dead_letters]

    def require_books(self) -> None:
        """Raise when there is nothing to go by.

        UnavailableError when no books have been opened, LoadingError while data is being loaded, BrokenKeyError when
        the books cannot be trusted.
        """
        keys = self.keys
        if not self.client.exists(keys.meta, keys.processed):
            raise UnavailableError(f"there are no books with the prefix {keys.prefix}: nothing was loaded or processed")
        position(OPEN.look_sync(self.client, open_keys(keys), open_arguments()))

    def head(self) -> Head:
        """Where things stand. Raises LoadingError and BrokenKeyError."""
        return self.with_head()[0]

    def with_head(self, *command: Argument) -> tuple[Head, Reply]:
        """The reply to a command that only reads, and where things stand at the same moment. Raises as `head`."""
        while True:
            transaction = self.client.pipeline(transaction=True)
            transaction.execute_command(*_call(READ_HEAD, self._head_keys, []))
            if command:
                transaction.execute_command(*command)
            replies = transaction.execute(raise_on_error=False)
            errors = [reply for reply in replies if isinstance(reply, RedisError)]
            if any(isinstance(error, RedisNoScriptError) for error in errors):
                for script in _READ_ONLY:
                    self.client.execute_command("SCRIPT LOAD", script.source)
                continue
            for error in errors:
                raise_if_told(self.client, error)
                raise error
            return _head(replies[0]), replies[-1]

    def script(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Argument]) -> tuple[Head, Reply]:
        """As `with_head`, for a script that only reads."""
        return self.with_head(*_call(script, keys, arguments))

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
                command, *([key] if key else []), cursor, "COUNT", _SCANNED, *options
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


def _call(script: Script, keys: Sequence[bytes], arguments: Sequence[Argument]) -> list[Argument]:
    return ["EVALSHA_RO", script.sha, len(keys), *keys, *arguments]


def _head(reply: Reply) -> Head:
    if reply[0] == b"LOADING":
        raise LoadingError("data is being loaded; wait for its end")
    if reply[0] == b"BROKEN":
        raise BrokenKeyError(f"{reply[1].decode()} is missing or does not hold what it must; see `footfall status`")
    (generation, checkpoint, processed, settled, discarded, forgotten, *reply) = reply[1:]
    lost, noted, noted_dead, trimmed, trimmed_since, taken_over, *stream = reply
    return Head(
        generation,
        checkpoint,
        int(processed),
        settled,
        int(discarded),
        int(forgotten),
        int(lost),
        int(noted),
        int(noted_dead),
        int(trimmed),
        int(trimmed_since) if trimmed_since else None,
        int(taken_over) if taken_over else None,
        *stream,
    )


def as_tuple(entry_id: bytes) -> tuple[int, int]:
    """An entry id so that ids compare; `0` is before all."""
    ms, _, sequence = entry_id.partition(b"-")
    return int(ms), int(sequence or 0)
