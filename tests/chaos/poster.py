"""Clients that post check-ins as fast as they are answered, and remember what each was told."""

import asyncio
import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import NamedTuple, Self

import httpx

from processes import Receiver
from servers import wait_until

#: seconds that an answer may take
_PATIENCE = 20.0
#: seconds before another try after a refusal or a lost connection
_PAUSE = 0.01
_content_length = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class CheckIn(NamedTuple):
    """What was posted."""

    user: int
    location: int
    stars: int


def random_check_ins(rng: Random, users: int, locations: int) -> Iterator[CheckIn]:
    """Endless check-ins of users and locations with ids from 1 to these."""
    while True:
        yield CheckIn(rng.randint(1, users), rng.randint(1, locations), rng.randint(0, 5))


def distinct_check_ins(users: int) -> Iterator[CheckIn]:
    """Endless check-ins of which no two are alike: the location counts up."""
    for number in itertools.count():
        yield CheckIn(number % users + 1, number // users + 1, number % 6)


class Poster:
    """Posts until it is stopped, over several connections, in a thread of its own.

    An answer other than 202 or 503 is a failure, as is an id that two check-ins were given.
    """

    def __init__(
        self, receiver: Receiver, check_ins: Iterator[CheckIn], *, connections: int = 8, keyed: bool = False
    ) -> None:
        """`keyed`: each has an Idempotency-Key, and is posted again with it until it is accepted."""
        self._keys = (b"Idempotency-Key: key-%d\r\n" % number for number in itertools.count()) if keyed else None
        self._receiver = receiver
        self._check_ins = check_ins
        self._connections = connections
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        #: by the id in the answer
        self.accepted: dict[bytes, CheckIn] = {}
        #: those without an answer: whether they were stored is not known
        self.unanswered: list[CheckIn] = []
        self.refused = Counter[int]()
        #: how many were accepted that an earlier try had stored
        self.replayed = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send nothing more; return when everything that was sent is answered."""
        self._stopping.set()
        self._thread.join(2 * _PATIENCE)
        assert not self._thread.is_alive()
        assert not self.failures, self.failures[:5]

    def wait_for_accepted(self, count: int) -> None:
        """Wait until so many more are accepted."""
        before = len(self.accepted)
        wait_until(lambda: len(self.accepted) >= before + count, f"{count} more check-ins are accepted", 30)

    async def _run(self) -> None:
        await asyncio.gather(*(self._connection() for _ in range(self._connections)))

    async def _connection(self) -> None:
        waiting: list[tuple[CheckIn, bytes]] = []  # keyed: the one that is not accepted yet
        while waiting or not self._stopping.is_set():
            try:
                # asked for each time: a receiver that was started again may have another port
                port = httpx.URL(self._receiver.url).port
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(_PAUSE)
                continue
            try:
                while waiting or not self._stopping.is_set():
                    if not waiting:
                        waiting = [(next(self._check_ins), next(self._keys) if self._keys else b"")]
                    check_in, key = waiting[0]
                    if not self._keys:
                        waiting.clear()
                    if await self._post(check_in, key, reader, writer):
                        waiting.clear()
            except OSError:
                await asyncio.sleep(_PAUSE)
            finally:
                writer.transport.abort()

    async def _post(
        self, check_in: CheckIn, key: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Post it once; whether it was accepted."""
        fields = {"userId": check_in.user, "locationId": check_in.location, "starRating": check_in.stars}
        body = json.dumps(fields).encode()
        writer.write(
            b"POST /api/checkin HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            b"%bContent-Length: %d\r\n\r\n%b" % (key, len(body), body)
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                length = _content_length.search(head)
                answer = await reader.readexactly(int(length[1])) if length else b""
        except (OSError, EOFError) as error:
            self.unanswered.append(check_in)
            raise OSError from error
        status = int(head.split(b" ", 2)[1])
        self.replayed += b"idempotent-replayed: true" in head
        self._note(check_in, status, answer)
        if status == 503:
            await asyncio.sleep(_PAUSE)
        return status == 202

    def _note(self, check_in: CheckIn, status: int, answer: bytes) -> None:
        if status == 202:
            entry_id = json.loads(answer)["id"].encode()
            if entry_id in self.accepted:
                self.failures.append(f"{entry_id!r} was given to {self.accepted[entry_id]} and {check_in}")
            self.accepted[entry_id] = check_in
        elif status == 503:
            # it may have been stored all the same, when the server's answer to the receiver was lost
            self.unanswered.append(check_in)
            self.refused[status] += 1
        else:
            self.failures.append(f"{status} {answer!r} for {check_in}")
