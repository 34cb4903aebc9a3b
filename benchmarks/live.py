"""What a live feed costs the API server: CPU per event that it delivers, reads of the stream, time until it is there.

Run     .venv/bin/python benchmarks/live.py [--readers 1000] [--seconds 5] [--quick]       (Linux; half a minute)
Load    open feeds in one process that counts what comes; check-ins added to the stream one by one, at several rates; at
        the highest in groups of 100. One process of the API server, a Valkey on the same machine.
Prints  per rate: CPU µs of the API server per delivered event, events/s, XREADs per check-in, and the median time from
        XADD until the last reader has the event. Then the same with one reader.
Expect  one XREAD for each check-in that comes alone, fewer for groups, whatever the number of readers; 10 to 20 µs per
        event that comes alone (much of it is the write to a socket), below 1 µs in groups.
Doesn't show: a network; readers that are slow. The reading process takes as much CPU as the server: with two cores,
        rates beyond what both can do make the time longer, not the CPU per event.
"""

import argparse
import asyncio
import socket
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from redis import Redis

from measure import (
    child,
    console,
    cpu_s,
    end_in_order,
    footfall,
    free_port,
    print_goal,
    print_machine,
    print_table,
    server,
    wait_until,
)

_REQUEST = b"GET /api/checkins/live HTTP/1.1\r\nHost: bench\r\n\r\n"
_MARK = b"event: checkin"
_ENTRY: Any = {"locationId": 13, "userId": 180, "starRating": 4}
#: check-ins per second, and how many come at once
_RATES = ((5, 1), (20, 1), (1000, 100))


@dataclass(frozen=True)
class Delivered:
    """What delivering took: µs of CPU per event, events/s, XREADs per check-in, ms until the last reader had each."""

    cpu_us: float
    per_s: float
    reads: float
    last_ms: float


class Reader(asyncio.Protocol):
    """One open feed: counts events."""

    def __init__(self) -> None:
        self.count = 0
        self.is_open = False
        self._rest = b""

    def connection_made(self, transport: Any) -> None:
        transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        self.is_open = True
        data = self._rest + data
        self.count += data.count(_MARK)
        self._rest = data[-len(_MARK) + 1 :]  # the mark may have been cut


def main() -> None:
    """Measure each rate with all readers, and with one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    readers, seconds = (50, 1) if options.quick else (options.readers, options.seconds)
    port = free_port()
    with server() as running, Redis(port=running.port) as client:
        print_machine(client)
        with child(footfall("api", "--redis-url", running.url, "--port", port)) as process:
            wait_until(lambda: _listens(port), "the API server listens")
            asyncio.run(_measure_all(client, process.pid, port, readers, seconds))


async def _measure_all(client: Redis, pid: int, port: int, readers: int, seconds: int) -> None:
    columns = ("check-ins/s, at once", "µs CPU per event", "events/s", "XREADs per check-in", "ms until all have it")
    reads = []
    for number in (readers, 1):
        rows = []
        for rate, at_once in _RATES:
            found = await measure(client, pid, port, number, seconds, rate, at_once)
            rows.append((f"{rate:,}, {at_once}", found.cpu_us, found.per_s, found.reads, found.last_ms))
            reads.append(found.reads)
        print_table(f"{number:,} readers" if number > 1 else "1 reader", columns, rows)
    print_goal("XREADs per check-in, at most", [max(reads)], 1.5, at_most=True, unit="")
    console.print()


async def measure(client: Redis, pid: int, port: int, number: int, seconds: int, rate: int, at_once: int) -> Delivered:
    """Add check-ins at a rate, and wait until all readers have all of them."""
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(Reader, "127.0.0.1", port) for _ in range(number)]
    readers = [reader for _, reader in opened]
    while not all(reader.is_open for reader in readers):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    reads, cpu, begin = _reads(client), cpu_s(pid), time.perf_counter()
    added, times = 0, []
    while added < rate * seconds:
        await asyncio.sleep(max(0.0, begin + added / rate - time.perf_counter()))
        start = time.perf_counter()
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(at_once):
                pipeline.xadd("ncc:checkins", _ENTRY)
            pipeline.execute()
        added += at_once
        while min(reader.count for reader in readers) < added:
            await asyncio.sleep(0)
        times.append(time.perf_counter() - start)
    wall, used = time.perf_counter() - begin, cpu_s(pid) - cpu
    for transport, _ in opened:
        transport.abort()
    events = added * number
    return Delivered(used / events * 1e6, events / wall, (_reads(client) - reads) / added, median(times) * 1000)


def _reads(client: Redis) -> int:
    return int(client.info("commandstats").get("cmdstat_xread", {"calls": 0})["calls"])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
