"""What capturing one check-in costs the receiver, next to other ways to answer the same requests.

Run     .venv/bin/python benchmarks/receiver.py [--seconds 4] [--rounds 5] [--only NAME ...] [--quick]
        (Linux; eleven minutes; needs wrk, and nginx-light and redis-tools for their rows: Debian packages)
Load    wrk, one thread, 64 keep-alive connections, check-ins of the sample's users at its locations: with wrk's bare
        headers; with the ten that a phone app or a browser sends besides; and with two more that differ in each
        request, as tracing has them. One process answers. Valkey runs on the same machine, append-only file on (fsync
        every second), no processor. Every 202 of Footfall's follows the server's confirmation.
Prints  CPU µs per check-in (user + system of the process that answers), check-ins/s, p50 and p99 per request, and
        memory; medians over the rounds, and the goals, as ratios of what was measured in the same round. Then how many
        check-ins/s receive.lua alone and pipelined XADDs alone reach on the server.
Expect  fast path: at most 0.6 times the CPU of an empty ASGI app with bare headers and 0.7 times with ten, a 15th of
        FastAPI + redis-py's, p99 below 3 times the empty app's; batches: at most 3 µs, 0.6 times receive.lua's rate;
        with sign-in on, at most 3 µs more: with a session of one user on each connection, and with 1,000 users mixed
        on all of them.
Doesn't show: a network; what the server's CPU costs; more connections than 64. With two cores wrk, the receiver and
        Valkey share them, so check-ins/s say less than CPU does.
"""

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

from redis import Redis

import wrk
from data import KEYS, SAMPLE_USERS, Amount, load_records
from footfall.config import SETTINGS
from footfall.identity.credentials import COOKIE, digest
from measure import (
    child,
    console,
    end_in_order,
    footfall,
    free_port,
    print_goal,
    print_machine,
    print_table,
    server,
    wait_until,
)

#: seconds after which what wrk has left behind at the end of a run is done
_REST_S = 1.0
_PEERS = Path(__file__).parent / "peers"
_FAST, _BATCHES, _EMPTY = "fast path", "batches of 1,000", "empty ASGI app"
_SESSION, _SESSIONS = "fast path, a session", "fast path, 1,000 sessions"
_FASTAPI, _NGINX = "FastAPI + redis-py", "nginx 202"
_HEADERS = {
    "bare": "wrk's bare headers",
    "phone": "the headers of a phone app",
    "traced": "the headers of a phone app, and two that differ in each request",
}
_NGINX_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {directory}/pid; error_log {directory}/log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {directory}; proxy_temp_path {directory};
  fastcgi_temp_path {directory}; uwsgi_temp_path {directory}; scgi_temp_path {directory};
  server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 202 '{{"id":"0-0"}}'; }} }}
}}
"""
#: what was measured of each target, round by round
Loads = dict[str, list[wrk.Load]]

_COLUMNS: dict[str, Callable[[wrk.Load], float]] = {
    "µs CPU": lambda load: load.cpu_us,
    "check-ins/s": lambda load: load.per_s,
    "p50 ms": lambda load: load.p50_ms,
    "p99 ms": lambda load: load.p99_ms,
    "MB": lambda load: load.memory_mb,
}


@dataclass(frozen=True)
class Target:
    """One way to answer: the command that runs it on a port."""

    name: str
    command: Callable[[int], list[str]]
    path: str = "/api/checkin"
    per_request: int = 1
    sessions: wrk.Sessions = "none"


def main() -> None:
    """Measure every target with both sets of headers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of targets")
    parser.add_argument("--quick", action="store_true", help="only see that it works; the numbers mean nothing")
    options = parser.parse_args()
    end_in_order()
    wrk.require()
    if options.quick:
        options.seconds, options.rounds = 1, 1
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as directory, server() as running:
        with Redis(port=running.port) as client:
            load_records(client, Amount())
            begin_sessions(client)
            print_machine(client)
        targets = [
            target
            for target in all_targets(running.url, Path(directory))
            if not options.only or target.name in options.only
        ]
        for headers in ("bare", "phone", "traced"):
            loads = compare(targets, headers, options.seconds, options.rounds)
            print_auth_goals(loads)
            if headers != "traced":
                print_goals(loads, headers)
            if headers == "bare":
                bare = loads
        print_ceilings(running.url, running.port, options.seconds, bare.get(_BATCHES, []))


def all_targets(redis_url: str, directory: Path) -> list[Target]:
    """What is compared: Footfall's first, then the yardsticks."""
    targets = [
        Target(_FAST, lambda port: receiver(redis_url, port)),
        Target(_SESSION, lambda port: receiver(redis_url, port, "--auth"), sessions="one"),
        Target(_SESSIONS, lambda port: receiver(redis_url, port, "--auth"), sessions="many"),
        # a query is enough for a request not to be plain
        Target("ASGI path", lambda port: receiver(redis_url, port), path="/api/checkin?"),
        Target(_BATCHES, lambda port: receiver(redis_url, port), path="/api/checkins", per_request=1000),
        Target(_EMPTY, lambda port: [sys.executable, str(_PEERS / "empty_asgi.py"), str(port)]),
        Target(_FASTAPI, lambda port: fastapi(redis_url, port)),
    ]
    if shutil.which("nginx"):
        targets.append(Target(_NGINX, lambda port: nginx(directory, port)))
    else:
        console.print("nginx is not installed (apt-get install nginx-light): its row is left out.")
    return targets


def compare(targets: Sequence[Target], headers: wrk.Headers, seconds: int, rounds: int) -> Loads:
    """Measure the targets in turn, several times, and print what came of it."""
    loads: Loads = {target.name: [] for target in targets}
    for _ in range(rounds):
        for target in targets:
            loads[target.name].append(measured(target, headers, seconds))
    rows: list[tuple[str | float, ...]] = [
        (name, *(median(map(of, found)) for of in _COLUMNS.values())) for name, found in loads.items()
    ]
    print_table(f"one check-in, {_HEADERS[headers]}; medians of {rounds} rounds", ("", *_COLUMNS), rows)
    return loads


def print_goals(loads: Loads, headers: wrk.Headers) -> None:
    """Compare what was measured in the same round."""
    if {_FAST, _EMPTY, _FASTAPI} <= loads.keys():
        together = list(zip(loads[_FAST], loads[_EMPTY], loads[_FASTAPI], strict=True))
        cpu = [fast.cpu_us / empty.cpu_us for fast, empty, _ in together]
        print_goal("fast path's CPU / empty ASGI app's", cpu, 0.6 if headers == "bare" else 0.7, at_most=True)
        print_goal("FastAPI's CPU / fast path's", [other.cpu_us / fast.cpu_us for fast, _, other in together], 15)
        p99 = [fast.p99_ms / empty.p99_ms for fast, empty, _ in together]
        print_goal("fast path's p99 / empty ASGI app's", p99, 3, at_most=True)
    if _BATCHES in loads:
        print_goal("batches' CPU", [load.cpu_us for load in loads[_BATCHES]], 3, at_most=True, unit="µs")
    console.print()


def print_auth_goals(loads: Loads) -> None:
    """What it costs to know who posts."""
    for name in (_SESSION, _SESSIONS):
        if {_FAST, name} <= loads.keys():
            more = [other.cpu_us - fast.cpu_us for other, fast in zip(loads[name], loads[_FAST], strict=True)]
            print_goal(f"{name}: CPU beyond the fast path's", more, 3, at_most=True, unit="µs")


def print_ceilings(redis_url: str, port: int, seconds: int, batches: Sequence[wrk.Load]) -> None:
    """What the server reaches without a receiver, and how near the batches come to it."""
    script = [sys.executable, str(_PEERS / "receive_script.py"), redis_url, str(seconds)]
    alone = [float(output(script)) for _ in range(max(1, len(batches)))]
    rows: list[tuple[str, float]] = [("receive.lua alone", median(alone))]
    if shutil.which("redis-benchmark"):
        command = ["redis-benchmark", "-p", str(port), "-n", "500000", "-c", "4", "-P", "64", "--csv", "-q"]
        fields = ["locationId", "13", "userId", "180", "starRating", "4"]
        last = output([*command, "XADD", "bench:checkins", "*", *fields]).strip().rpartition("\n")[2]
        rows.append(("redis-benchmark, XADD, pipelined", float(last.split(",")[1].strip('"'))))
    else:
        console.print("redis-benchmark is not installed (apt-get install redis-tools): its row is left out.")
    print_table("the server alone", ("", "check-ins/s"), rows)
    if batches:
        reached = [load.per_s / rate for load, rate in zip(batches, alone, strict=True)]
        print_goal("batches' check-ins/s / receive.lua's", reached, 0.6)


def output(command: Sequence[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def measured(target: Target, headers: wrk.Headers, seconds: int) -> wrk.Load:
    """The load on a fresh process, warm."""
    with listening(target) as (port, pid):
        load = partial(wrk.post, path=target.path, per_request=target.per_request, sessions=target.sessions)
        load(port, pid, 1, headers)
        time.sleep(_REST_S)
        return load(port, pid, seconds, headers)


@contextlib.contextmanager
def listening(target: Target) -> Iterator[tuple[int, int]]:
    """The target's process, as soon as it takes check-ins: its port and its pid."""
    port = free_port()
    with child(target.command(port)) as process:
        wait_until(lambda: takes_check_ins(port, target.path), f"{target.name} answers 202")
        yield port, process.pid


def takes_check_ins(port: int, path: str) -> bool:
    """Whether a check-in is answered with 202."""
    body = b'{"userId":180,"locationId":13,"starRating":4}'
    body = b"[" + body + b"]" if path.endswith("s") else body
    headers = {"Content-Type": "application/json", "Cookie": f"{COOKIE}={wrk.session_id(180)}"}
    request = Request(f"http://127.0.0.1:{port}{path}", body, headers)
    try:
        with urlopen(request, timeout=5) as answer:
            return bool(answer.status == 202)
    except OSError:
        return False


def receiver(redis_url: str, port: int, *options: str) -> list[str]:
    """Footfall's receiver; the backlog may grow, since nothing processes it."""
    return footfall("receiver", "--redis-url", redis_url, "--port", port, "--max-backlog", 10**9, *options)


def begin_sessions(client: Redis) -> None:
    """A session for each of the sample's users."""
    for user in range(1, SAMPLE_USERS + 1):
        key = KEYS.session(digest(wrk.session_id(user)))
        client.set(key, b'{"userId":%d}' % user, ex=SETTINGS["session_ttl_s"].info.default)


def fastapi(redis_url: str, port: int) -> list[str]:
    """FastAPI + redis-py."""
    return [sys.executable, str(_PEERS / "fastapi_redis_py.py"), str(port), redis_url]


def nginx(directory: Path, port: int) -> list[str]:
    """nginx in one process, with a configuration and a directory of its own."""
    config = directory / "nginx.conf"
    config.write_text(_NGINX_CONFIG.format(directory=directory, port=port))
    return ["nginx", "-c", str(config), "-p", str(directory), "-e", str(directory / "log")]


if __name__ == "__main__":
    main()
