"""How fast entries are applied, next to a redis-py loop that applies one entry in two round trips.

Run     .venv/bin/python benchmarks/processor.py [--entries 200000] [--runs 3] [--quick]       (Linux; two minutes)
Load    (a) the sample's 1,000 users and 215 locations, (b) 200,000 users and 20,000 locations; 200,000 entries of
        random users at random locations. The loop (peers/redis_py_loop.py) applies the first 10,000: it is no faster
        with more. Append-only file on (fsync every second), all indexes kept on both sides.
Prints  entries/s and CPU per entry of the Python process and of the server; ratios of the two in the same run, each
        on a fresh server with a copy of the same data, in turn; medians over the runs. What each takes to start
        (measured on the drained stream) is taken off. Before that, both apply the same entries, and what they leave is
        compared: records, indexes, checkpoint.
Expect  at least 20 times the loop's entries/s with (a), 10 times with (b).
Doesn't show: a network between the two (it slows the loop alone, by two round trips per entry); other load on the
        server; trimming (all entries are retained); entries that become dead letters.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from data import KEYS, Amount, digests, prepare, restored
from measure import Used, console, end_in_order, footfall, print_goal, print_machine, print_table, run

_LOOP = Path(__file__).parent / "peers" / "redis_py_loop.py"
#: what is printed of each side, per entry
_COLUMNS: dict[str, Callable[[Used], float]] = {
    "µs wall": lambda used: used.wall,
    "µs CPU Python": lambda used: used.process,
    "µs CPU server": lambda used: used.server,
    "µs CPU both": lambda used: used.cpu,
}


@dataclass(frozen=True)
class Case:
    """One amount of data, and how many times as fast as the loop the processor has to be with it."""

    name: str
    amount: Amount
    goal: float


@dataclass(frozen=True)
class Run:
    """What one entry took on either side, one after the other."""

    loop: Used
    footfall: Used


def main() -> None:
    """Measure both cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--loop-entries", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    many = Amount(users=200_000, locations=20_000)
    if options.quick:
        options.entries, options.loop_entries, options.runs = 4_000, 500, 1
        many = Amount(users=2_000, locations=300)
    for case in (Case("(a) the sample", Amount(), 20), Case("(b) many users", many, 10)):
        compare(case, options.entries, options.loop_entries, options.runs)


def compare(case: Case, entries: int, loop_entries: int, runs: int) -> None:
    """Prepare the data once, then loop and processor in turn; print what they took."""
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as directory:
        copies = prepare(Path(directory), case.amount, (loop_entries, entries))
        with restored(copies[loop_entries]) as (_, client):
            print_machine(client)
        check_equal(copies[loop_entries])
        results = []
        for _ in range(runs):
            loop = measured(loop_command, copies[loop_entries], loop_entries)
            results.append(Run(loop, measured(processor_command, copies[entries], entries)))
    amount = case.amount
    print_table(
        f"{case.name}: {amount.users:,} users, {amount.locations:,} locations, {entries:,} entries; per entry",
        ("", "entries/s", *_COLUMNS),
        [
            ("redis-py loop", *row([one.loop for one in results])),
            ("Footfall", *row([one.footfall for one in results])),
            (
                "loop / Footfall",
                "",
                *(median([of(one.loop) / of(one.footfall) for one in results]) for of in _COLUMNS.values()),
            ),
        ],
    )
    print_goal("entries/s of the loop", [one.loop.wall / one.footfall.wall for one in results], case.goal)
    console.print()


def row(samples: Sequence[Used]) -> list[float]:
    """Entries/s and the columns, medians over the runs."""
    return [
        1e6 / median([used.wall for used in samples]),
        *(median(list(map(of, samples))) for of in _COLUMNS.values()),
    ]


def measured(command: Callable[[str], list[str]], copy: Path, entries: int) -> Used:
    """What one entry took, in µs, without what the program takes to start and end."""
    with restored(copy) as (server, client):
        used = run(command(server.url), server.pid)
        if int(client.get(KEYS.processed) or 0) != entries:
            raise RuntimeError("not all entries were processed")
        starts = [run(command(server.url), server.pid) for _ in range(3)]
        return used.minus(sorted(starts, key=lambda start: start.wall)[1]).per(entries)


def check_equal(copy: Path) -> None:
    """Raise unless both leave the same."""
    left = []
    for command in (loop_command, processor_command):
        with restored(copy) as (server, client):
            run(command(server.url), server.pid)
            left.append(digests(client))
    different = [what for what, digest in left[0].items() if left[1][what] != digest]
    if different:
        raise RuntimeError(f"loop and processor differ in {', '.join(different)}")
    console.print(f"Loop and processor leave the same: {', '.join(left[0])}.")


def loop_command(url: str) -> list[str]:
    """The redis-py loop, until the stream is drained."""
    return [sys.executable, str(_LOOP), url]


def processor_command(url: str) -> list[str]:
    """Footfall's processor, until the stream is drained."""
    return footfall("processor", "--once", "--redis-url", url)


if __name__ == "__main__":
    main()
