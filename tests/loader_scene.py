"""Files to load, and what must be there after."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import bcrypt
import msgspec
import pytest
import redis
from rich.progress import Progress

from chaos.scene import options_and_settings
from footfall.domain.model import MAX_ID, average_stars
from footfall.errors import ExitCode
from footfall.keys import Keys
from footfall.operations.loader import BadRowsError, Loaded, What, load
from footfall.processor.batch import Batch
from footfall.processor.calls import Calls
from footfall.store.metadata import open_metadata
from footfall.store.pipeline import Connection
from footfall.store.scripts import RECEIVE
from servers import Server

KEYS = Keys("ncc")


ROWS = dict[str, Any]


def content(client: Any) -> dict[bytes, Any]:
    """Every key with its value, but for when the metadata was made. (A DUMP of an unchanged hash may be another.)"""
    read: dict[bytes, Callable[[Any], Any]] = {
        b"hash": client.hgetall,
        b"string": client.get,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": lambda key: (
            client.xrange(key),
            {name: client.xinfo_stream(key)[name] for name in ("entries-added", "last-generated-id")},
        ),
    }
    found = {key: read[client.type(key)](key) for key in client.keys("*")}
    if isinstance(meta := found.get(KEYS.meta), dict):
        meta.pop(b"books", None)
    return found


def records(client: Any, kind: str) -> dict[int, dict[str, str]]:
    """All user (`kind` = users) or location records, by id."""
    found = {}
    for key in client.keys(f"ncc:{kind}:*"):
        if re.fullmatch(rb"ncc:\w+:\d+", key):
            record = client.hgetall(key)
            found[int(key.rpartition(b":")[2])] = {n.decode(): v.decode() for n, v in record.items()}
    return found


def assert_indexes_are_exact(client: Any) -> None:
    """Each index holds what follows from the records, and nothing else."""
    users, locations = records(client, "users"), records(client, "locations")
    assert all(int(r["id"]) == key for key, r in [*users.items(), *locations.items()])

    def zset(key: bytes) -> dict[bytes, float]:
        return dict(client.zrange(key, 0, -1, withscores=True))

    seen = {u: r for u, r in users.items() if "lastCheckin" in r}
    assert all("lastSeenAt" in record for record in seen.values())
    assert zset(KEYS.users_by_checkins) == {b"%d" % u: int(r["numCheckins"]) for u, r in users.items()}
    assert zset(KEYS.users_recent) == {b"%d" % u: int(r["lastCheckin"]) for u, r in seen.items()}
    assert zset(KEYS.users_last_seen) == {
        f"{int(r['lastSeenAt']):016}:{int(r['lastCheckin']):013}:{u}".encode(): 0 for u, r in seen.items()
    }
    assert client.hgetall(KEYS.users_email) == {
        r["email"].lower().encode(): b"%d" % u for u, r in users.items() if "email" in r
    }
    assert zset(KEYS.locations_by_checkins) == {b"%d" % x: int(r["numCheckins"]) for x, r in locations.items()}
    placed = {x: r for x, r in locations.items() if "location" in r}
    points = client.geopos(KEYS.locations_geo, *placed) if placed else []
    for record, point in zip(placed.values(), points, strict=True):
        assert point == pytest.approx(tuple(map(float, record["location"].split(","))), abs=1e-5)
    assert client.zcard(KEYS.locations_geo) == len(placed)
    found = {key: zset(key) for key in client.keys("ncc:locations:category:*")}
    wanted: dict[bytes, dict[bytes, float]] = {}
    for x, record in placed.items():
        wanted.setdefault(KEYS.category(record["category"]), {})[b"%d" % x] = x
    assert found == wanted
    for record in locations.values():
        average = average_stars(int(record["numStars"]), int(record["numCheckins"]))
        assert int(record["averageStars"]) == average


def user(user_id: int = 1, **values: Any) -> ROWS:
    """A row of users, with a bcrypt hash as password: hashing takes time."""
    return {
        "id": user_id,
        "firstName": "Ann",
        "lastName": "Lee",
        "email": f"User{user_id}@example.com",
        "password": HASH,
    } | values


def location(location_id: int = 1, **values: Any) -> ROWS:
    """A row of locations."""
    return {"id": location_id, "name": "The Place", "category": "cafe", "location": "-122.4,37.7"} | values


def check_in(entry_id: str, user_id: int = 1, location_id: int = 1, stars: int = 3) -> ROWS:
    """A row of check-ins."""
    return {"id": entry_id, "userId": user_id, "locationId": location_id, "starRating": stars}


HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


DETAILS = {
    "id": 1,
    "hours": [{"day": day, "hours": "7-19"} for day in range(7)],
    "socials": [{"name": "instagram", "handle": "theplace"}],
    "website": "https://theplace.example.com",
    "description": "A place.",
    "phone": "(415) 555-0100",
}


def no_question(prompt: str) -> bool:
    raise AssertionError(f"asked: {prompt}")


class Bench:
    """Loads rows into a server."""

    def __init__(self, server: Server, directory: Path) -> None:
        self.server = server
        self.client: Any = redis.Redis(port=server.port)  # its types leave str or bytes open
        self.directory = directory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def load(
        self,
        what: What,
        rows: list[ROWS] | None = None,
        confirm: Callable[[str], bool] = no_question,
        progress: Progress | None = None,
        *,
        yes: bool = False,
        **chosen: Any,
    ) -> Loaded:
        """Load these rows, or the sample, with these options and settings. Check-ins of nobody are loaded, too."""
        if rows is None:
            chosen.setdefault("sample", "source" not in chosen)
        if what == "checkins" and not chosen.get("sample"):
            chosen.setdefault("unknown_becomes_dead_letters", True)
        if rows is not None:
            chosen["source"] = self.directory / "rows.json"
            chosen["source"].write_bytes(msgspec.json.encode(rows))
        options, settings = options_and_settings(chosen)
        confirm = (lambda _prompt: True) if yes else confirm
        return load(what, options, settings, self.client, confirm=confirm, progress=progress)

    def receive(self, user_id: int, location_id: int, stars: int = 5, unknown_ids: str = "reject") -> bytes:
        """A check-in that comes through a receiver. Returns its id, or why it was refused."""
        keys = [KEYS.stream, KEYS.meta, KEYS.processed, KEYS.users_removed, KEYS.locations_removed, KEYS.checkpoint]
        keys += [KEYS.user(user_id), KEYS.location(location_id)]
        reply = RECEIVE.run_sync(self.client, keys, [1000, unknown_ids, 1, 0, 1, "", user_id, location_id, stars])
        answer: bytes | list[bytes] = reply[-1][-1] if reply[0] == b"OK" else reply[0]
        return answer if isinstance(answer, bytes) else answer[0]

    def process(self, *, create: bool = False) -> int:
        """Process the whole backlog. Returns how many entries that were."""
        return asyncio.run(self._process(create))

    async def _process(self, create: bool) -> int:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(5.0), "127.0.0.1", self.server.port)
        where = await open_metadata(connection, KEYS)
        entries = await connection.call("XRANGE", KEYS.stream, b"(" + where.checkpoint, "+")
        if entries:
            calls = Calls(connection, where)
            calls.send(calls.prepare(Batch(entries, KEYS, create=create)))
            await calls.finish_oldest()
        connection.abort("done")
        await asyncio.sleep(0)
        return len(entries)

    def user(self, user_id: int = 1) -> dict[str, str]:
        return records(self.client, "users")[user_id]

    def location(self, location_id: int = 1) -> dict[str, str]:
        return records(self.client, "locations")[location_id]

    def meta(self, field: str) -> str:
        value = self.client.hget("ncc:meta", field)
        return value.decode() if value else ""


@contextmanager
def unchanged(bench: Bench) -> Iterator[None]:
    """What happens inside changes nothing on the server."""
    before = content(bench.client)
    yield
    assert content(bench.client) == before


def prepare(bench: Bench) -> None:
    """Two users and locations, loaded; check-ins loaded and received, of created records too; a dead letter."""
    bench.load("users", [user(1, numCheckins=5, lastCheckin=500, lastSeenAt=2), user(2)])
    bench.load("locations", [location(1, numCheckins=5, numStars=13), location(2, category="bar")])
    bench.load("checkins", [check_in("1000-0", 1, 1, 5), check_in("1001-0", 2, 2, 1)])
    bench.receive(1, 2)
    bench.receive(33, 44, unknown_ids="create")
    bench.client.xadd(KEYS.stream, {"nonsense": "1"})
    bench.process(create=True)
    bench.receive(2, 1)
    assert bench.client.xlen(KEYS.dead_letters) == 1
    assert bench.user(33)["numCheckins"] == "1"
    assert_indexes_are_exact(bench.client)


def assert_at_baselines(bench: Bench) -> None:
    """What `prepare` has loaded is there, and nothing of its check-ins."""
    users, locations = records(bench.client, "users"), records(bench.client, "locations")
    assert users.keys() == {1, 2}
    assert locations.keys() == {1, 2}
    assert users[1].items() >= {"numCheckins": "5", "lastCheckin": "500", "lastSeenAt": "2"}.items()
    assert users[2]["numCheckins"] == "0"
    assert "lastCheckin" not in users[2]
    assert locations[1].items() >= {"numCheckins": "5", "numStars": "13", "averageStars": "3"}.items()
    assert locations[2].items() >= {"numCheckins": "0", "numStars": "0", "averageStars": "0"}.items()
    assert bench.client.mget(KEYS.checkpoint, KEYS.processed) == [b"0", b"0"]
    assert not bench.client.exists(KEYS.dead_letters, KEYS.staging)
    assert bench.meta("state") == "ready"
    assert_indexes_are_exact(bench.client)


NEW = [check_in("2000-5", 1, 1, 4), check_in("2001", 2, 2, 2)]


def load_bytes(bench: Bench, what: What, name: str, data: bytes) -> Loaded:
    """Load a file of this name and content."""
    path = bench.directory / name
    path.write_bytes(data)
    return bench.load(what, source=path, bcrypt_cost=4)


def bad_lines(bench: Bench, what: What, name: str, data: bytes) -> list[str]:
    """The lines of the error that loading this file ends with, without the first. Nothing must be written."""
    with unchanged(bench), pytest.raises(BadRowsError) as error:
        load_bytes(bench, what, name, data)
    assert error.value.exit_code == ExitCode.BAD_ROWS
    first, *lines = str(error.value).splitlines()
    assert first.startswith(str(bench.directory / name))
    assert first.endswith("nothing was loaded")
    return lines


def as_array(rows: list[Any]) -> bytes:
    return msgspec.json.encode(rows)


def as_ndjson(rows: list[Any]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, rows))


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    header = list(dict.fromkeys(name for row in rows for name in row))
    lines = [header, *([str(row.get(name, "")) for name in header] for row in rows)]
    return "\r\n".join(",".join(f'"{cell}"' if "," in cell else cell for cell in line) for line in lines).encode()


USERS = [
    user(1, firstName="Zoë", lastName="D'Arc, Jr.", numCheckins=3, lastCheckin=500, lastSeenAt=MAX_ID),
    user(MAX_ID),
]


LOCATIONS = [location(1, numCheckins=2, numStars=9), location(2, location="-180,85.05112878")]


CHECK_INS = [check_in("1000-3"), check_in("1000-4", MAX_ID, MAX_ID, 0), check_in("1001")]
