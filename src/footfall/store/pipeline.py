"""The auto-pipelining connection that the data path uses: one per server, for all callers of a process.

All commands of one turn of the event loop leave in one write, and replies are matched in order (RESP2). That
costs about a tenth of a pooled client's CPU per command.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import hiredis

from footfall.errors import (
    BrokenKeyError,
    ConnectionLostError,
    DeniedError,
    DurabilityError,
    ReplyError,
    UnavailableError,
    reply_error,
)
from footfall.logs import Outage, log
from footfall.store.address import Address

Argument = bytes | str | int | float
Reply = Any

#: what the parser gives when no reply is complete; None is a reply
_NOTHING = object()
#: seconds between tries to reach a server: doubled from the first to the last
_FIRST_RETRY_S = 0.05
_LAST_RETRY_S = 1.0


def packed(*command: Argument) -> bytes:
    """The bytes of a command, as they are sent."""
    return hiredis.pack_command(command)  # type: ignore[arg-type, no-any-return]


class Connection(asyncio.Protocol):
    """One connection to one server. It is never reopened: what was read over it belongs to it alone.

    A command fails with ConnectionLostError when the connection ends before its reply (it may have been
    executed), and with a ReplyError when the server answers with an error. When no reply has arrived for
    `timeout` seconds the connection counts as lost, since later replies could not be told apart.
    """

    def __init__(self, timeout: float, user: str | None = None) -> None:
        """`user`: who signs in over it, for what errors say."""
        self.closed = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._transport: asyncio.WriteTransport | None = None
        self._reader = hiredis.Reader(
            replyError=partial(reply_error, user=user), protocolError=ReplyError, notEnoughData=_NOTHING
        )
        self._outgoing: list[bytes] = []
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        #: loop time at which the oldest command without a reply was sent, or the last reply came
        self._silent_since = 0.0
        self._watchdog: asyncio.TimerHandle | None = None

        #: whether nothing was under way when it was closed
        self.was_idle = False

    @property
    def is_closed(self) -> bool:
        return self.closed.done()

    def call(self, *command: Argument) -> asyncio.Future[Reply]:
        """Send one command; the future gives its reply (bytes, int, None or lists of these)."""
        return self.call_packed(packed(*command))

    def call_packed(self, command: bytes) -> asyncio.Future[Reply]:
        """`call`, with what `packed` has made of the command."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self.is_closed:
            future.set_exception(ConnectionLostError("the connection to the server is closed"))
            return future
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self._outgoing.append(command)
        if not self._waiting:
            self._silent_since = self._loop.time()
            if self._watchdog is None:
                self._watchdog = self._loop.call_later(self._timeout, self._check_silence)
        self._waiting.append(future)
        return future

    def flush(self) -> None:
        """Send now what has gathered, instead of at the end of this turn of the event loop."""
        if self._transport is not None and self._outgoing:
            outgoing, self._outgoing = self._outgoing, []
            self._transport.write(outgoing[0] if len(outgoing) == 1 else b"".join(outgoing))

    def abort(self, reason: str) -> None:
        """End the connection now; commands without a reply fail."""
        if not self.is_closed:
            self._lost(reason)
            if self._transport is not None:
                self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        self._silent_since = self._loop.time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _NOTHING:
                if isinstance(reply, ReplyError) and reply.code == "READONLY":
                    # after a failover; another server may have the address by now
                    self.abort("it has become a replica")
                    return
                future = self._waiting.popleft()
                if future.done():  # its caller was cancelled
                    continue
                if isinstance(reply, ReplyError):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (ReplyError, IndexError) as error:
            self.abort(f"the server does not speak the protocol: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(str(exc) if exc else "the server closed the connection")

    # --- private

    def _check_silence(self) -> None:
        self._watchdog = None
        if not self._waiting or self.is_closed:
            return
        left = self._silent_since + self._timeout - self._loop.time()
        if left <= 0:
            self.abort(f"the server did not answer within {self._timeout:g} s")
        else:
            self._watchdog = self._loop.call_later(left, self._check_silence)

    def _lost(self, reason: str) -> None:
        if self.is_closed:
            return
        self.closed.set_result(reason)
        self.was_idle = not self._waiting
        self._outgoing.clear()
        if self._watchdog is not None:
            self._watchdog.cancel()
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_exception(ConnectionLostError(f"lost the server: {reason}"))


OnConnect = Callable[[Connection], Awaitable[None]]


class Pipeline:
    """Keeps one connection to a server alive: connects, signs in, reconnects for ever.

    `on_connect` runs on each new connection before anyone else gets it, and then every `check_every_s` seconds; when it
    raises a FootfallError, the connection is dropped, and made again until it does not. An outage is logged once, and
    once more with its length when it ends. A connection that is cut while nothing is under way is no outage when the
    next one can be made at once.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout: float,
        on_connect: OnConnect,
        check_every_s: float | None = None,
        is_quiet: bool = False,
    ) -> None:
        """`is_quiet`: outages are not logged; another pipeline to the same server does it."""
        self.address = address
        self._timeout = timeout
        self._on_connect = on_connect
        self._check_every_s = check_every_s
        self._outage = Outage(
            "Cannot %s; retrying until it is available.",
            f"The server at {address} is available again",
            is_quiet=is_quiet,
        )
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._ssl_context = address.ssl_context()
        self._keeper: asyncio.Task[None] | None = None
        #: what clients learn of the failure: what an operator must repair, but not where the server is
        self._shown = ""

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def settle(self) -> None:
        """Wait for the first connection, but no longer than for a command."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await self.connected()

    async def close(self) -> None:
        """End the connection; commands without a reply fail."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._connection is not None:
            self._connection.abort("closing")
            self._connection = None

    @property
    def connection(self) -> Connection:
        """The connection that is up now. Raises UnavailableError when there is none."""
        if self._connection is None or self._connection.is_closed:
            raise UnavailableError(f"the server is not available{self._shown}")
        return self._connection

    def call(self, *command: Argument) -> asyncio.Future[Reply]:
        """`connection.call` on the connection that is up now."""
        return self.connection.call(*command)

    async def connected(self) -> Connection:
        """The connection, as soon as there is one."""
        while self._connection is None or self._connection.is_closed:
            self._connected.clear()  # the keeper may not have noticed yet
            await self._connected.wait()
        return self._connection

    # --- private

    async def _keep(self) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                connection = await self._connect()
            except Exception as error:  # whatever it is, it may be fixed while this one waits
                broken = isinstance(error, BrokenKeyError | DeniedError | DurabilityError)
                self._lost(str(error) or type(error).__name__, broken=broken)
                if isinstance(error, DeniedError):  # who signs in there is not told
                    self._shown = ": it refuses a command"
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
                continue
            retry_s = _FIRST_RETRY_S
            self._back(connection)
            reason = await self._until_closed(connection)
            if connection.was_idle:
                self._connected.clear()
                log.debug("The connection to the server at %s was cut while idle (%s).", self.address, reason)
            else:
                self._lost(reason)

    async def _until_closed(self, connection: Connection) -> str:
        """Look after the connection until it ends; why it did."""
        while True:
            try:
                async with asyncio.timeout(self._check_every_s):
                    return await asyncio.shield(connection.closed)  # cancelled, it must not count as closed
            except TimeoutError:
                pass
            try:
                await self._on_connect(connection)
            except Exception as error:  # as when it connects
                connection.abort(str(error))

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        address = self.address

        def protocol() -> Connection:
            return Connection(self._timeout, address.username)

        try:
            async with asyncio.timeout(self._timeout):
                if address.path is not None:
                    _, connection = await loop.create_unix_connection(protocol, address.path)
                else:
                    _, connection = await loop.create_connection(
                        protocol, address.host, address.port, ssl=self._ssl_context
                    )
        except TimeoutError:
            raise UnavailableError(f"no connection within {self._timeout:g} s") from None
        try:
            await self._handshake(connection)
        except BaseException:
            connection.abort("could not sign in")
            raise
        return connection

    async def _handshake(self, connection: Connection) -> None:
        address = self.address
        if address.username is not None:
            await connection.call("AUTH", address.username, address.password or "")
        elif address.password is not None:
            await connection.call("AUTH", address.password)
        if address.database:
            await connection.call("SELECT", address.database)
        await connection.call("PING")  # refused while the server loads its data
        await self._on_connect(connection)

    def _lost(self, reason: str, *, broken: bool = False) -> None:
        self._connected.clear()
        self._shown = f": {reason}" if broken else ""
        # a server that came back with keys that are broken needs somebody: that is another outage than the one before
        action = "use what is in" if broken else "reach"
        self._outage.begin(f"{action} the server at {self.address} ({reason})", is_news=broken)

    def _back(self, connection: Connection) -> None:
        self._connection = connection
        self._shown = ""
        self._connected.set()
        self._outage.end()
