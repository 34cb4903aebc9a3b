"""kill -9 of the loader at random moments: running it again gives what an undisturbed load gives."""

import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest

from footfall import config
from footfall.errors import RefusedError
from footfall.operations import loader
from footfall.operations.loader import abort
from loader_scene import KEYS, Bench, assert_indexes_are_exact, check_in, content, prepare, unchanged
from servers import Server, wait_until

ROUNDS = 25

#: Reads seconds from its input; for each it forks a loader, kills it when it still runs after that time, and prints
#: how long it ran and how it ended. The sample is small and the steps too, so that kills fall into every phase.
LOADERS = """
import os, signal, sys, time
from pathlib import Path
import redis
from footfall import config, sample
from footfall.operations import loader
from footfall.operations.loader import reset, stream, write_records as records
for name, count in ("users", 40), ("locations", 20), ("check_ins", 60):
    rows = getattr(sample, name)()[:count]
    setattr(sample, name, lambda rows=rows: rows)
records.USERS_AT_ONCE = records.LOCATIONS_AT_ONCE = reset.KEYS_AT_ONCE = stream.CHUNK = 2
chosen = {"source": Path(sys.argv[3]), "append": True} if sys.argv[3:] else {"sample": True, "reset": True}
options = loader.LoadOptions(unknown_becomes_dead_letters=True, **chosen)

def load():
    client = redis.Redis(port=int(sys.argv[1]))
    loader.load(sys.argv[2], options, config.load(), client, confirm=lambda prompt: True, progress=None)

for line in sys.stdin:
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        load()
        os._exit(0)
    ended, status = 0, None
    while not ended:
        if time.monotonic() > start + float(line):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.0005)
        ended, status = os.waitpid(pid, os.WNOHANG)
    print(time.monotonic() - start, os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


class Loaders:
    """Loaders that can be killed, one after the other."""

    def __init__(self, bench: Bench, what: str, *file: str) -> None:
        self._client = bench.client
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOADERS, str(bench.server.port), what, *file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, kill_after_s: float = 60.0) -> tuple[float, bool]:
        """Run a loader, kill -9 after so many seconds. Returns how many it ran, and whether it was killed."""
        assert self._process.stdin
        assert self._process.stdout
        print(kill_after_s, file=self._process.stdin, flush=True)
        duration, status = self._process.stdout.readline().split()
        assert status in ("0", "-9")
        if status == "-9":
            self._client.delete(KEYS.loader_lease)  # it would end by itself in 10 s
        return float(duration), status == "-9"


def result(bench: Bench) -> dict[bytes, Any]:
    """All that a load determines: not the salts, nor how often loads have ended."""
    state = content(bench.client)
    for key, value in state.items():
        if re.fullmatch(rb"ncc:users:\d+", key):
            value.pop(b"password", None)
    state[KEYS.meta].pop(b"generation")
    return state


def test_a_killed_load_is_finished_by_running_it_again(bench: Bench) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    rng = random.Random(seed)
    prepare(bench)
    before = {key: bench.client.dump(key) for key in bench.client.keys("*")}
    kills = Counter[str]()
    with Loaders(bench, "all") as loaders:
        duration, _ = loaders.run()
        undisturbed = result(bench)
        assert bench.meta("loaded") == "60"
        assert_indexes_are_exact(bench.client)
        for _ in range(ROUNDS):
            bench.client.flushall()
            for key, value in before.items():
                bench.client.restore(key, 0, value)
            for _ in range(rng.choice((1, 1, 2))):
                _, killed = loaders.run(rng.uniform(0, duration))
                if killed:
                    kills[bench.meta("state")] += 1
            assert not loaders.run()[1]
            assert result(bench) == undisturbed
    print(f"killed while the state was: {kills}")
    assert kills["loading"], "some of so many kills hit while check-ins were loaded"


@pytest.mark.parametrize("append", [False, True])
def test_a_killed_load_is_undone_by_aborting_it_unless_it_had_switched(bench: Bench, append: bool) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    rng = random.Random(seed)
    prepare(bench)
    newest = int(bench.client.xinfo_stream(KEYS.stream)["last-generated-id"].partition(b"-")[0])
    wait_until(lambda: int(bench.client.time()[0]) * 1000 > newest + 1000, "what is appended is not in the future")
    rows = [check_in(f"{newest + 1 + number}-0", 1 + number % 3, 1, 4) for number in range(60)]
    file = bench.directory / "later.json"
    file.write_bytes(msgspec.json.encode(rows))
    before = {key: bench.client.dump(key) for key in bench.client.keys("*")}
    as_before = result(bench)
    ends = Counter[str]()
    with Loaders(bench, "checkins", *([str(file)] if append else [])) as loaders:
        duration, _ = loaders.run()
        undisturbed = result(bench)
        assert undisturbed != as_before
        for _ in range(2 * ROUNDS):
            bench.client.flushall()
            for key, value in before.items():
                bench.client.restore(key, 0, value)
            _, killed = loaders.run(rng.uniform(0, duration))
            if bench.meta("state") != "loading":
                with unchanged(bench), pytest.raises(RefusedError, match="no load of check-ins was interrupted"):
                    abort(config.load(), bench.client, progress=None)
                continue
            said = abort(config.load(), bench.client, progress=None)
            ends[said.split()[0]] += killed
            assert result(bench) == (as_before if said.startswith("Aborted `footfall load checkins") else undisturbed)
            assert bench.meta("state") == "ready"
            assert not bench.client.exists(KEYS.loader_lease, KEYS.staging)
    print(f"how they ended: {ends}")
    assert ends["Aborted"], "some of so many kills hit while check-ins were staged"


STAGES = ("begin", "stage", "switch", "finish")


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("stage", STAGES)
def test_a_load_that_ends_at_a_stage_is_undone_or_finished_to_the_last_byte(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, stage: str, after: bool, append: bool
) -> None:
    prepare(bench)
    bench.client.hset(KEYS.meta, "sample", "1")  # it comes back, too
    newest = int(bench.client.xinfo_stream(KEYS.stream)["last-generated-id"].partition(b"-")[0])
    wait_until(lambda: int(bench.client.time()[0]) * 1000 > newest + 10, "what is appended is not in the future")
    rows = [check_in(f"{newest + 1 + number}-0", 1, 1, 4) for number in range(3)]
    how: dict[str, Any] = {"append": True} if append else {"replace": True, "yes": True}
    before = content(bench.client)
    real = getattr(loader, stage)

    def cut(*arguments: Any, **options: Any) -> None:
        if after:
            real(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loader, stage, cut)
        with pytest.raises(KeyboardInterrupt):
            bench.load("checkins", rows, **how)
    has_begun = (stage, after) != ("begin", False)
    is_done = (stage, after) == ("finish", True)
    if not has_begun or is_done:
        with unchanged(bench), pytest.raises(RefusedError, match="no load of check-ins was interrupted"):
            abort(config.load(), bench.client, progress=None)
    else:
        said = abort(config.load(), bench.client, progress=None)
        assert said.startswith("Aborted") == (
            (stage, after) in [("begin", True), ("stage", False), ("stage", True), ("switch", False)]
        )
    has_switched = STAGES.index(stage) + after > STAGES.index("switch")
    if has_switched:
        ended = content(bench.client)
        bench.client.flushall()
        prepare(bench)
        assert ended[KEYS.meta][b"state"] == b"ready"
        assert b"sample" not in ended[KEYS.meta]
        assert len(ended[KEYS.stream][0]) == (len(before[KEYS.stream][0]) if append else 0) + 3
        assert not {b"load", b"switched", b"anew"} & ended[KEYS.meta].keys()
    else:
        assert content(bench.client) == before
