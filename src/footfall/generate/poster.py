"""Posting check-ins over as many connections as it takes, up to a limit."""

import asyncio
import os
import ssl
import time
from collections import deque
from collections.abc import Callable

import msgspec

from footfall.generate.http import Connection, Target
from footfall.generate.tally import Refusal, Tally
from footfall.http.problems import Problem

#: connections to the receiver, at most
MAX_CONNECTIONS = 256
#: check-ins that may wait for a free connection; further ones are not sent
MAX_WAITING = 10_000
#: seconds that the receiver has to answer, or to take a connection
ANSWER_S = 10.0
#: Seconds after which an unused connection is closed. uvicorn does so after 5, and a check-in that is sent at that
#: very moment would be lost.
IDLE_S = 4.0
#: seconds until another try to connect after one that failed
_RETRY_S = 0.1
#: seconds between two looks for connections that are overdue or unused
POLL_INTERVAL_S = 0.5

_problem = msgspec.json.Decoder(Problem)


class Poster:
    """Posts check-ins and counts what became of each; never makes its caller wait, and never posts one twice.

    What cannot be sent at once waits for a connection. While the receiver is away, that is said once, and check-ins
    that waited for a connection which could not be made have failed.
    """

    def __init__(
        self,
        target: Target,
        tally: Tally,
        say: Callable[[str], None],
        *,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._target = target
        self._tally = tally
        self._say = say
        self._max_connections = max_connections
        self._context = ssl.create_default_context() if target.tls else None
        self._head = target.head()
        #: the one used last is used next, so that what is not needed falls idle
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[bytes, float]] = deque()
        #: after a connection that could not be made: until then no other is tried
        self._pause: asyncio.TimerHandle | None = None
        self._down_since: float | None = None
        self._quiet: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(POLL_INTERVAL_S, self._poll)

    def post(self, body: bytes, due: float) -> None:
        """Send a check-in that was meant to be sent at `due` (of `time.perf_counter`)."""
        request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        if self._idle:
            self._idle.pop().send(request, due)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append((request, due))
            self._connect()
        else:
            self._tally.not_sent += 1

    async def quiet(self) -> None:
        """Wait until nothing is under way."""
        if self._is_busy:
            self._quiet = self._loop.create_future()
            await self._quiet

    def close(self) -> None:
        """End all connections: what is under way has failed, what waits was not sent."""
        self._timer.cancel()
        self._tally.not_sent += len(self._waiting)
        self._waiting.clear()
        for task in self._connecting:
            task.cancel()
        for connection in list(self._open):
            connection.end("no answer by the time of stopping")

    # --- http.Owner

    def made(self, connection: Connection) -> None:
        if self._down_since is not None:
            seconds = time.perf_counter() - self._down_since
            self._say(f"The receiver at {self._target} is available again after {seconds:.1f} s.")
            self._down_since = None
        self._open.add(connection)
        self.freed(connection)

    def answered(self, status: int, body: bytes, latency_s: float) -> None:
        if status == 202:
            self._tally.accept(latency_s)
        else:
            self._tally.refuse(Refusal(status, _detail(body)))

    def failed(self, kind: str) -> None:
        self._tally.fail(kind)

    def freed(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)
            self._check_quiet()

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._connect()
        self._check_quiet()

    # --- private

    @property
    def _is_busy(self) -> bool:
        return bool(self._waiting) or len(self._idle) < len(self._open)

    def _check_quiet(self) -> None:
        if self._quiet is not None and not self._quiet.done() and not self._is_busy:
            self._quiet.set_result(None)

    def _connect(self) -> None:
        """Open another connection when one is wanted."""
        connecting = len(self._connecting)
        wanted = connecting < len(self._waiting) and connecting + len(self._open) < self._max_connections
        if wanted and self._pause is None:
            task = self._loop.create_task(self._open_connection())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _open_connection(self) -> None:
        host, port = self._target.host, self._target.port
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._loop.create_connection(lambda: Connection(self), host, port, ssl=self._context)
        except TimeoutError:
            self._cannot_connect(f"no answer within {ANSWER_S:g} s")
        except OSError as error:
            number = error.errno or 0  # a name that cannot be resolved has a negative one of its own
            self._cannot_connect(os.strerror(number) if number > 0 else str(error))

    def _cannot_connect(self, reason: str) -> None:
        if self._pause is None:
            self._pause = self._loop.call_later(_RETRY_S, self._try_again)
        if self._open:  # those will do
            return
        if self._down_since is None:
            self._down_since = time.perf_counter()
            self._say(f"Cannot reach the receiver at {self._target} ({reason}); retrying until it is available.")
        while self._waiting:
            self._waiting.popleft()
            self._tally.fail(f"no connection: {reason}")
        self._check_quiet()

    def _try_again(self) -> None:
        self._pause = None
        self._connect()

    def _poll(self) -> None:
        now = time.perf_counter()
        for connection in list(self._open):
            if connection.is_busy and now - connection.used_at > ANSWER_S:
                connection.end(f"no answer within {ANSWER_S:g} s")
            elif not connection.is_busy and now - connection.used_at > IDLE_S:
                connection.end("")
        self._timer = self._loop.call_later(POLL_INTERVAL_S, self._poll)


def _detail(body: bytes) -> str:
    """What a problem document says."""
    try:
        return _problem.decode(body).detail
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "(without a problem document)"
