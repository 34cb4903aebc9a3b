"""What the proofs have in common: loaded records, entries, random numbers that can be repeated."""

import dataclasses
import os
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from chaos.replay import Replay
from footfall import config
from footfall.config import Settings
from footfall.operations.loader import Loaded, LoadOptions, What, load
from footfall.store.scripts import PROCESS
from servers import wait_until

#: environment variable with the seed of a run that is to be repeated
SEED_VARIABLE = "TEST_SEED"

#: environment variable that makes the tests with a `full` length run at it
FULL_VARIABLE = "TEST_FULL"

USERS, LOCATIONS = 40, 12
#: `retain` of tests that compare the whole stream with what was accepted: so much that nothing is trimmed
KEEP_ALL = 10**9
#: of users who were seen before
SEEN = {"lastCheckin": 1_500_000_000_000, "lastSeenAt": 5}
#: bcrypt of "secret": hashing takes time
_HASH = "$2b$04$NFfLk/9a/dTNmGLZCgbyzuEH/5m8K52mvNWKfXy3Y3z6F6hhVS2Km"

Row = dict[str, object]


def seeded() -> random.Random:
    """Random numbers; their seed is in the output of a test that fails."""
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(2**32))
    print(f"{SEED_VARIABLE}={seed}")
    return random.Random(seed)


def full(short: int, long: int) -> int:
    """How much of something a test does: little in a run of the suite, much under `make chaos`."""
    return long if os.environ.get(FULL_VARIABLE) else short


def user_row(user: int, **values: object) -> Row:
    """A row of users to load."""
    name = {"firstName": f"First{user}", "lastName": f"Last{user}", "email": f"user{user}@example.com"}
    return {"id": user, **name, "password": _HASH, "numCheckins": 3 * user, **values}


def location_row(location: int, **values: object) -> Row:
    """A row of locations to load."""
    counters = {"numCheckins": 2 * location, "numStars": 7 * location}
    return {"id": location, "name": f"Place {location}", "category": "cafe", "location": "1.5,2.5"} | counters | values


def options_and_settings(chosen: Mapping[str, Any]) -> tuple[LoadOptions, Settings]:
    """What a test chooses of a load, by name: what is no option is a setting."""
    options = {field.name for field in dataclasses.fields(LoadOptions)} & chosen.keys()
    settings = {name: value for name, value in chosen.items() if name not in options}
    return LoadOptions(**{name: chosen[name] for name in options}), config.load(settings)


def load_rows(client: Any, what: What, rows: list[Row], *, yes: bool = False, **chosen: Any) -> Loaded:
    """Load these rows with Footfall's loader."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "rows.json"
        path.write_bytes(msgspec.json.encode(rows))
        options, settings = options_and_settings({"source": path, **chosen})
        return load(what, options, settings, client, confirm=lambda _prompt: yes, progress=None)


def load_records(client: Any, *, create: bool = False) -> Replay:
    """Load users 1 to 40, every second one seen before, and locations 1 to 12; the metadata begin with them."""
    load_rows(client, "users", [user_row(user, **(SEEN if user % 2 else {})) for user in range(1, USERS + 1)])
    load_rows(client, "locations", [location_row(location) for location in range(1, LOCATIONS + 1)])
    # so that a processor's first call of it does not take two: tests hold back what belongs to one call
    client.script_load(PROCESS.source)
    return Replay.of_loaded(client, create=create)


def add(client: Any, user: int, location: int, stars: int, entry_id: str = "*") -> bytes:
    """Write a check-in to the stream, as the receiver does; its id."""
    added: bytes = client.execute_command(
        "XADD", "ncc:checkins", entry_id, "locationId", location, "userId", user, "starRating", stars
    )
    return added


def add_some(client: Any, rng: random.Random, count: int) -> None:
    """Write so many random check-ins to the stream, in one transaction."""
    pipeline = client.pipeline(transaction=True)
    for _ in range(count):
        add(pipeline, rng.randint(1, USERS), rng.randint(1, LOCATIONS), rng.randint(0, 5))
    pipeline.execute()


def processed(client: Any) -> int:
    """How many entries the checkpoint has passed."""
    return int(client.get("ncc:checkinprocessor:processed") or 0)


def wait_until_processed(client: Any, count: int) -> None:
    """Wait until the checkpoint has passed so many entries."""
    wait_until(lambda: processed(client) >= count, f"{count} entries are processed", 30)


def wait_until_drained(client: Any, timeout: float = 60) -> None:
    """Wait until the checkpoint is the stream's last entry."""

    def drained() -> bool:
        last = client.xrevrange("ncc:checkins", count=1)
        return bool(last) and bool(client.get("ncc:checkinprocessor:lastid") == last[0][0])

    wait_until(drained, "everything is processed", timeout)
