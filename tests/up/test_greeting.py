"""What `footfall up` says when all of it is there."""

import pytest
import redis

from chaos.replay import raw_client
from chaos.scene import add, load_records, load_rows, location_row, user_row
from footfall import config
from footfall.operations import loader
from footfall.up.greeting import greeting
from servers import Server

WHERE = {"receiver": "http://r", "api": "http://a", "processor": "http://p", "auth": "http://s"}


def said(server: Server, **settings: object) -> str:
    return greeting(config.load({"redis_url": server.url, **settings}), **WHERE)


def test_with_the_sample_it_is_the_tour(server: Server) -> None:
    with redis.Redis(port=server.port) as client:
        loader.load(
            "all", loader.LoadOptions(sample=True), config.load(), client, confirm=lambda _: False, progress=None
        )
    assert '{"userId": 180, "locationId": 13, "starRating": 4}' in said(server)
    assert "curl http://a/api/user/180" in said(server)
    assert '"email": "sophia.marshall@example.com", "password": "secret"' in said(server, auth=True)


def test_with_other_data_it_names_what_is_there(server: Server) -> None:
    client = raw_client(server.port)
    load_rows(client, "users", [user_row(71), user_row(72)])
    load_rows(client, "locations", [location_row(81)])
    text = said(server, auth=True)
    assert '{"userId": 72, "locationId": 81, "starRating": 4}' in text
    assert "curl http://a/api/user/72" in text
    assert "180" not in text
    assert "secret" not in text
    assert "user72@example.com" not in text, "addresses are not for a terminal that many may see"
    client.close()


@pytest.mark.parametrize("settings", [{}, {"auth": True}, {"prefix": "other"}])
def test_without_data_it_says_how_to_load_some(server: Server, settings: dict[str, object]) -> None:
    if settings.get("prefix"):
        client = raw_client(server.port)
        load_records(client)
        add(client, 1, 2, 3)
        client.close()
    text = said(server, **settings)
    assert "footfall load users --from FILE" in text
    assert "userId" not in text


def test_it_begins_with_the_live_page_unless_that_is_off(server: Server) -> None:
    assert said(server).splitlines()[2] == "  live page   http://a/   (`footfall up --open` opens it)"
    assert "live page" not in said(server, live_page=False)
