"""Loading onto a server that holds what it must not, or that is not there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from footfall import config
from footfall.errors import BrokenKeyError, UnavailableError
from footfall.operations.loader import LoadOptions, What, load
from footfall.store.metadata import position
from loader_scene import KEYS, NEW, Bench, assert_at_baselines, content, location, no_question, prepare, unchanged, user
from servers import Server


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


FIXED = [
    *("loader:lease", "meta", "checkins", "checkins:staging", "checkins:dead", "checkinprocessor:lastid"),
    *("checkinprocessor:processed", "users:bycheckins", "users:recent", "users:lastseen", "users:email"),
    *("users:baseline", "users:180", "locations:bycheckins", "locations:geo", "locations:baseline"),
    *("locations:category:cafe", "locations:13", "locationdetails:13"),
]


@pytest.mark.parametrize("key", FIXED)
def test_a_key_of_the_wrong_type_is_named_before_anything_is_written(bench: Bench, key: str) -> None:
    bench.load("checkins", NEW)
    bench.client.hset(KEYS.meta, "sample", "1")
    bench.client.delete(f"ncc:{key}")
    bench.client.sadd(f"ncc:{key}", "not ours")
    with unchanged(bench), pytest.raises(BrokenKeyError, match=f"ncc:{key}"):
        bench.load("all")


@pytest.mark.parametrize("key", ["users:bycheckins", "users:1", "users:baseline", "locations:1"])
def test_a_reset_does_not_begin_on_records_or_indexes_of_the_wrong_type(bench: Bench, key: str) -> None:
    prepare(bench)
    bench.client.delete(f"ncc:{key}")
    bench.client.sadd(f"ncc:{key}", "not ours")
    with unchanged(bench), pytest.raises(BrokenKeyError, match=f"ncc:{key}"):
        bench.load("checkins", NEW, reset=True, yes=True)


@pytest.mark.parametrize(
    ("what", "key", "field"),
    [
        ("users", "users:1", "numCheckins"),
        ("users", "users:1", "lastCheckin"),
        ("users", "users:baseline", "1"),
        ("locations", "locations:1", "numStars"),
        ("locations", "locations:baseline", "1"),
    ],
)
def test_a_number_that_is_none_is_named_and_the_chunk_not_written(
    bench: Bench, what: What, key: str, field: str
) -> None:
    prepare(bench)
    bench.client.hset(f"ncc:{key}", field, "many")
    row = {"users": user, "locations": location}[what]
    with unchanged(bench), pytest.raises(BrokenKeyError, match=f"ncc:{key}"):
        bench.load(what, [row(2), row(1)])


@pytest.mark.parametrize("damage", ["missing", "wrong type", "nonsense"])
@pytest.mark.parametrize("key", ["checkins", "checkinprocessor:lastid", "checkinprocessor:processed", "meta"])
def test_a_reset_makes_broken_metadata_anew(bench: Bench, key: str, damage: str) -> None:
    prepare(bench)
    bench.client.delete(f"ncc:{key}")
    if damage == "wrong type":
        bench.client.sadd(f"ncc:{key}", "not ours")
    elif damage == "nonsense" and key == "meta":
        fields = {"schema": 1, "shards": 1, "generation": "1", "state": "?"}
        bench.client.hset(f"ncc:{key}", mapping=fields)
    elif damage == "nonsense":
        bench.client.set(f"ncc:{key}", "nonsense")
    before = content(bench.client) if damage != "wrong type" else {}
    if (key, damage) != ("meta", "missing"):  # that is how another program's data looks
        with pytest.raises(BrokenKeyError, match=f"ncc:{key}"):
            bench.load("checkins", NEW)
        assert not before or content(bench.client) == before
    bench.load("checkins", NEW, reset=True, yes=True)
    assert_at_baselines(bench)
    assert position(bench.client, KEYS).checkpoint == b"0"


def test_the_data_of_another_schema_is_left_alone_even_by_a_reset(bench: Bench) -> None:
    prepare(bench)
    bench.client.hset(KEYS.meta, "schema", "99")
    with unchanged(bench), pytest.raises(BrokenKeyError, match="schema 99"):
        bench.load("all", reset=True, yes=True)


def test_a_server_that_is_not_there_is_said_to_be_so(own_server: Callable[..., Server]) -> None:
    server = own_server()
    server.kill()
    retry = Retry(NoBackoff(), 0)
    with redis.Redis(port=server.port, retry=retry) as client, pytest.raises(UnavailableError):
        load("all", LoadOptions(sample=True), config.load(), client, confirm=no_question, progress=None)


def test_the_servers_own_refusals_keep_their_meaning(bench: Bench) -> None:
    bench.load("users", [user()])
    bench.client.config_set("maxmemory", 1)
    with pytest.raises(UnavailableError, match="OOM"):
        bench.load("users", [user()])
