"""Users and locations removed while check-ins are processed, and processors killed: each counts until its removal."""

import random
from collections import Counter
from functools import partial
from typing import Any

import pytest

from audit_scene import assert_sound, rebuilt, settle_dead_letters
from chaos.replay import check_ins
from chaos.scene import LOCATIONS, USERS, add_some, full, load_records, wait_until_drained
from footfall.operations.manage.locations import Locations
from footfall.operations.manage.users import Users
from manage_scene import KEYS, manage_locations, manage_users
from processes import Footfall
from servers import Server

ROUNDS = full(8, 100)


@pytest.mark.parametrize("unknown_ids", ["reject", "create"])
def test_what_is_removed_counts_until_then_and_never_again(
    server: Server, client: Any, rng: random.Random, unknown_ids: str
) -> None:
    replay = load_records(client)
    settings = {"redis_url": server.url, "processor_batch": 40, "processor_lease_s": 0, "unknown_ids": unknown_ids}
    users, locations = rng.sample(range(1, USERS + 1), ROUNDS % USERS), rng.sample(range(1, LOCATIONS + 1), 4)
    removed_users, removed_locations = set(), set()
    add_some(client, rng, 500)
    with Footfall("processor", settings=settings) as processor:
        for _ in range(ROUNDS):
            add_some(client, rng, 300)
            if rng.random() < 0.7:
                processor.kill()
                processor.start()
            if users:
                user = users.pop()
                removed_users.add(user)
                manage_users(server, partial(Users.remove, user_id=user))
            if locations and rng.random() < 0.5:
                location = locations.pop()
                removed_locations.add(location)
                manage_locations(server, partial(Locations.remove, location_id=location))
            assert_sound(client)
            if rng.random() < 0.3:
                settle_dead_letters(client, "retry", unknown_ids=unknown_ids)
        wait_until_drained(client)
    assert_sound(client)

    # what each entry became, without the metadata
    entries = check_ins(client)
    dead = {letter[1][1] for letter in client.xrange(KEYS.dead_letters)}
    assert dead
    counted = {entry_id: entry for entry_id, entry in entries.items() if entry_id not in dead}
    by_user = Counter(user for user, _, _ in counted.values())
    by_location = Counter(location for _, location, _ in counted.values())
    assert all(entries[one][0] in removed_users or entries[one][1] in removed_locations for one in dead)
    for user in range(1, USERS + 1):
        if user in removed_users:
            assert client.hget(KEYS.users_removed, user) == b'{"numCheckins":%d}' % by_user[user]
            assert not client.exists(KEYS.user(user))
            mine = [
                one in dead for one, entry in entries.items() if entry[0] == user and entry[1] not in removed_locations
            ]
            assert mine == sorted(mine), "one was counted after another became a dead letter"
        else:
            loaded = int(replay.users[b"%d" % user][b"numCheckins"])
            assert int(client.hget(KEYS.user(user), "numCheckins")) == loaded + by_user[user]
    for location in set(range(1, LOCATIONS + 1)) - removed_locations:
        loaded = int(replay.locations[b"%d" % location][b"numCheckins"])
        assert int(client.hget(KEYS.location(location), "numCheckins")) == loaded + by_location[location]
    before = client.execute_command("DEBUG", "DIGEST")
    rebuilt(client)
    assert client.execute_command("DEBUG", "DIGEST") == before
