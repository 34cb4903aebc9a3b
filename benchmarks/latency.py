"""How long a check-in takes on an idle system, and how long the API takes on a busy one.

Run     .venv/bin/python benchmarks/latency.py [--check-ins 300] [--quick]       (Linux; a minute)
Load    one check-in after another through a real receiver, with a pause between; one processor, which waits for them.
        Then a backlog of entries of 200,000 users at 20,000 locations, which keeps the server busy all the time, and
        meanwhile one GET of a user after another.
Prints  median and 99th percentile, from before the request is sent until it is answered, and until the user's record
        has it (asked for every 100 µs); of the GETs, next to the same without a backlog.
Expect  a median below 10 ms until it is applied. One call of process.lua holds the server for about 10 ms, so a GET
        waits for as long at most, or for two: below 25 ms for 99 %.
Doesn't show: a check-in under load, which waits for those before it.
"""

import argparse
import http.client
import json
import random
import time
from collections.abc import Callable
from statistics import median, quantiles
from urllib.request import urlopen

from redis import Redis

from data import KEYS, Amount, add_entries, load_records
from measure import (
    child,
    end_in_order,
    footfall,
    free_port,
    print_goal,
    print_machine,
    print_table,
    server,
    wait_until,
)
from receiver import Target, listening, receiver

_PAUSE_S, _POLL_S = 0.05, 0.0001
_USER, _LOCATION = 180, 13


def main() -> None:
    """Post one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check-ins", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    with server() as running, Redis(port=running.port) as client:
        load_records(client, Amount())
        print_machine(client)
        with (
            listening(Target("the receiver", lambda port: receiver(running.url, port))) as (port, _),
            child(footfall("processor", "--redis-url", running.url)),
        ):
            samples = [measured(client, port) for _ in range(20 if options.quick else options.check_ins + 20)][10:]
    answered, applied = ([sample[i] * 1000 for sample in samples] for i in (0, 1))
    rows = [
        (name, median(found), quantiles(found, n=100)[98])
        for name, found in (("answered", answered), ("applied", applied))
    ]
    print_table("ms from the request on an idle system", ("until it is", "median", "99 %"), rows)
    print_goal("until it is applied", [median(applied)], 10, at_most=True, unit="ms")
    if options.quick:
        reads(Amount(users=2_000, locations=300), 20_000)
    else:
        reads(Amount(users=200_000, locations=20_000), 400_000)


def reads(amount: Amount, entries: int) -> None:
    """Ask the API for users: without a backlog, and while one is processed."""
    with server() as running, Redis(port=running.port) as client:
        load_records(client, amount)
        port = free_port()
        with child(footfall("api", "--port", port, "--redis-url", running.url)):
            wait_until(lambda: answers(port), "the API server answers")
            idle_until = time.monotonic() + 1
            idle = asked(port, amount, lambda: time.monotonic() < idle_until)
            add_entries(client, amount, range(entries))
            with child(footfall("processor", "--redis-url", running.url)):
                while not int(client.get(KEYS.processed) or 0):
                    time.sleep(_POLL_S)
                busy = asked(port, amount, lambda: int(client.get(KEYS.processed) or 0) < entries)
    rows = [(name, median(found), quantiles(found, n=100)[98]) for name, found in (("idle", idle), ("busy", busy))]
    print_table("ms that the API takes for a user", ("the server is", "median", "99 %"), rows)
    print_goal("99 % of the API's answers under load", [rows[1][2]], 25, at_most=True, unit="ms")


def asked(port: int, amount: Amount, goes_on: Callable[[], bool]) -> list[float]:
    """ms of each GET of a user, one after the other, as long as it goes on."""
    connection, draw, found = http.client.HTTPConnection("127.0.0.1", port), random.Random(1), []
    while goes_on():
        start = time.perf_counter()
        connection.request("GET", f"/api/user/{draw.randint(1, amount.users)}")
        answer = connection.getresponse()
        answer.read()
        found.append((time.perf_counter() - start) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"the API answered {answer.status}")
    connection.close()
    return found


def answers(port: int) -> bool:
    """Whether the API server is there."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/user/1", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def measured(client: Redis, port: int) -> tuple[float, float]:
    """Seconds until one check-in was answered, and until it was applied."""
    time.sleep(_PAUSE_S)
    body = json.dumps({"userId": _USER, "locationId": _LOCATION, "starRating": 4})
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    start = time.perf_counter()
    connection.request("POST", "/api/checkin", body, {"Content-Type": "application/json"})
    ms = json.loads(connection.getresponse().read())["id"].partition("-")[0].encode()
    answered = time.perf_counter() - start
    while client.hget(KEYS.user(_USER).decode(), "lastCheckin") != ms:
        time.sleep(_POLL_S)
    applied = time.perf_counter() - start
    connection.close()
    return answered, applied


if __name__ == "__main__":
    main()
