"""Batches over HTTP: what is stored and answered, item by item, and what is refused as a whole."""

import gzip
import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.domain.model import MAX_ID, CheckIn
from footfall.receiver.batch_body import MAX_BODY, MAX_ITEMS, TOLD
from footfall.store.scripts import RECEIVE
from processes import Receiver
from proxy import Proxy
from raw_http import Answer, RawConnection, request
from receiver_scene import (
    GOOD,
    META,
    STREAM,
    accepted_id,
    array,
    ask,
    assert_problem,
    calls,
    count_calls,
    open_metadata,
    post,
    post_batch,
    stored,
)
from servers import Server, wait_until

_LINES = {"Content-Type": "application/x-ndjson"}
_GZIP = {"Content-Encoding": "gzip"}
#: without the time, so that tests have the same names in all processes
gzipped = partial(gzip.compress, mtime=0)


@pytest.fixture(scope="module")
def proxy(shared_server: Server) -> Iterator[Proxy]:
    with Proxy(shared_server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def receiver(shared_server: Server, proxy: Proxy) -> Iterator[Receiver]:
    shared_server.reset()
    open_metadata(shared_server)
    with Receiver(proxy.url, max_pending=10_500, server_timeout=10) as receiver:
        yield receiver


@pytest.fixture
def client(server: Server) -> Any:
    client = open_metadata(server)
    for location in range(2, 12):
        client.hset(f"ncc:locations:{location}", "id", location)
    return client


def check_ins(count: int) -> list[CheckIn]:
    """So many that are good, and differ from their neighbours."""
    return [CheckIn(user_id=1, location_id=2 + n % 10, star_rating=n % 6) for n in range(count)]


def accepted(answer: Answer) -> tuple[list[str], dict[int, int]]:
    """The ids in the answer to a batch, and the status of each item that was rejected."""
    assert answer.status == 202, answer
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert list(document) == ["accepted", "ids", "rejected", *(["alsoRejected"] if "alsoRejected" in document else [])]
    assert document["accepted"] == len(document["ids"])
    places = [item["index"] for item in document["rejected"]]
    assert places == sorted(set(places))
    assert all(item["detail"] for item in document["rejected"])
    rejected = {item["index"]: item["status"] for item in document["rejected"]}
    if "alsoRejected" in document:
        assert len(places) == TOLD
        alike = {place: kind["status"] for kind in document["alsoRejected"] for place in kind["indexes"]}
        assert len(alike) == sum(len(kind["indexes"]) for kind in document["alsoRejected"]) > 0
        assert min(alike) > max(places)
        rejected |= alike
    return document["ids"], rejected


# --- what is stored


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"[%b, %b]" % (GOOD, GOOD), {}),
        (GOOD + b"\r\n\r\n" + GOOD, _LINES),
        (gzipped(b"[" + GOOD) + gzipped(b"," + GOOD + b"]"), _GZIP),
        (gzipped(GOOD + b"\n" + GOOD + b"\n"), _LINES | _GZIP),
    ],
    ids=["array", "lines", "gzipped array", "gzipped lines"],
)
def test_each_check_in_of_a_batch_becomes_an_entry(
    receiver: Receiver, client: Any, body: bytes, headers: dict[str, str]
) -> None:
    ids, rejected = accepted(post_batch(receiver, body, headers))
    good = CheckIn(user_id=1, location_id=2, star_rating=3)
    assert stored(client) == [(entry_id, good) for entry_id in ids]
    assert len(ids) == 2
    assert rejected == {}


def test_a_batch_may_come_in_chunks(receiver: Receiver, client: Any) -> None:
    ids, _ = accepted(ask(receiver, request(array(check_ins(50)), path="/api/checkins", chunks=100)))
    assert len(ids) == client.xlen(STREAM) == 50


@pytest.mark.parametrize(("body", "headers"), [(b"[]", {}), (b"", _LINES), (b"\n\n", _LINES)])
def test_an_empty_batch_stores_nothing(receiver: Receiver, client: Any, body: bytes, headers: dict[str, str]) -> None:
    assert accepted(post_batch(receiver, body, headers)) == ([], {})
    assert not client.exists(STREAM)


def test_the_largest_batch_is_stored_in_its_order_in_calls_of_500(receiver: Receiver, client: Any) -> None:
    batch = check_ins(MAX_ITEMS)
    count_calls(client)
    ids, rejected = accepted(post_batch(receiver, array(batch)))
    assert stored(client) == list(zip(ids, batch, strict=True))
    assert rejected == {}
    assert calls(client) == 20


def test_a_batch_above_the_limit_is_refused_as_a_whole(receiver: Receiver, client: Any) -> None:
    assert "10001" in assert_problem(post_batch(receiver, array(check_ins(MAX_ITEMS + 1))), 413)["detail"]
    assert not client.exists(STREAM)


def test_a_single_check_in_does_not_wait_for_a_large_batch(receiver: Receiver, proxy: Proxy, client: Any) -> None:
    proxy.hold_requests(containing=RECEIVE.sha)
    with RawConnection(receiver.port) as connection, RawConnection(receiver.port) as other:
        connection.send(request(array(check_ins(MAX_ITEMS)), path="/api/checkins"))
        proxy.wait_until_holding()
        other.send(request(GOOD))
        assert_problem(ask(receiver, request(method="GET", path="/nothing")), 404)  # by now, it has been read
        proxy.release()
        single = accepted_id(other.read())
        ids, _ = accepted(connection.read())
    order = [entry_id for entry_id, _ in stored(client)]
    assert order.index(single) <= 1000, "at most two calls were before it"
    order.remove(single)
    assert order == ids


# --- what is refused

#: items that are refused for themselves: in lines, and in an array unless they are no JSON
_BAD = {
    b"{": 400,
    GOOD[:-1]: 400,
    b"\xff": 400,
    b"{}": 422,
    b"null": 422,
    b"[1]": 422,
    GOOD.replace(b":3", b":6"): 422,
    GOOD.replace(b":1", b":%d" % (MAX_ID + 1)): 422,
    GOOD.replace(b"}", b',"x":1}'): 422,
    GOOD.replace(b":1", b":9"): 404,
    GOOD.replace(b":2", b":1"): 404,
}


def test_each_bad_item_is_named_by_its_place_and_the_others_are_stored(receiver: Receiver, client: Any) -> None:
    items = [item for bad in _BAD for item in (bad, GOOD)]
    ids, rejected = accepted(post_batch(receiver, b"\n".join(items), _LINES))
    assert rejected == {2 * number: status for number, status in enumerate(_BAD.values())}
    assert [entry_id for entry_id, _ in stored(client)] == ids
    assert len(ids) == len(_BAD)


def test_an_item_is_refused_as_it_would_be_alone(receiver: Receiver, client: Any) -> None:
    document = post_batch(receiver, b"\n".join([*_BAD, GOOD]), _LINES).json()
    for bad, item in zip(_BAD, document["rejected"], strict=True):
        alone = assert_problem(post(receiver, bad), item["status"])
        assert item["detail"] == alone["detail"]


def refusals(receiver: Receiver) -> dict[str, float]:
    """How many check-ins were refused, by reason."""
    found = re.findall(r'checkins_refused_total{reason="(.+)"} (.+)', receiver.client.get("/metrics").text)
    return {reason: float(count) for reason, count in found}


def test_of_many_that_are_refused_the_answer_stays_small(receiver: Receiver, client: Any) -> None:
    kinds = [b"{}", GOOD, b'{"userId":1,"locationId":1,"starRating":1}', GOOD]
    body = gzipped(b"[" + b",".join(kinds * (MAX_ITEMS // 4)) + b"]")
    assert len(body) < 8192
    before = refusals(receiver)
    answer = post_batch(receiver, body, _GZIP)
    ids, rejected = accepted(answer)
    assert rejected == {place: 422 if place % 4 == 0 else 404 for place in range(0, MAX_ITEMS, 2)}
    assert len(ids) == MAX_ITEMS // 2 == client.xlen(STREAM)
    assert len(answer.body) - len(json.dumps(ids)) < 50_000
    after = refusals(receiver)
    counted = {reason: after[reason] - before.get(reason, 0) for reason in after}
    assert counted == dict.fromkeys(after, 0) | {"invalid": 2500, "unknown-location": 2500}


def judged(item: Any) -> int:
    """The status of an item, found out naively."""
    if not isinstance(item, dict) or set(item) != {"userId", "locationId", "starRating"}:
        return 422
    values = list(item.values())
    if any(type(value) is not int for value in values):
        return 422
    if not (1 <= item["userId"] <= MAX_ID and 1 <= item["locationId"] <= MAX_ID and 0 <= item["starRating"] <= 5):
        return 422
    return 202 if item["userId"] == 1 and 2 <= item["locationId"] <= 11 else 404


_ITEM = st.one_of(
    st.fixed_dictionaries(
        {
            "userId": st.sampled_from([1, 1, 1, 1, 9, 0, MAX_ID, MAX_ID + 1, "1", True]),
            "locationId": st.sampled_from([2, 3, 4, 11, 12, -1, 2.0, None]),
            "starRating": st.sampled_from([0, 1, 2, 3, 4, 5, 6, -1, "5"]),
        },
        optional={"more": st.none()},
    ),
    st.builds(
        lambda location, stars: {"userId": 1, "locationId": location, "starRating": stars}, *[st.integers(2, 5)] * 2
    ),
    st.sampled_from([None, 1, "x", [], {}, {"userId": 1}]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(_ITEM, max_size=12), in_lines=st.booleans())
def test_every_batch_is_answered_item_by_item(
    receiver: Receiver, client: Any, items: list[Any], in_lines: bool
) -> None:
    texts = list(map(json.dumps, items))
    body = "\n".join(texts) if in_lines else "[" + ",".join(texts) + "]"
    ids, rejected = accepted(post_batch(receiver, body.encode(), _LINES if in_lines else None))
    statuses = list(map(judged, items))
    assert rejected == {place: status for place, status in enumerate(statuses) if status != 202}
    good = [item for item, status in zip(items, statuses, strict=True) if status == 202]
    found = client.xrange(STREAM)
    assert [entry_id for entry_id, _ in found] == ids
    assert [(int(fields["userId"]), int(fields["locationId"]), int(fields["starRating"])) for _, fields in found] == [
        (item["userId"], item["locationId"], item["starRating"]) for item in good
    ]
    client.xtrim(STREAM, maxlen=0, approximate=False)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b"[%b" % GOOD, {}),
        (400, b"[%b,]" % GOOD, {}),
        (400, b"{", {}),
        (400, b"", {}),
        (400, b"nope\nnope", _LINES),
        (400, GOOD, _GZIP),
        (400, gzipped(GOOD)[:-1], _GZIP | _LINES),
        (400, gzipped(GOOD) + b"x", _GZIP | _LINES),
        (413, b" " * MAX_BODY + b"[]", {}),
        (413, gzipped(b" " * MAX_BODY + b"[]"), _GZIP),
        (415, b"[%b]" % GOOD, {"Content-Type": "text/plain"}),
        (415, b"[%b]" % GOOD, {"Content-Encoding": "br"}),
        (422, GOOD, {}),
        (422, b"null", {}),
        (422, b"[%b]" % GOOD, {"Idempotency-Key": "a b"}),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_what_is_no_batch_is_refused_and_nothing_is_stored(
    receiver: Receiver, client: Any, status: int, body: bytes, headers: dict[str, str]
) -> None:
    answer = post_batch(receiver, body, headers)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert not client.exists(STREAM)
    accepted(post_batch(receiver, b"[%b]" % GOOD))


def test_a_batch_of_which_nothing_could_be_stored_for_now_is_503(receiver: Receiver, client: Any) -> None:
    client.hset(META, "state", "loading")
    answer = post_batch(receiver, GOOD + b"\n{}\n", _LINES)
    assert "loaded" in assert_problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    client.hset(META, "state", "ready")
    client.delete("ncc:users:1")
    client.set("ncc:users:1", "not ours")
    assert "ncc:users:1" in assert_problem(post_batch(receiver, b"[%b]" % GOOD), 503)["detail"]
    assert not client.exists(STREAM)


def test_a_batch_that_may_not_wait_is_refused_at_once(receiver: Receiver, proxy: Proxy, client: Any) -> None:
    proxy.hold_requests(containing=RECEIVE.sha)
    with RawConnection(receiver.port) as connection:
        connection.send(request(array(check_ins(MAX_ITEMS)), path="/api/checkins"))
        proxy.wait_until_holding()
        answer = post_batch(receiver, array(check_ins(501)))
        assert "too many" in assert_problem(answer, 503)["detail"]
        assert int(answer.headers["retry-after"]) >= 1
        assert not client.exists(STREAM)
        assert not connection.has_received()
        proxy.release()
        accepted(connection.read())
    accepted(post_batch(receiver, array(check_ins(501))))
    assert client.xlen(STREAM) == MAX_ITEMS + 501


def test_a_backlog_that_becomes_full_in_the_middle_of_a_batch_stops_it_there(receiver: Receiver, client: Any) -> None:
    first = accepted_id(post(receiver))
    client.execute_command("XSETID", STREAM, first, "ENTRIESADDED", 10**6 - 1000)
    items = [b"{}", *array(check_ins(1600))[1:-1].replace(b"}, ", b"}\n").split(b"\n")]
    ids, rejected = accepted(post_batch(receiver, b"\n".join(items), _LINES))
    assert rejected == {0: 422, **dict.fromkeys(range(1001, 1601), 503)}
    assert stored(client)[1:] == list(zip(ids, check_ins(1000), strict=True))
    assert "backlog" in assert_problem(post_batch(receiver, b"\n".join(items), _LINES), 503)["detail"]
    assert client.xlen(STREAM) == 1001


# --- the server is lost in the middle


@pytest.mark.parametrize("what", ["requests", "replies"])
def test_what_is_told_of_a_batch_is_true_when_the_server_is_lost_in_the_middle(
    receiver: Receiver, proxy: Proxy, client: Any, what: str
) -> None:
    with RawConnection(receiver.port) as connection:
        # a location that only the fourth call names
        batch = check_ins(1500) + [CheckIn(user_id=1, location_id=77, star_rating=0)] * 3500
        client.hset("ncc:locations:77", "id", 77)
        (proxy.hold_requests if what == "requests" else proxy.hold_replies)(b"ncc:locations:77\r\n")
        connection.send(request(array(batch), path="/api/checkins"))
        proxy.wait_until_holding()
        proxy.cut()
        ids, rejected = accepted(connection.read())
    assert 1000 <= len(ids) <= 1500, "two calls are under way at once, so those before them are done"
    assert set(rejected.values()) == {503}
    places = [place for place in range(len(batch)) if place not in rejected]
    entries = dict(stored(client))
    assert [entries[entry_id] for entry_id in ids] == [batch[place] for place in places], "each id is an entry"
    assert len(set(ids)) == len(ids)
    wait_until(lambda: post(receiver).status == 202, "the server is back")
