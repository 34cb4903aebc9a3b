"""Loading the sample; and what the other tests of the loader share."""

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
from footfall import sample
from footfall.domain.model import average_stars
from footfall.errors import UsageError
from footfall.keys import Keys
from footfall.operations.loader import Loaded, What, load
from footfall.processor.batch import Batch
from footfall.processor.calls import Calls
from footfall.store.metadata import open_books
from footfall.store.pipeline import Connection
from footfall.store.scripts import RECEIVE
from servers import Server

KEYS = Keys("ncc")
ROWS = dict[str, Any]

# --- what the server holds


def content(client: Any) -> dict[bytes, Any]:
    """Every key with its value, but for when the books were made. (A DUMP of an unchanged hash may be another.)"""
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


# --- making input and traffic


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
        where = await open_books(connection, KEYS)
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


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


# --- the sample


def test_the_sample_is_there_after_one_load(bench: Bench) -> None:
    assert bench.load("all") == Loaded(users=1000, locations=215, checkins=5000)
    assert_indexes_are_exact(bench.client)
    entries = bench.client.xrange(KEYS.stream)
    assert [
        (entry_id.decode(), int(fields[b"userId"]), int(fields[b"locationId"]), int(fields[b"starRating"]))
        for entry_id, fields in entries
    ] == [(c.id, c.user_id, c.location_id, c.star_rating) for c in sample.check_ins()]
    assert list(entries[0][1]) == [b"locationId", b"userId", b"starRating"]
    assert {bench.user(row.id)["numCheckins"] for row in sample.users() if row.id == 180} == {"2331"}
    assert (bench.meta("state"), bench.meta("loaded")) == ("ready", "5000")
    assert bench.client.mget(KEYS.checkpoint, KEYS.processed) == [b"0", b"0"]
    assert not bench.client.exists(KEYS.staging, KEYS.loader_lease, KEYS.dead_letters)
    first = sample.locations()[0]
    assert msgspec.json.decode(bench.client.get(KEYS.location_details(1))) == msgspec.to_builtins(first.details)


def test_sample_users_share_a_password_but_no_hash(bench: Bench) -> None:
    bench.load("users")
    hashes = [record["password"] for record in records(bench.client, "users").values()]
    assert len(set(hashes)) == 1000
    assert bcrypt.checkpw(sample.PASSWORD.encode(), hashes[0].encode())


def test_kinds_can_be_loaded_one_by_one(bench: Bench) -> None:
    loaded = [bench.load(what) for what in ("users", "locations", "checkins")]
    assert loaded == [Loaded(1000, 0, 0), Loaded(0, 215, 0), Loaded(0, 0, 5000)]
    one_by_one = content(bench.client)
    bench.client.flushall()
    bench.load("all")
    at_once = content(bench.client)
    assert one_by_one.keys() == at_once.keys()
    assert all(one_by_one[key] == at_once[key] for key in at_once if not re.fullmatch(rb"ncc:users:\d+", key))


def test_a_file_cannot_hold_all_kinds(bench: Bench) -> None:
    with pytest.raises(UsageError, match="load users, locations or checkins"):
        bench.load("all", [])


def test_another_prefix_has_its_own_data(bench: Bench) -> None:
    bench.load("users", [user()], prefix="other")
    assert all(key.startswith(b"other:") for key in bench.client.keys("*"))


def test_progress_is_shown(bench: Bench) -> None:
    with Progress(disable=True) as progress:
        bench.load("users", [user(n) for n in range(1, 31)], progress=progress)
    assert progress.finished
    assert [task.description for task in progress.tasks] == ["reading rows.json", "users"]
