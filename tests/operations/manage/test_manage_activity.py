"""What processors keep of the newest check-ins of users and locations that are removed: nothing of it is left."""

from typing import Any

import pytest

from audit_scene import assert_sound
from chaos.replay import raw_client
from chaos.scene import add, load_records, load_rows, location_row, wait_until_drained
from manage_scene import KEYS, manage_locations, manage_users, mentions
from processes import Api, Footfall
from servers import Server, wait_until


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_nothing_is_left_of_what_a_processor_has_kept(server: Server, running: bool) -> None:
    client = raw_client(server.port)
    load_records(client)
    load_rows(client, "locations", [location_row(511), location_row(512)])
    for user in (31, 32, 33):
        for _ in range(3):
            add(client, user, 512, 5)
        add(client, user, 511, 5)

    def trending() -> Any:
        return [row["id"] for row in api.client.get("/api/locations/trending").json()["locations"]]

    with Footfall("processor", settings={"redis_url": server.url}) as processor, Api(server.url) as api:
        wait_until_drained(client)
        wait_until(lambda: trending() == [512, 511], "the locations are trending", 30)
        kept = mentions(client, 512)
        assert {KEYS.location_history(512), KEYS.location_presence(512)} <= kept
        assert any(key.startswith(KEYS.hour(0)[:-1]) for key in kept)
        assert KEYS.user_history(31) in mentions(client, 31)
        if not running:
            processor.terminate()
        manage_locations(server, lambda locations: locations.remove(512))
        manage_users(server, lambda users: users.remove(31))
        assert mentions(client, 512) == {KEYS.locations_removed}
        # other side: who is where stays until it is three hours old
        assert mentions(client, 31) == {KEYS.users_removed, KEYS.location_presence(511)}
        assert trending() == [511]
        if running:
            add(client, 32, 512, 5)
            add(client, 31, 511, 5)
            wait_until_drained(client)
            assert trending() == [511]
            assert mentions(client, 31) == {KEYS.users_removed, KEYS.location_presence(511)}
        for path in ("/api/location/512/checkins", "/api/location/512/now", "/api/location/512/hourly"):
            assert api.client.get(path).status_code == 404
        assert api.client.get("/api/user/31/checkins").status_code == 404
    assert_sound(client)
    client.close()
