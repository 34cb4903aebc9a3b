"""Clients that mean no good: what they send, how they read, and how many of them there are."""

import gzip
import itertools
import random
import re
import select
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast, get_args

from raw_http import request

#: how a client reads: all at once, a byte now and then, or nothing
Reading = Literal["all", "a little", "nothing"]

#: at most this is sent at once
_BLOCK = 64 * 1024
#: connections that are opened again in a second, at most, when the service ends them
_REOPENED_PER_S = 500
_HEAD = b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def memory(pid: int) -> int:
    """Bytes that a process has in memory."""
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kilobytes) * 1024


def _pipeline(path: bytes, draw: random.Random) -> Iterator[bytes]:
    """Requests of all kinds, most of which are good, without end."""
    target = path.decode()
    kinds = [
        request(b"{}", path=target),
        request(b'{"userId":1,"locationId":1,"starRating":1}', path=target),
        request(method="GET", path=target),
        request(method="HEAD", path="/schema/openapi.json"),
        request(method="GET", path="/schema/openapi.json", headers={"If-None-Match": "*"}),
        request(method="GET", path="/api/user/1"),
        request(method="OPTIONS", path=target),
        request(method="GET", path="/nowhere"),
        request(b"[1]" * 2000, path=target, chunks=7),
    ]
    mine = draw.sample(kinds, draw.randint(1, 3))
    while True:
        yield draw.choice(mine) * draw.choice((1, 10, 1000))


def _large_answers(_: bytes, draw: random.Random) -> Iterator[bytes]:
    """Requests for the largest answers."""
    one = request(method="GET", path=draw.choice(("/docs", "/schema/openapi.json", "/api/checkins/0/9999999999999")))
    while True:
        yield one * draw.choice((1, 100))


def _trailers(path: bytes, draw: random.Random) -> Iterator[bytes]:
    """A short body, and trailers after it: many, or one without end."""
    yield _CHUNKED % path + b"2\r\n{}\r\n0\r\n"
    if draw.random() < 0.5:
        yield b"Endless: "
        while True:
            yield b"x" * draw.choice((1, 1000, _BLOCK))
    for number in itertools.count():
        yield b"Trailer-%d: %b\r\n" % (number, b"x" * draw.choice((0, 10, 1000)))


def _chunks(path: bytes, draw: random.Random) -> Iterator[bytes]:
    """A body without end in chunks, with long extensions, or of one byte each."""
    yield _CHUNKED % path
    extension = draw.choice((b"", b";x", b";" + b"y" * 100, b";z=" + b"1" * 50_000))
    size = draw.choice((1, 100, 10_000))
    while True:
        yield (b"%x%b\r\n" % (size, extension) + b" " * size + b"\r\n") * draw.choice((1, 50))


def _heads(path: bytes, draw: random.Random) -> Iterator[bytes]:
    """A head without end: first line, one header, or many; in pieces."""
    kind = draw.randrange(3)
    if kind == 0:
        yield b"GET /api/user/"
        filler = b"1"
    else:
        yield _HEAD % path + (b"Endless: " if kind == 1 else b"")
        filler = b"x" if kind == 1 else b"Name: value\r\n"
    size = draw.choice((1, 100, _BLOCK // len(filler)))
    while True:
        yield filler * size


def _bodies(path: bytes, draw: random.Random) -> Iterator[bytes]:
    """A body of a known length that is far too large, or one whose end never comes."""
    length = draw.choice((100, 1_000_000, 10**12, 10**18))
    yield _HEAD % path + b"Content-Length: %d\r\n\r\n" % length
    size = draw.choice((1, 1000, _BLOCK))
    while True:
        yield b"[" * size


def _bombs(_: bytes, draw: random.Random) -> Iterator[bytes]:
    """Batches that are small as sent and large as meant, or of which everything is wrong."""
    meant = draw.choice(
        (b" " * 50_000_000, b"[" + b"0," * 400_000 + b"0]", b"[" + b"{}," * 9_999 + b"{}]", b"[" * 10**6)
    )
    body = gzip.compress(meant, 6)
    headers = {"Content-Encoding": "gzip"}
    while True:
        yield request(body, path="/api/checkins", headers=headers)


def _nonsense(_: bytes, draw: random.Random) -> Iterator[bytes]:
    """Bytes that are not HTTP, or nearly."""
    what = draw.choice(
        (b"\r\n", b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n", b"\0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    )
    while True:
        yield what * draw.choice((1, 1000))


def _silence(path: bytes, draw: random.Random) -> Iterator[bytes]:
    """The beginning of a request, if anything."""
    whole = request(b"{}", path=path.decode())
    yield whole[: draw.randrange(len(whole))]


#: what a client sends, by name; made of a path and a source of chance
SENDING: dict[str, Callable[[bytes, random.Random], Iterator[bytes]]] = {
    "pipeline": _pipeline,
    "large answers": _large_answers,
    "trailers": _trailers,
    "chunks": _chunks,
    "heads": _heads,
    "bodies": _bodies,
    "bombs": _bombs,
    "nonsense": _nonsense,
    "silence": _silence,
}


@dataclass(frozen=True)
class Plan:
    """What is done to a service."""

    sending: str
    reading: Reading
    connections: int
    seed: int


class _Clients:
    """The hostile connections of a plan."""

    def __init__(self, port: int, path: bytes, plan: Plan) -> None:
        self._port = port
        self._path = path
        self._plan = plan
        self._draw = random.Random(plan.seed)
        self._selector = selectors.DefaultSelector()
        #: bytes that were sent
        self.sent = 0

    def run(self, is_over: Callable[[], bool]) -> None:
        """Go on until it is over."""
        began, reopened = time.monotonic(), 0
        for _ in range(self._plan.connections):
            self._open()
        while not is_over():
            for key, events in self._selector.select(0.05):
                connection: _Connection = key.data
                try:
                    is_open = self._turn(connection, events)
                except OSError:
                    is_open = False
                if not is_open:
                    self._selector.unregister(connection.socket)
                    connection.socket.close()
                    if reopened < _REOPENED_PER_S * (time.monotonic() - began + 1):
                        reopened += 1
                        self._open()

    def _open(self) -> None:
        connection = _Connection(self._port, SENDING[self._plan.sending](self._path, self._draw))
        events = selectors.EVENT_WRITE | (0 if self._plan.reading == "nothing" else selectors.EVENT_READ)
        self._selector.register(connection.socket, events, connection)

    def _turn(self, connection: "_Connection", events: int) -> bool:
        """Go on with a connection; whether it is still there."""
        is_open = True
        if events & selectors.EVENT_READ:
            is_open = bool(connection.socket.recv(_BLOCK if self._plan.reading == "all" else 1))
        if is_open and events & selectors.EVENT_WRITE:
            sent = connection.send()
            self.sent += sent
            if not sent:  # it waits for what happens
                self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
        return is_open


class _Connection:
    """One hostile connection."""

    def __init__(self, port: int, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))

    def send(self) -> int:
        """Send some; how many bytes. There is room for one at least; 0: there is nothing more to send."""
        if not self._left:
            self._left = memoryview(next(self._blocks, b""))
        sent = self.socket.send(self._left[:_BLOCK]) if self._left else 0
        self._left = self._left[sent:]
        return sent


class Hostile:
    """Hostile clients of the service at `port`, in a process of their own, from `with` to its end.

    `path` takes bodies. `sent` is, after the end, how many bytes they have sent.
    """

    def __init__(self, port: int, path: bytes, plan: Plan) -> None:
        plain = [port, path.decode(), plan.sending, plan.reading, plan.connections, plan.seed]
        self._command = [sys.executable, __file__, *map(str, plain)]
        self.sent = 0

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe)
        return self

    def __exit__(self, *_: object) -> None:
        output: bytes = self._process.communicate()[0]
        assert self._process.returncode == 0
        self.sent = int(output)


def main() -> None:
    """Go on until standard input ends, but a minute at most; print how many bytes were sent."""
    port, path, sending, reading, connections, seed = sys.argv[1:]
    assert reading in get_args(Reading)
    plan = Plan(sending, cast("Reading", reading), int(connections), int(seed))
    clients = _Clients(int(port), path.encode(), plan)
    until = time.monotonic() + 60
    clients.run(lambda: bool(select.select([sys.stdin], [], [], 0)[0]) or time.monotonic() > until)
    print(clients.sent)


if __name__ == "__main__":
    main()
