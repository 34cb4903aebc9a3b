"""What one hostile client costs the others: the time of their answers, and the service's memory.

Run     .venv/bin/python benchmarks/hostile.py [--seconds 3] [--only NAME ...] [--quick]     (Linux; four minutes)
Load    one connection that sends as fast as it can: endless pipelines, heads, trailers, chunks and bodies, batches that
        are small as sent and large as meant, requests for the largest answers, nonsense; it reads its answers, or only
        a byte now and then, or nothing. Meanwhile another client asks for /healthz a hundred times a second. Then 9,000
        idle connections.
Prints  p50 and p99 of that client's answers, and by how much the process has grown at most, and since before.
Expect  a p99 of at most 100 ms; 10 MB at most.
Doesn't show: several processes (`--workers`), where most clients do not meet the hostile one at all; a network.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import httpx
from redis import Redis

from data import Amount, load_records
from measure import (
    child,
    console,
    end_in_order,
    footfall,
    free_port,
    memory_mb,
    print_goal,
    print_machine,
    print_table,
    server,
    wait_until,
)

_CLIENTS = Path(__file__).parent.parent / "tests" / "hostile_clients.py"
_SENDING = ("pipeline", "large answers", "trailers", "chunks", "heads", "bodies", "bombs", "nonsense")
_READING = ("all", "a little", "nothing")
#: commands, with a path that takes bodies
_SERVICES = {"receiver": "/api/checkin", "api": "/api/users", "auth": "/login"}
_GOAL_MS, _GOAL_MB = 100, 10
_IDLE = 9000


def main() -> None:
    """Try each service with each kind of client."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", nargs="*", choices=_SERVICES, help="services")
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    seconds = 0.3 if options.quick else options.seconds
    with server() as running, Redis(port=running.port) as client:
        load_records(client, Amount())
        print_machine(client)
        for name in options.only or _SERVICES:
            port = free_port()
            with child([*footfall(name, "--redis-url", running.url), "--port", str(port)]) as process:
                wait_until(lambda port=port: _answers(port), f"the {name} answers")  # type: ignore[misc]
                compare(name, port, process.pid, seconds)


def compare(name: str, port: int, pid: int, seconds: float) -> None:
    """Try one service, and print what it came to."""
    for kind in ("pipeline", "large answers", "bombs"):  # what takes memory once
        tried(name, port, pid, kind, "all", 4, 0.5)
    before = memory_mb(pid)
    rows = {f"{kind}, reads {reading}": tried(name, port, pid, kind, reading, 1, seconds)
            for kind in _SENDING for reading in _READING}  # fmt: skip
    kept = memory_mb(pid) - before
    rows[f"{_IDLE} idle connections"] = tried(name, port, pid, "silence", "all", _IDLE, seconds)
    columns = ("the client", "p50 ms", "p99 ms", "max ms", "MB at most")
    print_table(f"{name}: others' answers, and its memory", columns, [(what, *row) for what, row in rows.items()])
    *single, _ = rows.values()
    print_goal(f"{name}: p99, the worst", [max(row[1] for row in single)], _GOAL_MS, at_most=True, unit="ms")
    print_goal(f"{name}: growth, the worst", [max(row[3] for row in single)], _GOAL_MB, at_most=True, unit="MB")
    print_goal(f"{name}: what it keeps of all", [kept], _GOAL_MB, at_most=True, unit="MB")
    console.print()


def tried(
    name: str, port: int, pid: int, kind: str, reading: str, connections: int, seconds: float
) -> tuple[float, float, float, float]:
    """p50, p99 and most ms of others' answers, and by how many MB the process grew."""
    before = most = memory_mb(pid)
    took = []
    with hostile(port, _SERVICES[name], kind, reading, connections), httpx.Client() as client:
        until = time.perf_counter() + seconds
        while (now := time.perf_counter()) < until:
            client.get(f"http://127.0.0.1:{port}/healthz", timeout=60).raise_for_status()
            took.append((time.perf_counter() - now) * 1000)
            most = max(most, memory_mb(pid))
            time.sleep(0.01)
    took.sort()
    return took[len(took) // 2], took[len(took) * 99 // 100], took[-1], most - before


@contextlib.contextmanager
def hostile(port: int, path: str, kind: str, reading: str, connections: int) -> Iterator[None]:
    """The client, in a process of its own."""
    plan: Sequence[object] = (port, path, kind, reading, connections, 1)
    command = [sys.executable, str(_CLIENTS), *map(str, plan)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.communicate()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
        return True
    return False


if __name__ == "__main__":
    main()
