"""Whether the processor keeps its rate and its memory over millions of entries in one go.

Run     .venv/bin/python benchmarks/long.py [--entries 10000000] [--quick]       (Linux; five minutes, 2 GB of memory)
Load    a stream of ten million entries of the sample's users and locations, written by receive.lua in calls of 500
        (peers/receive_script.py); then one processor drains it, trimming as it goes.
Prints  entries/s and the processor's memory, tenth by tenth.
Expect  the same memory from the second tenth to the last, within 5 %; the slowest tenth at 0.7 times the median's rate.
Doesn't show: check-ins that arrive meanwhile.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from redis import Redis

from data import KEYS, Amount, load_records
from measure import child, console, end_in_order, footfall, memory_mb, print_goal, print_machine, print_table, server

_FILL = Path(__file__).parent / "peers" / "receive_script.py"
#: seconds of filling at a time
_FILL_S = 5
_POLL_S = 0.02


def main() -> None:
    """Fill the stream, then drain it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    entries = 100_000 if options.quick else options.entries
    with server() as running, Redis(port=running.port, socket_timeout=60) as client:
        load_records(client, Amount())
        print_machine(client)
        while client.xlen(KEYS.stream) < entries:
            fill = [sys.executable, str(_FILL), running.url, "0.3" if options.quick else str(_FILL_S)]
            subprocess.run(fill, check=True, stdout=subprocess.DEVNULL)
        rows = drained(client, running.url, client.xlen(KEYS.stream))
    print_table("draining the stream", ("entries", "entries/s", "MB"), rows)
    print_goal("memory at the end / after two tenths", [rows[-1][2] / rows[1][2]], 1.05, at_most=True)
    rates = [row[1] for row in rows]
    print_goal("the slowest tenth's rate / the median's", [min(rates) / median(rates)], 0.7)
    console.print()


def drained(client: Redis, url: str, total: int) -> list[tuple[str, float, float]]:
    """Rate and memory of a processor, after each tenth."""
    rows: list[tuple[str, float, float]] = []
    with child(footfall("processor", "--redis-url", url)) as process:
        before, since = 0, 0.0
        while len(rows) < 10:
            time.sleep(_POLL_S)
            done, now = int(client.get(KEYS.processed) or 0), time.perf_counter()
            if done and not since:
                before, since = done, now
            elif done >= total * (len(rows) + 1) // 10:
                rows.append((f"{done:,}", (done - before) / (now - since), memory_mb(process.pid)))
                before, since = done, now
    return rows


if __name__ == "__main__":
    main()
