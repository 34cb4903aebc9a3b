"""How long a check-in takes on an idle system: from the request to its effect on the user's record.

Run     .venv/bin/python benchmarks/latency.py [--check-ins 300] [--quick]       (Linux; half a minute)
Load    one check-in after another through a real receiver, with a pause between; one processor, which waits for them.
Prints  median and 99th percentile, from before the request is sent until it is answered, and until the user's record
        has it (asked for every 100 µs).
Expect  a median below 10 ms until it is applied.
Doesn't show: a system under load, where a check-in waits for those before it.
"""

import argparse
import http.client
import json
import time
from statistics import median, quantiles

from redis import Redis

from data import KEYS, Amount, load_records
from measure import child, end_in_order, footfall, print_goal, print_machine, print_table, server
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
