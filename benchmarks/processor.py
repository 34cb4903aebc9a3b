"""How fast entries are applied: next to a redis-py loop, and to the server's own speed with the same writes.

Run     .venv/bin/python benchmarks/processor.py [--entries 200000] [--runs 3] [--quick]       (Linux; six minutes)
Load    (a) the sample's 1,000 users and 215 locations, (b) 200,000 users and 20,000 locations, (c) the same with skewed
        popularity (Zipf, 1.1); 200,000 entries. The loop (peers/redis_py_loop.py) applies one entry in two round trips,
        the first 10,000: it is no faster with more. For the ceiling redis-cli, a C client, pipelines the same writes as
        individual commands (peers/individual_commands.py; Debian package redis-tools): it reads and checks nothing.
        Append-only file on (fsync every second), all indexes kept on all sides; what activity.py measures is off.
Prints  entries/s and CPU per entry of the client and of the server; ratios of what was measured in the same run, each
        on a fresh server with a copy of the same data, in turn; medians over the runs. What each takes to start
        (measured on the drained stream) is taken off. Before that, all apply the same entries, and what they leave is
        compared: records, indexes, checkpoint.
Expect  at least 30 times the loop's entries/s with (a), 15 times with (b); with (b) 0.6 times those of the individual
        commands; less than 6 µs of Python's CPU per entry.
Doesn't show: a network between the two (it slows the loop alone, by two round trips per entry); other load on the
        server; trimming (all entries are retained); entries that become dead letters.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    """One amount of data, and how many times as fast as the loop and the ceiling the processor has to be with it."""

    name: str
    amount: Amount
    goal: float | None = None
    ceiling_goal: float | None = None


@dataclass(frozen=True)
class Run:
    """What one entry took on each side, one after the other."""

    loop: Used
    footfall: Used
    ceiling: Used | None


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
    cases = (
        Case("(a) the sample", Amount(), 30),
        Case("(b) many users", many, 15, 0.6),
        Case("(c) some of them popular", replace(many, zipf=1.1)),
    )
    for case in cases:
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
            footfall = measured(processor_command, copies[entries], entries)
            results.append(Run(loop, footfall, ceiling(copies[entries], entries)))
    amount = case.amount
    ceilings = _of_all(results)
    rows: list[tuple[float | str, ...]] = [
        ("redis-py loop", *row([one.loop for one in results])),
        ("Footfall", *row([one.footfall for one in results])),
        (
            "loop / Footfall",
            "",
            *(median([of(one.loop) / of(one.footfall) for one in results]) for of in _COLUMNS.values()),
        ),
    ]
    if ceilings:
        rows.insert(2, ("individual commands", *row(ceilings)))
    print_table(
        f"{case.name}: {amount.users:,} users, {amount.locations:,} locations, {entries:,} entries; per entry",
        ("", "entries/s", *_COLUMNS),
        rows,
    )
    if case.goal is not None:
        print_goal("entries/s of the loop", [one.loop.wall / one.footfall.wall for one in results], case.goal)
    if case.ceiling_goal is not None and ceilings:
        reached = [top.wall / one.footfall.wall for one, top in zip(results, ceilings, strict=True)]
        print_goal("entries/s of the individual commands", reached, case.ceiling_goal)
    print_goal("CPU of Python", [one.footfall.process for one in results], 6, at_most=True, unit="µs")
    console.print()


def _of_all(results: Sequence[Run]) -> list[Used]:
    return [one.ceiling for one in results if one.ceiling is not None]


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


def ceiling(copy: Path, entries: int) -> Used | None:
    """What the writes of one entry take as individual commands, in µs; None without redis-cli."""
    if shutil.which("redis-cli") is None:
        return None
    with restored(copy) as (server, _), tempfile.NamedTemporaryFile() as file:
        run(individual_commands(server.url, file.name), server.pid)
        return run(pipe(server.port, file.name), server.pid).per(entries)


def check_equal(copy: Path) -> None:
    """Raise unless all leave the same."""
    left = []
    for command in (loop_command, processor_command):
        with restored(copy) as (server, client):
            run(command(server.url), server.pid)
            left.append(digests(client))
    if shutil.which("redis-cli") is None:
        console.print("redis-cli is not installed (apt-get install redis-tools): its row is left out.")
    else:
        with restored(copy) as (server, client), tempfile.NamedTemporaryFile() as file:
            run(individual_commands(server.url, file.name), server.pid)
            run(pipe(server.port, file.name), server.pid)
            left.append(digests(client))
    different = [what for what in left[0] if len({digest[what] for digest in left}) > 1]
    if different:
        raise RuntimeError(f"loop, processor and commands differ in {', '.join(different)}")
    console.print(f"All leave the same: {', '.join(left[0])}.")


def loop_command(url: str) -> list[str]:
    """The redis-py loop, until the stream is drained."""
    return [sys.executable, str(_LOOP), url]


def individual_commands(url: str, path: str) -> list[str]:
    """Writes the processor's effects as individual commands to a file."""
    return [sys.executable, str(_LOOP.with_name("individual_commands.py")), url, path]


def pipe(port: int, path: str) -> list[str]:
    """Sends them."""
    return ["sh", "-c", f"exec redis-cli -p {port} --pipe < {shlex.quote(path)}"]


def processor_command(url: str) -> list[str]:
    """Footfall's processor, until the stream is drained; it keeps the core indexes, as all sides do, and no more."""
    kept = ("--history", 0, "--no-now", "--no-hourly", "--no-trending")
    return footfall("processor", "--once", "--redis-url", url, *kept)


if __name__ == "__main__":
    main()
