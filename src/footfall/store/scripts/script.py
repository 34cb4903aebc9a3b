"""One script, and one call of it: ready to be sent over any connection, with how its reply is read."""

from asyncio import Future
from collections.abc import Callable, Coroutine, Sequence
from hashlib import sha1
from typing import Generic, TypeVar

from redis import Redis
from redis.exceptions import NoScriptError as RedisNoScriptError
from redis.exceptions import ResponseError

from footfall.errors import NoScriptError
from footfall.store.client import raise_if_told
from footfall.store.pipeline import Argument, Connection, Reply, packed
from footfall.store.scripts import commands

T = TypeVar("T")
Key = bytes | str


class Script:
    """One script, known to the server by the SHA-1 of its source.

    A call raises DeniedError, with nothing done, when the server refuses or lacks a command that the script may use.
    """

    def __init__(self, name: str, text: str) -> None:
        """`text`: the script, its parts in it."""
        self.name = name
        self.text = text
        self.commands = commands.named_in(text)
        self.source = commands.guarded(text).encode()
        #: The same for a call that only looks, of a script that does not write then: without the shebang line it may
        #: run as read-only, and the server refuses it when it tries to write.
        self.looking = commands.guarded(text, reads_only=True).partition("\n")[2].encode()
        self.sha = sha1(self.source, usedforsecurity=False).hexdigest().encode()

    def run_sync(self, client: Redis, keys: Sequence[Key], arguments: Sequence[Argument]) -> Reply:
        """What the server answers to a call over redis-py. A server that does not have the script yet is given it."""
        try:
            try:
                return client.evalsha(self.sha.decode(), len(keys), *keys, *arguments)
            except RedisNoScriptError:
                return client.eval(self.source.decode(), len(keys), *keys, *arguments)
        except ResponseError as error:
            raise_if_told(client, error)
            raise

    def look_sync(self, client: Redis, keys: Sequence[Key], arguments: Sequence[Argument]) -> Reply:
        """`run_sync` of `looking`."""
        try:
            return client.eval_ro(self.looking.decode(), len(keys), *keys, *arguments)
        except ResponseError as error:
            raise_if_told(client, error)
            raise


class Call(Generic[T]):
    """A call of a script that is ready to be sent, more than once if need be.

    Its result is what `read` makes of the server's reply; whatever that raises, the call raises.
    """

    __slots__ = ("_packed", "arguments", "keys", "read", "script")

    def __init__(
        self,
        script: Script,
        keys: Sequence[Key],
        arguments: Sequence[Argument],
        read: Callable[[Reply], T],
    ) -> None:
        self.script, self.keys, self.arguments, self.read = script, keys, arguments, read
        self._packed: bytes | None = None

    def pack(self) -> bytes:
        """The bytes that are sent; made once, so that it can be done before there is a hurry to send them."""
        if self._packed is None:
            self._packed = packed("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.arguments)
        return self._packed

    def start(self, connection: Connection) -> Coroutine[None, None, T]:
        """Send it over the data path's connection; it is sent before the result is awaited.

        A server that does not have the script yet is given it.
        """
        return self._finish(connection.call_packed(self.pack()), connection)

    def run_sync(self, client: Redis) -> T:
        """Run it over redis-py: for commands, where nothing is hot. `client` must answer bytes."""
        return self.read(self.script.run_sync(client, self.keys, self.arguments))

    def look_sync(self, client: Redis) -> T:
        """`run_sync` of a call that only looks; the server refuses it when the script tries to write."""
        return self.read(self.script.look_sync(client, self.keys, self.arguments))

    @property
    def as_read_only(self) -> list[Argument]:
        """The command that calls a script that only reads, for a transaction."""
        return ["EVALSHA_RO", self.script.sha, len(self.keys), *self.keys, *self.arguments]

    async def _finish(self, sent: Future[Reply], connection: Connection) -> T:
        try:
            reply = await sent
        except NoScriptError:  # the server was restarted, or its scripts flushed: nothing was run
            reply = await connection.call("EVAL", self.script.source, len(self.keys), *self.keys, *self.arguments)
        return self.read(reply)
