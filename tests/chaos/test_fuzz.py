"""Requests that were damaged at random: the receiver answers or closes each, stores only check-ins, and lives."""

import asyncio
import gzip
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.replay import check_ins
from chaos.scene import full
from footfall.domain.model import MAX_ID
from processes import Receiver
from raw_http import request
from receiver_scene import GOOD, accepted_id, post
from servers import Server

REQUESTS = full(2_000, 100_000)
#: connections at once
CONNECTIONS = 64
#: seconds in which the receiver has to end a connection: longer than it keeps one that is not used
_PATIENCE = 30.0
#: KiB by which the receiver may grow after the first half of the requests
_MAX_GROWTH = 12 * 1024
#: what a damaged request may be answered with
_STATUSES = {100, 200, 202, 400, 404, 405, 408, 413, 414, 415, 417, 422, 431, 501, 505}

_NDJSON = {"Content-Type": "application/x-ndjson"}
_BATCH = b"[%b]" % b",".join([GOOD] * 5)
_VALID = [
    request(GOOD),
    request(GOOD, headers={"Idempotency-Key": "key", "X-Request-Id": "id"}),
    request(GOOD, headers={"Expect": "100-continue", "User-Agent": "fuzz", "Accept": "*/*"}),
    request(GOOD, chunks=9),
    request(_BATCH, path="/api/checkins", headers={"Idempotency-Key": "batch"}),
    request(b"\n".join([GOOD] * 5), path="/api/checkins", headers=_NDJSON),
    request(gzip.compress(_BATCH, mtime=0), path="/api/checkins", headers={"Content-Encoding": "gzip"}),
    request(gzip.compress(_BATCH, mtime=0), path="/api/checkins", headers={"Content-Encoding": "gzip"}, chunks=20),
    request(GOOD, headers={"Connection": "Upgrade", "Upgrade": "h2c"}),
    request(method="GET", path="/healthz"),
]


@dataclass(frozen=True)
class Attempt:
    """What is sent over one connection, in these parts, and how that ends."""

    parts: list[bytes]
    #: `half`: the client sends no more and reads; `abort`: it is gone; `wait`: it sends no more and says nothing
    end: str


def damaged(rng: random.Random) -> bytes:
    """A valid request, or two, with up to four faults."""
    data = bytearray(rng.choice(_VALID))
    if rng.random() < 0.2:
        data += rng.choice(_VALID)
    for _ in range(rng.randint(0, 4)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice([1, 1, 2, 8, 40]))
        match rng.choice(["flip", "delete", "duplicate", "splice", "insert", "number"]):
            case "flip" if start < len(data):
                data[start] ^= 1 << rng.randrange(8)
            case "delete":
                del data[start:end]
            case "duplicate":
                data[start:start] = data[start:end] * rng.choice([1, 1, 2, 50])
            case "splice":
                other = rng.choice(_VALID)
                data[start:] = other[rng.randrange(len(other)) :]
            case "insert":
                data[start:start] = rng.choice([rng.randbytes(4), b"\r\n", b"\0", b"\xff", b"[" * 2000, b'"', b"-"])
            case "number":
                numbers = list(re.finditer(rb"\d+", data))
                if numbers:
                    place = rng.choice(numbers)
                    data[place.start() : place.end()] = str(rng.choice([0, 1, 5, 6, 2**53, 2**64, -1])).encode()
    return bytes(data)


def attempts(rng: random.Random, count: int) -> Iterator[Attempt]:
    for number in range(count):
        data = damaged(rng)
        ends = sorted({rng.randrange(len(data) + 1) for _ in range(rng.choice([0, 0, 1, 3]))} | {len(data)})
        parts = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        # those that wait take seconds: soon begun, they end meanwhile
        yield Attempt(parts, rng.choices(["half", "abort", "wait"], [85, 15, 10 if number < count / 10 else 0])[0])


class Fuzzer:
    """Makes the attempts, several at once."""

    def __init__(self, port: int, attempts: Iterable[Attempt]) -> None:
        self._port = port
        self._attempts = iter(attempts)
        #: ids of entries in the answers
        self.accepted: list[str] = []
        self.failures: list[str] = []
        self.answers = 0

    def run(self) -> None:
        async def run() -> None:
            await asyncio.gather(*(self._work() for _ in range(CONNECTIONS)))

        asyncio.run(run())
        assert not self.failures, "\n".join(self.failures[:3])

    async def _work(self) -> None:
        for attempt in self._attempts:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                async with asyncio.timeout(_PATIENCE):
                    answer = await self._make(attempt, reader, writer)
                self._judge(answer)
            except TimeoutError:
                self.failures.append(f"neither answered nor closed: {attempt}")
            except AssertionError as error:
                self.failures.append(f"{error}: {attempt}")
            finally:
                writer.transport.abort()

    async def _make(self, attempt: Attempt, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answer = bytearray()
        try:
            for part in attempt.parts:
                writer.write(part)
                await asyncio.sleep(0)
            if attempt.end == "abort":
                return b""
            if attempt.end == "half":
                writer.write_eof()
            while data := await reader.read(65536):
                answer += data
        except OSError:
            pass  # closed while something was under way
        return bytes(answer)

    def _judge(self, answer: bytes) -> None:
        """What was answered is a sequence of whole answers, with no status that is not for damaged requests."""
        while answer:
            head, _, answer = answer.partition(b"\r\n\r\n")
            found = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
            assert found, head
            status = int(found[1])
            assert status in _STATUSES, (status, answer[:500])
            length = re.search(rb"content-length: (\d+)", head)
            size = int(length[1]) if length else 0
            body, answer = answer[:size], answer[size:]
            assert len(body) == size, "an answer was cut off"
            self.answers += 1
            if status == 202:
                document = json.loads(body)
                self.accepted += document.get("ids", [document.get("id")])


def memory_kib(receiver: Receiver) -> int:
    """What the receiver holds in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{receiver.pid}/status").read_text())
    assert found
    return int(found[1])


def test_damaged_requests_leave_the_receiver_and_the_stream_in_order(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    server = own_server(appendonly=True, appendfsync="no")  # nothing to warn of
    with Receiver(server.url, unknown_ids="create", request_timeout=1, keepalive_timeout_s=5) as receiver:
        sizes: list[int] = []

        def all_attempts() -> Iterator[Attempt]:
            for number, attempt in enumerate(attempts(rng, REQUESTS)):
                if number == REQUESTS // 2:
                    sizes.append(memory_kib(receiver))
                yield attempt

        fuzzer = Fuzzer(receiver.port, all_attempts())
        fuzzer.run()
        sizes.append(memory_kib(receiver))
        assert fuzzer.answers > REQUESTS / 2
        accepted_id(post(receiver))
        assert receiver.exit_code is None
        assert "Traceback" not in receiver.log
        assert receiver.log.count("\n") == 2, receiver.log[-2000:]  # new metadata, and where it listens
    print(f"{len(fuzzer.accepted)} accepted; memory {sizes} KiB")
    assert sizes[1] - sizes[0] < _MAX_GROWTH
    stored = check_ins(client_of(server))
    assert {entry_id.encode() for entry_id in fuzzer.accepted} <= stored.keys()
    for user, location, stars in stored.values():
        assert 1 <= user <= MAX_ID
        assert 1 <= location <= MAX_ID
        assert 0 <= stars <= 5
