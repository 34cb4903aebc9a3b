"""The live feed, from a real API server: what comes, from where on, and how it ends."""

import http.client
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.scene import seeded
from footfall.api.feed import MAX_WAITING
from live_reader import LIVE, Event, LiveReader
from processes import Api
from proxy import Proxy
from raw_http import RawConnection, request
from receiver_scene import open_metadata
from servers import Server, wait_until

_STREAM = "ncc:checkins"
_BEAT_S = 0.2
#: bytes that may be on their way to a reader: in the system's buffers, in the transport's, and waiting
_BUFFERS = 256 * 1024 + int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2]) + MAX_WAITING
#: bytes of an event, at least
_LEAST_SIZE = 120


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[Api]:
    shared_server.reset()
    with Api(shared_server.url, live_heartbeat_s=_BEAT_S) as process:
        yield process


@pytest.fixture
def dice() -> random.Random:
    return seeded()


def add(client: Any, *entry_ids: str) -> list[str]:
    """Add check-ins with these ids (`*`: the server's); their ids."""
    with client.pipeline(transaction=False) as pipeline:
        for n, entry_id in enumerate(entry_ids):
            fields = {"locationId": n % 7 + 1, "userId": n % 11 + 1, "starRating": n % 6}
            pipeline.xadd(_STREAM, fields, id=entry_id)
        added: list[str] = pipeline.execute()
    return added


# --- what comes


def test_a_check_in_comes_as_an_event_with_its_id_and_what_the_api_answers_for_it(server: Server, api: Api) -> None:
    with LiveReader(api.port) as reader:
        assert reader.headers["content-type"] == "text/event-stream"
        assert reader.headers["cache-control"] == "no-store"
        (entry_id,) = add(server.client(), "*")
        event = reader.next()
    assert event == Event("checkin", entry_id, api.client.get(f"/api/checkin/{entry_id}").json())


def test_a_feed_begins_with_what_comes_after_the_request(server: Server, api: Api) -> None:
    client = server.client()
    add(client, "*", "*")
    with LiveReader(api.port) as first:
        added = add(client, "*")
        with LiveReader(api.port) as second:
            added += add(client, "*", "*")
            assert first.take(3) == added
            assert second.take(2) == added[1:]


def test_what_is_no_check_in_is_left_out(server: Server, api: Api) -> None:
    client = server.client()
    client.xadd(_STREAM, {"anything": "else"}, id="1-0")
    add(client, "2-0")
    client.xadd(_STREAM, {"locationId": 1, "userId": 2, "starRating": 6}, id="3-0")
    with LiveReader(api.port, "0-0") as reader:
        assert reader.take(1) == ["2-0"]
        client.xadd(_STREAM, {"locationId": 1, "userId": "x", "starRating": 5}, id="4-0")
        add(client, "5-0")
        assert reader.take(1) == ["5-0"]


def test_a_feed_that_has_nothing_to_say_shows_that_it_lives(server: Server, api: Api) -> None:
    with LiveReader(api.port) as reader:
        for _ in range(3):
            assert reader.next(comments=True) == Event("")


def test_a_feed_is_not_compressed(server: Server, api: Api) -> None:
    with LiveReader(api.port, headers={"Accept-Encoding": "gzip"}) as reader:
        assert not {"content-encoding", "etag"} & reader.headers.keys()


# --- from where on


@pytest.mark.parametrize("way", ["header", "query", "both"])
def test_a_feed_goes_on_after_the_last_event(way: str, server: Server, api: Api) -> None:
    client = server.client()
    added = add(client, *(f"5-{n}" for n in range(1700)))
    header = "5-99" if way != "query" else None
    path = {"header": LIVE, "query": f"{LIVE}?lastEventId=5-99", "both": f"{LIVE}?lastEventId=5-3"}[way]
    with LiveReader(api.port, header, path=path) as reader:
        assert reader.take(1600) == added[100:]
        added = add(client, "*", "*")
        assert reader.take(2) == added


def test_a_feed_goes_on_after_an_id_that_no_entry_has(server: Server, api: Api) -> None:
    added = add(server.client(), "5-1", "7-1", "7-2")
    for after, rest in {"0-0": added, "6-0": added[1:], "7-1": added[2:]}.items():
        with LiveReader(api.port, after) as reader:
            assert reader.take(len(rest)) == rest


def test_a_gap_names_the_first_entry_that_there_is(server: Server, api: Api) -> None:
    client = server.client()
    added = add(client, *(f"5-{n}" for n in range(10)))
    client.xtrim(_STREAM, maxlen=4, approximate=False)
    with LiveReader(api.port, "5-2") as reader:
        assert reader.next() == Event("gap", None, {"lastEventId": "5-2", "first": "5-6"})
        assert reader.take(4) == added[6:]
    with LiveReader(api.port, "5-6") as reader:
        assert reader.take(3) == added[7:]


def test_a_gap_with_nothing_after_it_names_no_entry(server: Server, api: Api) -> None:
    client = server.client()
    add(client, "5-0", "5-1")
    client.xtrim(_STREAM, maxlen=0, approximate=False)
    with LiveReader(api.port, "5-0") as reader:
        assert reader.next() == Event("gap", None, {"lastEventId": "5-0", "first": None})
        add(client, "5-2")
        assert reader.take(1) == ["5-2"]


def test_nothing_is_missing_after_the_newest_entry_although_it_was_trimmed(server: Server, api: Api) -> None:
    client = server.client()
    add(client, "5-0", "5-1")
    client.xtrim(_STREAM, maxlen=0, approximate=False)
    with LiveReader(api.port, "5-1") as reader:
        add(client, "5-2")
        assert reader.take(1) == ["5-2"]


def test_an_id_beyond_the_newest_entry_is_a_gap_and_the_feed_goes_on_from_now(server: Server, api: Api) -> None:
    client = server.client()
    add(client, "5-0", "5-1")
    for beyond in ("5-2", "9999999999999-0", f"{2**64 - 1}-{2**64 - 1}"):
        with LiveReader(api.port, beyond) as reader:
            assert reader.next() == Event("gap", None, {"lastEventId": beyond, "first": None})
    with LiveReader(api.port, "9-0") as reader:
        reader.next()
        add(client, "5-2", "9-0", "9-1")
        assert reader.take(3) == ["5-2", "9-0", "9-1"]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "x",
        "5",
        "5-",
        "-5",
        "5-0-0",
        "5 -0",
        "05-0",
        "+5-0",
        "5-18446744073709551616",
        "$",
        "*",
        "+",
        "(5-0",
        "0x5-0",
    ],
)
def test_a_malformed_id_is_a_400(sent: str, api: Api) -> None:
    for answer in (
        api.client.get(LIVE, headers={"Last-Event-ID": sent}),
        api.client.get(LIVE, params={"lastEventId": sent}),
        api.client.get(LIVE, params={"lastEventId": "5-0"}, headers={"Last-Event-ID": sent}),
        api.client.get(LIVE, params={"lastEventId": sent}, headers={"Last-Event-ID": "5-0"}),
        api.client.get(LIVE, headers=[("Last-Event-ID", "5-0"), ("Last-Event-ID", "5-0")]),
    ):
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Last-Event-ID" in answer.json()["detail"]


_IDS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(str.encode),
    st.from_regex(rb"-?[0-9]{0,22}-?[0-9]{0,22}", fullmatch=True),
    st.sampled_from(
        [b"1-1\r\nX: y", b"\x00", b"1-1 ", b"(1-1", b"'; DROP", b"redis.call('FLUSHALL')", b"1-*", b"9" * 7000]
    ),
)


@settings(max_examples=200, deadline=None)
@given(sent=_IDS)
def test_whatever_is_sent_as_an_id_never_fails(api: Api, sent: bytes) -> None:
    with RawConnection(api.port) as connection:
        connection.send(b"GET %b HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %b\r\n\r\n" % (LIVE.encode(), sent))
        assert connection.read(to_head=True).status in (200, 400)
    for target in (
        f"{LIVE}?lastEventId=",
        "/api/checkin/",
        "/api/checkins/0/9?after=",
        "/api/checkins/0/",
        "/api/checkins/",
    ):
        path = (target + quote(sent, safe="")).encode()
        with RawConnection(api.port) as connection:
            connection.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            assert connection.read(to_head=True).status in (200, 400, 404, 422), path


def test_readers_that_catch_up_while_check_ins_come_hear_each_once(
    server: Server, api: Api, dice: random.Random
) -> None:
    client, total = server.client(), 20_000
    added = add(client, *(f"5-{n}" for n in range(total // 2)))
    heard: list[list[str]] = []
    starts = [dice.choice([0, dice.randrange(total // 2), total // 2 - 1]) for _ in range(12)]

    def write() -> None:
        while len(added) < total:
            added.extend(add(client, *["*"] * dice.randrange(1, 200)))

    def read(start: int) -> None:
        with LiveReader(api.port, added[start]) as reader:
            taken: list[str] = []
            heard.append(taken)
            while len(taken) < total - start - 1:
                taken += reader.take(1)

    threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=[start]) for start in starts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(len, heard)) == sorted(total - start - 1 for start in starts)
    for taken in heard:
        assert taken == added[total - len(taken) : total]


# --- one read for all


def _calls(client: Any, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


def _blocked(client: Any) -> int:
    return int(client.info("clients")["blocked_clients"])


def test_a_hundred_readers_cost_one_read_of_the_stream(server: Server, api: Api) -> None:
    client = server.client()
    readers = [LiveReader(api.port) for _ in range(100)]
    try:
        wait_until(lambda: _blocked(client) == 1, "the stream is read")
        client.config_resetstat()
        added = []
        for _ in range(50):
            added += add(client, "*")
            for reader in readers:
                assert reader.take(1) == added[-1:]
        assert _calls(client, "xread") <= 50 + 20, "one for each check-in, and those that end without one"
        assert max(_calls(client, "xrange"), _calls(client, "xinfo")) <= 20, "a look when nothing comes"
    finally:
        for reader in readers:
            reader.close()


def test_nothing_is_read_while_nobody_listens(server: Server, api: Api) -> None:
    client = server.client()
    wait_until(lambda: not _blocked(client), "those of other tests have gone")
    with LiveReader(api.port):
        wait_until(lambda: _blocked(client) == 1, "the stream is read")
        connections = len(client.client_list())
    wait_until(lambda: not _blocked(client), "it is read no more")
    wait_until(lambda: len(client.client_list()) == connections - 1, "its connection has gone")


# --- how it ends


def test_a_reader_that_is_too_slow_is_cut_off_and_goes_on_where_it_was(server: Server, api: Api) -> None:
    client, added = server.client(), list[str]()
    with LiveReader(api.port, buffer=65536) as slow, LiveReader(api.port) as quick:
        while len(added) * _LEAST_SIZE < _BUFFERS:
            added += add(client, *["*"] * 2000)
            assert quick.take(2000) == added[-2000:]
        heard = [event.id for event in slow.rest() if event.kind == "checkin"]
    assert len(heard) < len(added)
    with LiveReader(api.port, heard[-1]) as reader:
        heard += reader.take(len(added) - len(heard))
    assert heard == added


def test_a_service_that_stops_ends_its_feeds(server: Server) -> None:
    with Api(server.url) as api:
        readers = [LiveReader(api.port) for _ in range(5)]
        readers.append(LiveReader(api.port, buffer=65536))
        assert api.terminate() == 0
        for reader in readers:
            assert list(reader.rest()) == [Event("end", None, {"reason": "stopping"})]
            reader.close()
        assert "error" not in api.log


@pytest.mark.parametrize("before", [0, 2, 9], ids=lambda before: f"{before} before the request")
def test_a_feed_with_a_limit_ends_with_so_many_check_ins(before: int, server: Server, api: Api) -> None:
    client = server.client()
    client.xadd(_STREAM, {"anything": "else"}, id="1-0")
    added = add(client, *["*"] * before)
    with LiveReader(api.port, "0-0", path=f"{LIVE}?limit=5") as reader:
        while len(added) < 5:
            wait_until(lambda: _blocked(client), "the stream is read")
            added += add(client, *["*"] * 3)
        *checkins, end = reader.rest()
    assert [event.id for event in checkins] == added[:5]
    assert end == Event("end", None, {"reason": "limit"})
    wait_until(lambda: not _blocked(client), "it is read no more")


def test_after_a_feed_with_a_limit_its_connection_serves_on(server: Server, api: Api) -> None:
    (added,) = add(server.client(), "*")
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    with closing(connection):
        connection.connect()
        connection.auto_open = False
        for query, status in (("lastEventId=0-0&limit=1", 200), ("limit=0", 422), ("limit=1001", 422)):
            connection.request("GET", f"{LIVE}?{query}")
            answer = connection.getresponse()
            assert answer.status == status
            assert (f"id: {added}".encode() in answer.read()) == (status == 200)
    assert "error" not in api.log


def test_head_tells_the_headers_and_ends(api: Api) -> None:
    answer = api.client.head(LIVE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert api.client.get("/healthz").status_code in (200, 404), "on the same connection"


# --- outages


def test_a_feed_outlives_the_server_without_gap_or_repeat(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    with Api(server.url, live_heartbeat_s=_BEAT_S) as api, LiveReader(api.port) as reader:
        added, heard = list[str](), list[str | None]()
        for _ in range(3):
            added += add(server.client(), *["*"] * 700)
            server.kill()
            server.close_clients()
            beats = 0
            while beats < 3:
                event = reader.next(comments=True)
                assert event is not None
                if event.kind:
                    heard.append(event.id)
                else:
                    beats += 1
            server.start()
        added += add(server.client(), "*")
        heard += reader.take(len(added) - len(heard))
    assert heard == added


def test_connections_to_the_server_that_break_make_no_gap_and_no_repeat(server: Server, dice: random.Random) -> None:
    client, added = server.client(), list[str]()
    with Proxy(server.port) as proxy, Api(proxy.url) as api, LiveReader(api.port) as reader:

        def write() -> None:
            for _ in range(60):
                added.extend(add(client, *["*"] * dice.randrange(1, 400)))
                if dice.random() < 0.2:
                    proxy.cut()

        writer = threading.Thread(target=write)
        writer.start()
        heard = list[str]()
        while writer.is_alive() or len(heard) < len(added):
            heard += reader.take(1)
        writer.join()
    assert heard == added


def test_a_feed_cannot_begin_while_the_server_is_away(own_server: Callable[..., Server]) -> None:
    server = own_server()
    with Api(server.url) as api:
        server.kill()
        answer = api.client.get(LIVE)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1


def test_a_stream_of_another_type_is_a_503_that_names_the_key(server: Server, api: Api) -> None:
    server.client().set(_STREAM, "x")
    for last_event_id in ({}, {"Last-Event-ID": "5-0"}):
        answer = api.client.get(LIVE, headers=last_event_id)
        assert answer.status_code == 503
        assert _STREAM in answer.json()["detail"]


def test_entries_that_a_failover_has_lost_are_a_gap(own_server: Callable[..., Server]) -> None:
    primary = own_server()
    open_metadata(primary)
    add(primary.client(), "5-0")
    replica = own_server(replica_of=primary)
    replica.promote()
    with Proxy(primary.port) as proxy, Api(proxy.url) as api, LiveReader(api.port) as reader:
        add(primary.client(), "7-0", "7-1")
        assert reader.take(2) == ["7-0", "7-1"]
        proxy.target = replica.port
        proxy.cut()
        assert reader.next() == Event("gap", None, {"lastEventId": "7-1", "first": None})
        add(replica.client(), "6-0", "8-0")
        assert reader.take(2) == ["6-0", "8-0"]


def test_a_reader_that_leaves_is_forgotten_at_once_and_not_with_the_next_heartbeat(server: Server) -> None:
    client = server.client()
    with Api(server.url, live_heartbeat_s=3600) as api:
        for _ in range(5):
            with LiveReader(api.port):
                wait_until(lambda: _blocked(client) == 1, "somebody listens")
            wait_until(lambda: not _blocked(client), "nobody listens")


@pytest.mark.parametrize("behind", [request(method="GET", path="/healthz"), b"GET"], ids=["a request", "half of one"])
def test_one_that_has_sent_more_behind_its_request_is_forgotten_with_the_next_heartbeat(
    server: Server, behind: bytes
) -> None:
    client = server.client()
    with Api(server.url, live_heartbeat_s=0.5) as api:  # what waits is not read, so only a write finds it gone
        with RawConnection(api.port) as connection:
            connection.send(request(method="GET", path=LIVE) + behind)
            wait_until(lambda: _blocked(client) == 1, "somebody listens")
        wait_until(lambda: not _blocked(client), "nobody listens", 30)


def test_the_document_describes_the_feed(api: Api) -> None:
    (operation,) = api.client.get("/schema/openapi.json").json()["paths"][LIVE].values()
    assert set(operation["responses"]) == {"200", "400", "422", "503"}
    assert "event: checkin" in str(operation["responses"]["200"]["content"]["text/event-stream"])
    assert [parameter["name"] for parameter in operation["parameters"]] == ["limit", "Last-Event-ID", "lastEventId"]
