"""Whether the receiver's memory stays flat over millions of check-ins.

Run     .venv/bin/python benchmarks/memory.py [--check-ins 5000000] [--quick]       (Linux; two minutes; needs wrk)
Load    wrk, 64 keep-alive connections, single check-ins on the fast path, one receiver.
Prints  resident memory of the receiver and the rate after each tenth.
Expect  the same memory from the first tenth to the last, within 2 %; a rate that stays.
Doesn't show: the server's memory, which grows with the stream (nothing processes or trims it here).
"""

import argparse

from redis import Redis

import wrk
from data import Amount, load_records
from measure import console, end_in_order, memory_mb, print_goal, print_machine, print_table, server
from receiver import Target, listening, receiver

_STRETCH_S = 5


def main() -> None:
    """Post until there are enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check-ins", type=int, default=5_000_000)
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    wrk.require()
    total = 100_000 if options.quick else options.check_ins
    rows: list[tuple[str, float, float]] = []
    with server() as running:
        with Redis(port=running.port) as client:
            load_records(client, Amount())
            print_machine(client)
        with listening(Target("the receiver", lambda port: receiver(running.url, port))) as (port, pid):
            wrk.post(port, pid, 1, "bare")
            posted, shown = 0, 0
            while posted < total:
                load = wrk.post(port, pid, 1 if options.quick else _STRETCH_S, "bare")
                posted += load.check_ins
                if posted * 10 // total > shown:
                    shown = posted * 10 // total
                    rows.append((f"{posted:,}", memory_mb(pid), load.per_s))
    print_table("the receiver after so many check-ins", ("check-ins", "MB", "check-ins/s"), rows)
    print_goal("memory at the end / after the first", [rows[-1][1] / rows[0][1]], 1.02, at_most=True)
    console.print()


if __name__ == "__main__":
    main()
