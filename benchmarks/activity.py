"""What keeping the newest check-ins costs the processor: histories, now, hourly and trending; all of them, and each.

Run     .venv/bin/python benchmarks/activity.py [--entries 200000] [--runs 3] [--quick]     (Linux; eight minutes)
Load    (a) the sample's 1,000 users and 215 locations, (b) 200,000 users and 20,000 locations; 200,000 entries that are
        spread evenly over the last two hours, so that everything applies to each. Append-only file on (fsync every
        second). One processor until the stream is drained, with all of it off, with each alone, with all of it on.
Prints  entries/s and CPU per entry of the processor and of the server; memory of the server that is left after the
        entries, per entry, beyond what it is with all of it off. Each on a fresh server with a copy of the same data,
        in turn; medians over the runs. What each takes to start is taken off.
Expect  with all of it on at least half the entries/s of all of it off, with (a) and with (b).
Doesn't show: the server's rewriting of its append-only file, which is switched off: it falls into one run and not into
        another, and takes one of two cores meanwhile; full histories of all users (100 check-ins of each take about
        3 KB); moving the window of trending on (each five minutes, some ms of the server per 1,000 locations).
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from redis import Redis

from data import KEYS, Amount, add_entries, prepare, restored
from measure import Used, console, end_in_order, footfall, print_goal, print_machine, print_table, run

_SPREAD_MS = 2 * 3_600_000 - 60_000
_OFF = ("--history", "0", "--no-now", "--no-hourly", "--no-trending")
#: what is measured -> options of the processor
_SIDES: dict[str, tuple[str, ...]] = {
    "all off": _OFF,
    "history": _OFF[2:],
    "now": (*_OFF[:2], *_OFF[3:]),
    "hourly": (*_OFF[:3], *_OFF[4:]),
    "trending": _OFF[:4],
    "all on": (),
}


def main() -> None:
    """Measure both cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    many = Amount(users=200_000, locations=20_000)
    if options.quick:
        options.entries, options.runs = 4_000, 1
        many = Amount(users=2_000, locations=300)
    compare("(a) the sample", Amount(), options.entries, options.runs)
    compare("(b) many users", many, options.entries, options.runs)


def compare(name: str, amount: Amount, entries: int, runs: int) -> None:
    """Prepare the records once, then measure each side in turn."""
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as directory:
        (copy,) = prepare(Path(directory), amount, (0,)).values()
        with restored(copy) as (_, client):
            print_machine(client)
        results: dict[str, list[tuple[Used, float]]] = {side: [] for side in _SIDES}
        for _ in range(runs):
            for side, options in _SIDES.items():
                results[side].append(measured(copy, amount, entries, options))
    off = results["all off"]
    rows: list[tuple[float | str, ...]] = []
    for side, of_side in results.items():
        used = [one for one, _ in of_side]
        ratios = [base.wall / one.wall for (base, _), one in zip(off, used, strict=True)]
        more = [memory - base for (_, memory), (_, base) in zip(of_side, off, strict=True)]
        medians = [median(getattr(one, what) for one in used) for what in ("wall", "process", "server")]
        rows.append((side, 1e6 / medians[0], median(ratios), *medians, median(more)))
    print_table(
        f"{name}: {amount.users:,} users, {amount.locations:,} locations, {entries:,} entries; per entry",
        ("kept", "entries/s", "/ all off", "µs wall", "µs CPU Python", "µs CPU server", "bytes more"),
        rows,
    )
    print_goal(
        "entries/s with all on / all off",
        [base.wall / one.wall for (base, _), (one, _) in zip(off, results["all on"], strict=True)],
        0.5,
    )
    console.print()


def measured(copy: Path, amount: Amount, entries: int, options: tuple[str, ...]) -> tuple[Used, float]:
    """What one entry took, in µs, without what the processor takes to start and end; bytes that it has left."""
    with restored(copy) as (server, client):
        client.config_set("auto-aof-rewrite-percentage", 0)
        first_ms = time.time_ns() // 1_000_000 - _SPREAD_MS
        add_entries(client, amount, range(entries), lambda number: first_ms + number * _SPREAD_MS // entries)
        command = footfall("processor", "--once", "--redis-url", server.url, *options)
        before = _memory(client)
        used = run(command, server.pid)
        if int(client.get(KEYS.processed) or 0) != entries:
            raise RuntimeError("not all entries were processed")
        left = _memory(client) - before
        starts = [run(command, server.pid) for _ in range(3)]
        return used.minus(sorted(starts, key=lambda start: start.wall)[1]).per(entries), left / entries


def _memory(client: Redis) -> int:
    return int(client.info("memory")["used_memory_dataset"])


if __name__ == "__main__":
    main()
