"""kill -9 of the loader at random moments: running it again gives what an undisturbed load gives."""

import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import Server
from test_loader import KEYS, Bench, assert_indexes_are_exact, content
from test_loader_checkins import prepare

ROUNDS = 12

#: loads a small sample in small steps, so that a kill falls into every phase
LOADER = """
import sys
import redis
from footfall import config, loader, sample
from footfall.loader import records, reset, stream
for name, count in ("users", 40), ("locations", 20), ("check_ins", 60):
    rows = getattr(sample, name)()[:count]
    setattr(sample, name, lambda rows=rows: rows)
records._USERS = records._LOCATIONS = reset._CHUNK = stream._CHUNK = 2
client = redis.Redis(port=int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
settings = config.load({"load_reset": True, "load_yes": True})
loader.load("all", settings, client, confirm=lambda prompt: False, progress=None)
"""


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


def loader(bench: Bench, kill_after_s: float | None = None) -> float:
    """Run a loader, killed after so many seconds if it still runs. Returns how long it ran."""
    with subprocess.Popen(
        [sys.executable, "-c", LOADER, str(bench.server.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            start = time.monotonic()
            print(file=process.stdin, flush=True)
            try:
                assert process.wait(kill_after_s) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                bench.client.delete(KEYS.loader_lease)  # it would end by itself in 10 s
            return time.monotonic() - start
        finally:
            process.kill()


def result(bench: Bench) -> dict[bytes, Any]:
    """All that a load determines: not the salts, nor how often loads have ended."""
    state = content(bench.client)
    for key, value in state.items():
        if re.fullmatch(rb"ncc:users:\d+", key):
            value.pop(b"password")
    state[KEYS.meta].pop(b"generation")
    return state


def test_a_killed_load_is_finished_by_running_it_again(bench: Bench) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    rng = random.Random(seed)
    prepare(bench)
    before = {key: bench.client.dump(key) for key in bench.client.keys("*")}
    duration = loader(bench)
    undisturbed = result(bench)
    assert bench.meta("loaded") == "60"
    assert_indexes_are_exact(bench.client)
    seen: set[str] = set()
    for _ in range(ROUNDS):
        bench.client.flushall()
        for key, value in before.items():
            bench.client.restore(key, 0, value)
        for _ in range(rng.choice((1, 1, 2))):
            loader(bench, rng.uniform(0, duration))
            seen.add(bench.meta("state"))
        loader(bench)
        assert result(bench) == undisturbed
    print(f"states seen: {seen}")
