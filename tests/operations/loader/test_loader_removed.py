"""Loading again what was removed for good: skipped, row by row, and said."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit_scene import assert_sound
from chaos.replay import raw_client
from chaos.scene import Row, load_rows, location_row, user_row
from footfall import config
from footfall.errors import BrokenKeyError, ExitCode, RefusedError
from footfall.operations.loader import BadRowsError, Loaded, LoadOptions, What, load, rows
from footfall.operations.manage.users import Users
from manage_scene import KEYS, dump, manage_locations, manage_users
from processes import Footfall
from servers import Server


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client of users 1 to 3 and locations 1 to 3, of which 2 are removed."""
    client = raw_client(server.port)
    load_rows(client, "users", [user_row(user) for user in (1, 2, 3)])
    load_rows(client, "locations", [location_row(location) for location in (1, 2, 3)])
    manage_users(server, lambda users: users.remove(2))
    manage_locations(server, lambda locations: locations.remove(2))
    yield client
    client.close()


KINDS = pytest.mark.parametrize(("what", "row"), [("users", user_row), ("locations", location_row)])


def counts(loaded: Loaded, what: What) -> int:
    """How many of them were loaded; of nothing else there may be any."""
    assert loaded.users + loaded.locations + loaded.checkins == getattr(loaded, what)
    return int(getattr(loaded, what))


@KINDS
def test_rows_of_removed_ones_are_skipped_and_said_and_the_others_loaded(
    client: Any, what: What, row: Callable[[int], Row], caplog: pytest.LogCaptureFixture
) -> None:
    loaded = load_rows(client, what, [row(number) for number in (1, 2, 4)])
    assert counts(loaded, what) == 2
    assert loaded.skipped == (f"1 {what[:-1]} that was removed for good (2)",)
    assert f"Skipping 1 {what[:-1]} that was removed for good (2)." in caplog.messages
    assert client.exists(f"ncc:{what}:4")
    assert not client.exists(KEYS.user(2), KEYS.location(2))
    assert_sound(client)


def test_many_that_were_removed_are_counted_and_the_first_named(server: Server, client: Any) -> None:
    many = [*range(10, 20), 3]
    load_rows(client, "users", [user_row(user) for user in many])
    for user in many:
        manage_users(server, partial(_remove, user))
    loaded = load_rows(client, "users", [user_row(user) for user in [*many, 20]])
    assert loaded == Loaded(1, 0, 0, ("11 users that were removed for good (3, 10, 11, ...)",))


async def _remove(user: int, users: Users) -> None:
    await users.remove(user)


def test_the_e_mail_of_a_removed_user_may_be_another_ones_in_the_file(client: Any) -> None:
    both = [user_row(2), user_row(4, email=user_row(2)["email"])]
    assert load_rows(client, "users", both).users == 1
    assert client.hget(KEYS.user(4), "email") == b"user2@example.com"


@KINDS
def test_a_file_of_removed_ones_only_loads_nothing_and_says_so(
    client: Any, what: What, row: Callable[[int], Row]
) -> None:
    before = dump(client)
    loaded = load_rows(client, what, [row(2)])
    assert (counts(loaded, what), len(loaded.skipped)) == (0, 1)
    assert dump(client) == before


@KINDS
def test_bad_rows_beside_removed_ones_are_bad_still(client: Any, what: What, row: Callable[[int], Row]) -> None:
    before = dump(client)
    with pytest.raises(BadRowsError, match="1 bad row"):
        load_rows(client, what, [row(2), row(0), row(4)])
    assert dump(client) == before


@KINDS
def test_one_that_is_removed_while_it_is_loaded_is_skipped_too(
    client: Any,
    what: What,
    row: Callable[[int], Row],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(rows, "removed_ids", lambda *_: set())
    loaded = load_rows(client, what, [row(number) for number in (1, 2, 4)])
    assert counts(loaded, what) == 2
    assert loaded.skipped == (f"1 {what[:-1]} that was removed for good (2)",)
    assert f"Skipping {what[:-1]} 2: it was removed for good meanwhile." in caplog.messages
    assert client.exists(f"ncc:{what}:4")
    assert not client.exists(KEYS.user(2), KEYS.location(2))
    assert_sound(client)


def test_the_sample_is_loaded_without_what_was_removed_of_it(server: Server, client: Any) -> None:
    loaded = load(
        "all",
        LoadOptions(sample=True, reset=True),
        config.load(),
        client,
        confirm=bool,
        progress=None,
    )
    assert (loaded.users, loaded.locations) == (999, 214)
    assert loaded.skipped == (
        "1 user that was removed for good (2)",
        "1 location that was removed for good (2)",
    )
    assert not client.exists(KEYS.user(2), KEYS.location(2))


@pytest.mark.parametrize("unknown_ids", ["reject", "create"])
def test_check_ins_of_removed_ones_become_dead_letters_when_that_is_said(client: Any, unknown_ids: str) -> None:
    check_ins: list[Row] = [
        {"id": f"{1000 + number}-0", "userId": user, "locationId": location, "starRating": 5}
        for number, (user, location) in enumerate([(1, 1), (2, 1), (1, 2)])
    ]
    with pytest.raises(RefusedError, match=r"Of these, 1 users and 1 locations were removed for good: what names"):
        load_rows(client, "checkins", check_ins, unknown_ids=unknown_ids)
    loaded = load_rows(client, "checkins", check_ins, unknown_ids=unknown_ids, unknown_becomes_dead_letters=True)
    assert loaded.checkins == 3


def test_the_command_says_what_was_skipped_on_both_outputs(server: Server, client: Any, tmp_path: Path) -> None:
    (tmp_path / "users.json").write_bytes(msgspec.json.encode([user_row(user) for user in (1, 2)]))
    with Footfall(
        *("load", "users", "--from", str(tmp_path / "users.json")), settings={"redis_url": server.url}
    ) as process:
        assert process.wait() == ExitCode.OK
        assert process.log.splitlines() == [
            "warning: Skipping 1 user that was removed for good (2).",
            "Loaded 1 users, 0 locations and 0 check-ins. Skipped 1 user that was removed for good (2).",
        ]


@pytest.mark.parametrize("key", [KEYS.users_removed, KEYS.locations_removed])
@pytest.mark.parametrize("what", ["users", "locations", "checkins"])
def test_a_key_of_another_type_is_named_and_nothing_is_changed(client: Any, what: Any, key: bytes) -> None:
    client.delete(key)
    client.set(key, "no such thing")
    before = dump(client)
    with pytest.raises(BrokenKeyError, match=key.decode()):
        load_rows(client, what, [], reset=True, yes=True)
    assert dump(client) == before
