"""Which allocator settings (GLIBC_TUNABLES) make the embedded Valkey's scripts cheaper.

Run:     .venv/bin/python benchmarks/allocator.py [--rounds 5] [--calls 150]        (Linux with glibc; some minutes)
Load:    200,000 hashes; a script of the processor's kind adds 1,000 entries to a stream and applies them to as many
         hashes per call (XADD, HMGET, HSET, ZADD); append-only file as in the embedded server.
Prints:  for each setting the server's CPU per call, user and system, as a ratio to the defaults measured in the same
         round (median over the rounds; each sample is a fresh server), and the memory that the server takes.
Expect:  0.6 to 0.7 for tcache_count=65535 (the setting in use, `embedded.ALLOCATOR_SETTINGS`) with glibc 2.36, for
         40 % more memory; nothing else helps reliably, alone or on top of it.
Doesn't show: fsync and network, which the settings do not touch; another C library; a server of days' age, whose memory
         is fragmented in other ways.
"""

import argparse
import os
import random
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from footfall.embedded import server as embedded
from footfall.process import launch

HASHES = 200_000
PER_CALL = 1_000
TICKS = os.sysconf("SC_CLK_TCK")

#: what is compared; the first is what the others are compared to
CANDIDATES = {
    "defaults": "",
    "tcache_count=4096": "glibc.malloc.tcache_count=4096",
    "tcache_count=16384": "glibc.malloc.tcache_count=16384",
    "tcache_count=65535": embedded.ALLOCATOR_SETTINGS,
    "trim_threshold=256M": "glibc.malloc.trim_threshold=268435456",
    "top_pad=16M": "glibc.malloc.top_pad=16777216",
    "mmap_threshold=64M": "glibc.malloc.mmap_threshold=67108864",
    "count=65535, trim=256M, pad=16M": (
        "glibc.malloc.tcache_count=65535:glibc.malloc.trim_threshold=268435456:glibc.malloc.top_pad=16777216"
    ),
}

LOAD = """
for id = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('HSET', 'bench:users:' .. id, 'id', id, 'firstName', 'Sophia', 'lastName', 'Marshall', 'email',
    'user.' .. id .. '@example.com', 'password', string.rep('x', 60), 'numCheckins', id % 4000,
    'lastCheckin', 1609602085397 + id, 'lastSeenAt', id % 215)
  redis.call('ZADD', KEYS[1], id % 4000, id)
end
return 'OK'
"""
#: the receiver's part and the processor's: add to a stream; read all, then write all, then the indexes
APPLY = """
for i, id in ipairs(ARGV) do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100000, '*', 'locationId', id % 215, 'userId', id, 'starRating', 4)
end
local users = {}
for i, id in ipairs(ARGV) do
  users[i] = redis.call('HMGET', KEYS[i + 2], 'id', 'numCheckins', 'lastCheckin', 'lastSeenAt')
end
local by_checkins = {}
for i, id in ipairs(ARGV) do
  local user, n = users[i], #by_checkins
  local checkins = string.format('%.0f', user[2] + 1)
  by_checkins[n + 1], by_checkins[n + 2] = checkins, id
  redis.call('HSET', KEYS[i + 2], 'numCheckins', checkins, 'lastCheckin', string.format('%.0f', user[3] + 1000),
    'lastSeenAt', string.format('%.0f', (user[4] + 1) % 215))
end
redis.call('ZADD', KEYS[1], unpack(by_checkins))
return 'OK'
"""


@dataclass(frozen=True)
class Sample:
    """CPU of the server per call in ms, and its memory in MB."""

    user: float
    system: float
    memory: float


def main() -> None:
    """Measure all candidates in turn, several times, and print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=150)
    parser.add_argument("--only", nargs="*", help="candidates to compare with the defaults")
    options = parser.parse_args()
    names = [name for name in CANDIDATES if name == "defaults" or not options.only or name in options.only]
    rounds: list[dict[str, Sample]] = []
    for number in range(options.rounds):
        order = random.sample(names, len(names))
        rounds.append({name: measure(CANDIDATES[name], options.calls) for name in order})
        print(f"round {number + 1} of {options.rounds} done", flush=True)
    print(f"{PER_CALL} x (XADD, HMGET, HSET, ZADD) per call on {HASHES} hashes; medians of {options.rounds} rounds")
    print(f"{'settings':34}{'user':>8}{'user+sys':>10}{'ms/call':>9}{'MB':>7}   range of user+sys")
    for name in names:
        base = [samples["defaults"] for samples in rounds]
        mine = [samples[name] for samples in rounds]
        user = [one.user / other.user for one, other in zip(mine, base, strict=True)]
        both = [(one.user + one.system) / (other.user + other.system) for one, other in zip(mine, base, strict=True)]
        cost = statistics.median(one.user + one.system for one in mine)
        memory = statistics.median(one.memory for one in mine)
        print(
            f"{name:34}{statistics.median(user):8.2f}{statistics.median(both):10.2f}{cost:9.2f}{memory:7.0f}"
            f"   {min(both):.2f}-{max(both):.2f}"
        )


def measure(tunables: str, calls: int) -> Sample:
    """One sample: a fresh server with these settings, loaded, warmed up, then measured over `calls` calls."""
    rng = random.Random(1)  # the same ids for all
    with running(tunables) as (pid, client):
        for first in range(1, HASHES, 5_000):
            client.eval(LOAD, 1, "bench:bycheckins", first, first + 4_999)
        apply = client.register_script(APPLY)

        def call() -> None:
            ids = [rng.randint(1, HASHES) for _ in range(PER_CALL)]
            apply(keys=["bench:bycheckins", "bench:checkins", *(f"bench:users:{one}" for one in ids)], args=ids)

        for _ in range(calls // 5):
            call()
        before = cpu(pid)
        for _ in range(calls):
            call()
        after = cpu(pid)
        memory = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        user, system = ((new - old) * 1000 / TICKS / calls for new, old in zip(after, before, strict=True))
        return Sample(user, system, memory)


@contextmanager
def running(tunables: str) -> Iterator[tuple[int, redis.Redis]]:
    """A server in a directory of its own: its pid and a client."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory, redis.Redis(port=port, socket_timeout=60) as client:
        process = subprocess.Popen(
            launch.command(
                [
                    *(str(embedded.binary()), "--bind", "127.0.0.1", "--port", str(port), "--dir", directory),
                    *("--save", "", "--appendonly", "yes"),
                ],
                signal.SIGKILL,
            ),
            stdout=subprocess.DEVNULL,
            env={**os.environ, "GLIBC_TUNABLES": tunables},
        )
        try:
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            yield process.pid, client
        finally:
            process.kill()
            process.wait()


def cpu(pid: int) -> tuple[int, int]:
    """User and system time of a process in clock ticks (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


if __name__ == "__main__":
    main()
