"""Loading again what was removed for good: refused, row by row."""

from collections.abc import Iterator
from typing import Any

import pytest

from audit_scene import assert_sound
from chaos.replay import raw_client
from chaos.scene import load_rows, location_row, user_row
from footfall.errors import BrokenKeyError, RefusedError
from footfall.loader import BadRowsError, checks
from manage_scene import KEYS, dump, manage_locations, manage_users
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


@pytest.mark.parametrize(("what", "row"), [("users", user_row), ("locations", location_row)])
def test_a_removed_id_is_a_bad_row_and_nothing_is_loaded(client: Any, what: Any, row: Any) -> None:
    before = dump(client)
    with pytest.raises(BadRowsError, match=r"1 bad row, .*\n.*: id: was removed for good, and is not given out again"):
        load_rows(client, what, [row(number) for number in (1, 2, 4)])
    assert dump(client) == before


@pytest.mark.parametrize(("what", "row"), [("users", user_row), ("locations", location_row)])
def test_one_that_is_removed_while_it_is_loaded_is_not_brought_back(
    client: Any, what: Any, row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_refuse_removed", lambda *_: None)
    with pytest.raises(RefusedError, match=f"{what[:-1]} 2 was removed meanwhile"):
        load_rows(client, what, [row(number) for number in (1, 2, 4)])
    assert not client.exists(KEYS.user(2), KEYS.location(2))
    assert_sound(client)


@pytest.mark.parametrize("key", [KEYS.users_removed, KEYS.locations_removed])
@pytest.mark.parametrize("what", ["users", "locations", "checkins"])
def test_a_key_of_another_type_is_named_and_nothing_is_changed(client: Any, what: Any, key: bytes) -> None:
    client.delete(key)
    client.set(key, "no such thing")
    before = dump(client)
    with pytest.raises(BrokenKeyError, match=key.decode()):
        load_rows(client, what, [], load_reset=True, load_yes=True)
    assert dump(client) == before
