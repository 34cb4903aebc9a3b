"""The load of the HTTP benchmarks: wrk over keep-alive connections, and what it costs the server that answers."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from measure import cpu_s, memory_mb

#: wrk's own headers; or these and the ten that a phone app or a browser sends besides; or these and two that differ
#: in each request, as tracing has them
Headers = Literal["bare", "phone", "traced"]

#: whose sessions' cookies go along: none, that of user 1, who posts everything then, or that of each check-in's user
Sessions = Literal["none", "one", "many"]

CONNECTIONS = 64
#: of reads: fewer, since some answers take long
READERS = 32
_POST = Path(__file__).with_name("post.lua")
_GET = Path(__file__).with_name("get.lua")


class _Summary(msgspec.Struct):
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    failed: int


@dataclass(frozen=True)
class Load:
    """What a stretch of load came to."""

    #: check-ins answered; of `get`, requests
    check_ins: int
    per_s: float
    #: user + system time of the process that answered, per check-in or request
    cpu_us: float
    p50_ms: float
    p99_ms: float
    #: resident, at the end
    memory_mb: float


def session_id(user_id: int) -> str:
    """The id of a user's session, as post.lua has it."""
    return f"{user_id:043d}"


def require() -> None:
    """End the program with what to do when wrk is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")


def post(
    port: int,
    pid: int,
    seconds: int,
    headers: Headers,
    *,
    path: str = "/api/checkin",
    per_request: int = 1,
    sessions: Sessions = "none",
) -> Load:
    """Post check-ins to the process `pid` for some seconds. Raises when one is refused or not answered."""
    options = [f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(_POST), f"http://127.0.0.1:{port}"]
    return _measured(pid, [*options, "--", headers, path, str(per_request), sessions], per_request)


def get(port: int, pid: int, seconds: int, paths: Sequence[str]) -> Load:
    """Get these paths of the process `pid` in turn for some seconds. Raises when one is not answered with 2xx."""
    options = [f"-c{READERS}", f"-d{seconds}s", "-s", str(_GET), f"http://127.0.0.1:{port}"]
    return _measured(pid, [*options, "--", *paths], 1)


def _measured(pid: int, options: Sequence[str], per_request: int) -> Load:
    before = cpu_s(pid)
    done = subprocess.run(["wrk", "-t1", *options], capture_output=True, text=True, check=True)
    used = cpu_s(pid) - before
    summary = msgspec.json.decode(done.stdout.strip().rpartition("\n")[2], type=_Summary)
    if summary.refused or summary.failed or not summary.requests:
        what = " ".join(options)[:200]
        raise RuntimeError(f"{summary.refused} refused and {summary.failed} failed of {summary.requests}: {what}")
    check_ins = summary.requests * per_request
    return Load(
        check_ins=check_ins,
        per_s=check_ins / summary.seconds,
        cpu_us=used / check_ins * 1e6,
        p50_ms=summary.p50_ms,
        p99_ms=summary.p99_ms,
        memory_mb=memory_mb(pid),
    )
