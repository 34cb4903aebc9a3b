"""The processor benchmark's data: loaded once by Footfall's own loader, then copied for each run.

A copy is the server's append-only file, rewritten to its shortest form, so each run starts on the same bytes in a
fresh server.
"""

import contextlib
import hashlib
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
from redis import Redis

from footfall import config
from footfall.domain.model import LoadedLocation
from footfall.embedded.server import EmbeddedServer
from footfall.keys import Keys
from footfall.operations.loader import LoadOptions, What, load
from measure import server, wait_until

KEYS = Keys("ncc")
#: ms; where the sample's check-ins begin, after everybody's last one
FIRST_MS = 1_609_602_085_397
SAMPLE_USERS, SAMPLE_LOCATIONS = 1000, 215
_CATEGORIES = ("retail", "cafe", "restaurant", "bar", "hair", "gym")
_APPEND_ONLY = "appendonlydir"
_PAGE = 1000


@dataclass(frozen=True)
class Amount:
    """How many users and locations; the sample's own, or invented ones."""

    users: int = SAMPLE_USERS
    locations: int = SAMPLE_LOCATIONS
    #: how popular the rank-th user or location is: 1 / rank ** zipf; 0 makes all alike
    zipf: float = 0

    @property
    def is_sample(self) -> bool:
        return (self.users, self.locations) == (SAMPLE_USERS, SAMPLE_LOCATIONS)


def prepare(directory: Path, amount: Amount, entries: Iterable[int]) -> dict[int, Path]:
    """For each of `entries` (rising), make a copy of the data with that many entries in the stream."""
    copies: dict[int, Path] = {}
    done = 0
    with server() as running, Redis(port=running.port) as client:
        load_records(client, amount)
        for number in entries:
            add_entries(client, amount, range(done, number))
            done = number
            wait_until(lambda: _is_rewritten(client), "a rewrite that the server has begun by itself is over")
            client.bgrewriteaof()
            wait_until(lambda: _is_rewritten(client), "the append-only file is rewritten")
            copies[number] = directory / str(number)
            shutil.copytree(_directory(client) / _APPEND_ONLY, copies[number] / _APPEND_ONLY)
    return copies


@contextlib.contextmanager
def restored(copy: Path) -> Iterator[tuple[EmbeddedServer, Redis]]:
    """A fresh server with a copy of the data."""
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as directory:
        shutil.copytree(copy, directory, dirs_exist_ok=True)
        with server(Path(directory)) as running, Redis(port=running.port) as client:
            yield running, client


def load_records(client: Redis, amount: Amount) -> None:
    """Write users and locations."""
    if amount.is_sample:
        _load(client, "users", None)
        _load(client, "locations", None)
    else:
        _invent_users(client, amount)
        _invent_locations(client, amount)


def add_entries(
    client: Redis, amount: Amount, numbers: range, ms_of: Callable[[int], int] = lambda number: FIRST_MS + number
) -> None:
    """Add unprocessed entries of users and locations that are drawn by their popularity: one per ms, or as `ms_of`."""
    draw = random.Random(numbers.start)
    users, locations = _ids(draw, amount.users, amount.zipf), _ids(draw, amount.locations, amount.zipf)
    for start in range(numbers.start, numbers.stop, _PAGE):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, min(start + _PAGE, numbers.stop)):
            check_in: dict[Any, Any] = {
                "locationId": next(locations),
                "userId": next(users),
                "starRating": draw.randint(0, 5),
            }
            pipeline.xadd(KEYS.stream, check_in, id=f"{ms_of(number)}-0")
        pipeline.execute()


def _ids(draw: random.Random, most: int, zipf: float) -> Iterator[int]:
    """Ids without end; the popular ones are anywhere among them."""
    ids = draw.sample(range(1, most + 1), most)
    weights = list(accumulate(rank**-zipf for rank in range(1, most + 1)))
    while True:
        yield from draw.choices(ids, cum_weights=weights, k=_PAGE)


def digests(client: Redis) -> dict[str, str]:
    """One hash over everything that processing writes, for each kind of it: equal data, equal hashes."""
    seen = client.zrangebyscore(KEYS.users_recent, FIRST_MS, "+inf")
    found = {
        "users seen": _digest_records(client, seen, KEYS.user),
        "locations": _digest_records(client, client.zrange(KEYS.locations_by_checkins, 0, -1), KEYS.location),
        "checkpoint and processed": _digest(client.mget(KEYS.checkpoint, KEYS.processed)),
        "dead letters": _digest(client.xlen(KEYS.dead_letters)),
    }
    for index in (KEYS.users_by_checkins, KEYS.users_recent, KEYS.users_last_seen, KEYS.locations_by_checkins):
        found[index.decode()] = _digest(client.zrange(index, 0, -1, withscores=True))
    return found


def _invent_users(client: Redis, amount: Amount) -> None:
    write = client.register_script(Path(__file__).with_name("users.lua").read_bytes())
    indexes = [KEYS.users_by_checkins, KEYS.users_recent, KEYS.users_last_seen]
    for first in range(1, amount.users + 1, _PAGE):
        ids = range(first, min(first + _PAGE, amount.users + 1))
        write(keys=[*indexes, *map(KEYS.user, ids)], args=[first, amount.locations, FIRST_MS - 1])


def _invent_locations(client: Redis, amount: Amount) -> None:
    draw = random.Random(amount.locations)
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as directory:
        path = Path(directory) / "locations.ndjson"
        with path.open("wb") as file:
            for number in range(1, amount.locations + 1):
                location = LoadedLocation(
                    id=number,
                    name=f"Place {number}",
                    category=draw.choice(_CATEGORIES),
                    location=f"{draw.uniform(-122.6, -121.7):.6f},{draw.uniform(37.2, 38.0):.6f}",
                    num_checkins=1000,
                    num_stars=draw.randint(0, 5000),
                )
                file.write(msgspec.json.encode(location) + b"\n")
        _load(client, "locations", path)


def _load(client: Redis, what: What, path: Path | None) -> None:
    options = LoadOptions(source=path, sample=path is None)
    load(what, options, config.load(), client, confirm=lambda _prompt: False, progress=None)


def _digest_records(client: Redis, ids: Any, key_of: Callable[[bytes], bytes]) -> str:
    digest = []
    for start in range(0, len(ids), _PAGE):
        pipeline = client.pipeline(transaction=False)
        for one in ids[start : start + _PAGE]:
            pipeline.hgetall(key_of(one))
        digest += [sorted(record.items()) for record in pipeline.execute()]
    return _digest(digest)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _is_rewritten(client: Redis) -> bool:
    info = client.info("persistence")
    return not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]


def _directory(client: Redis) -> Path:
    return Path(str(client.config_get("dir")["dir"]))
