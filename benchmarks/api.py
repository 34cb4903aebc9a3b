"""What answering one question costs the API server, next to an app that answers nothing.

Run     .venv/bin/python benchmarks/api.py [--seconds 3] [--rounds 5] [--only NAME ...] [--quick]
        (Linux; three minutes; needs wrk: a Debian package)
Load    wrk, one thread, 32 keep-alive connections, bare headers; the sample, fully processed; ids, times and places
        drawn at random. One process of the API server answers, a Valkey runs on the same machine.
Prints  CPU µs per request (user + system) of the process that answers and of Valkey, requests/s, p50 and p99; medians
        over the rounds. Then the goals: CPU of the process that answers, as a multiple of what an empty ASGI app took
        for a GET in the same round.
Expect  a user, a location and the newest check-in: at most 2.5 times the empty app's CPU; a range of 1,000 check-ins:
        110; the top 100: 20; the top 10, and the 10 nearest locations: 8.
Doesn't show: a network; compressed answers; more than one process. With two cores wrk, the API server and Valkey share
        them, so requests/s say less than CPU does.
"""

import argparse
import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.error import HTTPError
from urllib.request import urlopen

from redis import Redis

import wrk
from data import SAMPLE_LOCATIONS, SAMPLE_USERS
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
    run,
    server,
    wait_until,
)

_EMPTY_APP = Path(__file__).parent / "peers" / "empty_asgi.py"
_EMPTY = "empty ASGI app"
#: requests that are made beforehand and sent in turn
_PATHS = 499
#: entries of the sample that are not the last 1,000: a range of 1,000 begins at one of them
_STARTS = 4000
_SEED = 1


@dataclass(frozen=True)
class Question:
    """One kind of request."""

    name: str
    paths: Sequence[str]
    #: most CPU, as a multiple of the empty app's; None: no goal
    goal: float | None = None


@dataclass(frozen=True)
class Cost:
    """What one kind of request came to in one round."""

    load: wrk.Load
    #: Valkey's
    server_us: float


_COLUMNS: dict[str, Callable[[Cost], float]] = {
    "µs CPU": lambda cost: cost.load.cpu_us,
    "µs CPU, Valkey": lambda cost: cost.server_us,
    "requests/s": lambda cost: cost.load.per_s,
    "p50 ms": lambda cost: cost.load.p50_ms,
    "p99 ms": lambda cost: cost.load.p99_ms,
}


def main() -> None:
    """Measure each kind of request in turn, several times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of questions")
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    wrk.require()
    if options.quick:
        options.seconds, options.rounds = 1, 1
    with server() as running, Redis(port=running.port, decode_responses=True) as client:
        for command in (footfall("load", "all", "--sample"), footfall("processor", "--once")):
            run([*command, "--redis-url", running.url], running.pid)
        print_machine(client)
        times = [entry_id.partition("-")[0] for entry_id, _ in client.xrange("ncc:checkins", count=_STARTS)]
        questions = [question for question in all_questions(times) if not options.only or question.name in options.only]
        with answering(footfall("api", "--redis-url", running.url), "/api/checkins/latest") as api:
            questions = [question for question in questions if is_answered(api, question)]
            with answering([sys.executable, str(_EMPTY_APP)], "/") as empty:
                compare(questions, api, empty, running.pid, options.seconds, options.rounds)


def all_questions(times: Sequence[str]) -> list[Question]:
    """What is asked; `times` are those of the entries that a range may begin with."""
    draw = random.Random(_SEED)

    def many(path: Callable[[], str]) -> list[str]:
        return [path() for _ in range(_PATHS)]

    def place() -> str:
        return f"{draw.uniform(37.3, 37.9):.4f}/{draw.uniform(-122.5, -121.8):.4f}"

    return [
        Question("user by id", many(lambda: f"/api/user/{draw.randint(1, SAMPLE_USERS)}"), 2.5),
        Question("location by id", many(lambda: f"/api/location/{draw.randint(1, SAMPLE_LOCATIONS)}"), 2.5),
        Question("newest check-in", ["/api/checkins/latest"], 2.5),
        Question(
            "range of 1,000 check-ins",
            many(lambda: f"/api/checkins/{draw.choice(times)}/9999999999999?limit=1000"),
            110,
        ),
        Question("top 100 users", ["/api/users/bycheckins?limit=100"], 20),
        Question("top 10 users", ["/api/users/bycheckins?limit=10"], 8),
        Question("top 100 locations", ["/api/locations/bycheckins?limit=100"], 20),
        Question("top 10 locations", ["/api/locations/bycheckins?limit=10"], 8),
        Question("10 nearest locations", many(lambda: f"/api/locations/{place()}/50?limit=10"), 8),
    ]


def is_answered(port_and_pid: tuple[int, int], question: Question) -> bool:
    """Whether the API server has such a route."""
    try:
        with urlopen(f"http://127.0.0.1:{port_and_pid[0]}{question.paths[0]}", timeout=5):
            return True
    except HTTPError as error:
        console.print(f"{question.name}: {error.code}; its row is left out.")
        return False


def compare(
    questions: Sequence[Question],
    api: tuple[int, int],
    empty: tuple[int, int],
    server_pid: int,
    seconds: int,
    rounds: int,
) -> None:
    """Ask in turn, several times, and print what came of it; `api` and `empty` are (port, pid)."""
    costs: dict[str, list[Cost]] = {_EMPTY: [], **{question.name: [] for question in questions}}
    for number in range(-1, rounds):
        for question in [Question(_EMPTY, ["/api/user/180"]), *questions]:
            target = empty if question.name == _EMPTY else api
            before = cpu_s(server_pid)
            load = wrk.get(*target, seconds if number >= 0 else 1, question.paths)
            if number >= 0:  # the first round only warms up
                costs[question.name].append(Cost(load, (cpu_s(server_pid) - before) / load.check_ins * 1e6))
    rows: list[tuple[str | float, ...]] = [
        (name, *(median(map(of, found)) for of in _COLUMNS.values())) for name, found in costs.items()
    ]
    print_table(f"one request; medians of {rounds} rounds", ("", *_COLUMNS), rows)
    for question in questions:
        together = zip(costs[question.name], costs[_EMPTY], strict=True)
        ratios = [cost.load.cpu_us / yardstick.load.cpu_us for cost, yardstick in together]
        if question.goal is not None:
            print_goal(f"{question.name}: CPU / empty ASGI app's", ratios, question.goal, at_most=True)


@contextlib.contextmanager
def answering(command: Sequence[str], path: str) -> Iterator[tuple[int, int]]:
    """The command's process, as soon as it answers this path: its port and its pid."""
    port = free_port()
    is_ours = "footfall" in command
    with child([*command, "--port", str(port)] if is_ours else [*command, str(port)]) as process:
        wait_until(lambda: answers(port, path), f"{path} is answered")
        yield port, process.pid


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 2xx."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
