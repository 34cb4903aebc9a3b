"""Loading the sample; and what the other tests of the loader share."""

import re
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import msgspec
import pytest
from rich.progress import Progress

from footfall import sample
from footfall.errors import UsageError
from footfall.operations.loader import Loaded
from loader_scene import KEYS, Bench, assert_indexes_are_exact, content, records, user
from servers import Server

# --- what the server holds


# --- making input and traffic


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
