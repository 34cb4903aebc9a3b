"""Idempotency-Key over HTTP, with the fast path and without it: the same request is stored once and answered alike."""

import contextlib
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from footfall.store.scripts import RECEIVE
from processes import AsgiReceiver, Receiver
from proxy import Proxy
from raw_http import Answer, RawConnection, request
from receiver_scene import GOOD, STREAM, accepted_id, ask, assert_problem, open_metadata, post, post_batch
from servers import Server, wait_until

_OTHER = GOOD.replace(b":3", b":4")
_UNKNOWN_USER = GOOD.replace(b":1", b":9")
_KEY = {"Idempotency-Key": "key-1"}
_RECORD = "ncc:idempotency:key-1"
_LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def proxy(shared_server: Server) -> Iterator[Proxy]:
    with Proxy(shared_server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module", params=[Receiver, AsgiReceiver])
def receiver(shared_server: Server, proxy: Proxy, request: pytest.FixtureRequest) -> Iterator[Receiver]:
    shared_server.reset()
    open_metadata(shared_server)
    with request.param(proxy.url, server_timeout=10) as receiver:
        yield receiver


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


def post_keyed(receiver: Receiver, body: bytes = GOOD, key: str = "key-1") -> Answer:
    """The answer to a check-in with a key."""
    return ask(receiver, request(body, headers={"Idempotency-Key": key}))


def is_replayed(answer: Answer) -> bool:
    assert answer.headers.get("idempotent-replayed") in {"true", None}
    return "idempotent-replayed" in answer.headers


def assert_reused(answer: Answer) -> None:
    """It says that the key is another request's."""
    assert answer.status == 422, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "the Idempotency-Key was used for another request"


# --- single check-ins


def test_the_same_request_again_is_stored_once_and_answered_with_the_first_id(receiver: Receiver, client: Any) -> None:
    first = post_keyed(receiver)
    assert not is_replayed(first)
    for _ in range(3):
        again = post_keyed(receiver)
        assert is_replayed(again)
        assert accepted_id(again) == accepted_id(first)
    assert [entry_id for entry_id, _ in client.xrange(STREAM)] == [accepted_id(first)]


def test_other_keys_and_no_key_are_other_requests(receiver: Receiver, client: Any) -> None:
    answers = [post_keyed(receiver, key=key) for key in ("a", "b", "A", "a:1")] + [post(receiver), post(receiver)]
    assert not any(map(is_replayed, answers))
    assert [entry_id for entry_id, _ in client.xrange(STREAM)] == list(map(accepted_id, answers))


@pytest.mark.parametrize(
    "body",
    [GOOD.replace(b":1", b":2"), GOOD.replace(b":2", b":1"), _OTHER, _UNKNOWN_USER],
    ids=lambda body: body.decode(),
)
def test_the_same_key_with_other_values_is_refused(receiver: Receiver, client: Any, body: bytes) -> None:
    accepted_id(post_keyed(receiver))
    assert_reused(post_keyed(receiver, body))
    assert client.xlen(STREAM) == 1
    assert is_replayed(post_keyed(receiver)), "and the key is still the first one's"


@pytest.mark.parametrize(
    "body",
    [
        b'{"starRating":3,"userId":1,"locationId":2}',
        json.dumps(json.loads(GOOD), indent=2).encode(),
        b'{"user\\u0049d":1,"locationId":2,"starRating":3}\r\n',
    ],
)
def test_the_same_values_written_differently_are_the_same_request(receiver: Receiver, client: Any, body: bytes) -> None:
    first = post_keyed(receiver)
    again = ask(receiver, request(body, chunks=9, headers=_KEY))
    assert is_replayed(again)
    assert accepted_id(again) == accepted_id(first)


@pytest.mark.parametrize("key", ["!", "~" * 64, '"quoted"', "a:b*?[x]{y}%20\\", "0"])
def test_any_visible_ascii_is_a_key(receiver: Receiver, client: Any, key: str) -> None:
    first, again = post_keyed(receiver, key=key), post_keyed(receiver, key=f" {key} ")
    assert accepted_id(first) == accepted_id(again)
    assert (is_replayed(first), is_replayed(again)) == (False, True)


@pytest.mark.parametrize("path", ["/api/checkin", "/api/checkins"])
@pytest.mark.parametrize(
    "headers",
    [
        b"Idempotency-Key:",
        b"Idempotency-Key: " + b"k" * 65,
        b"Idempotency-Key: a b",
        b"Idempotency-Key: a\tb",
        b"Idempotency-Key: caf\xc3\xa9",
        b"Idempotency-Key: a\x7f",
        b"Idempotency-Key: a\r\nidempotency-key: a",
    ],
    ids=repr,
)
def test_anything_else_is_no_key(receiver: Receiver, client: Any, path: str, headers: bytes) -> None:
    body = GOOD if path == "/api/checkin" else b"[" + GOOD + b"]"
    data = request(body, path=path).replace(b"\r\n", b"\r\n" + headers + b"\r\n", 1)
    if b"\x7f" in headers:
        assert ask(receiver, data).status in {400, 422}  # the parser may take it for no header at all
    else:
        (error,) = assert_problem(ask(receiver, data), 422)["errors"]
        assert error["field"] == "Idempotency-Key"
    assert not client.exists(STREAM)


def test_of_many_at_once_one_is_stored_and_all_get_its_id(receiver: Receiver, client: Any) -> None:
    with contextlib.ExitStack() as connections:
        opened = [connections.enter_context(RawConnection(receiver.port)) for _ in range(20)]
        for connection in opened:
            connection.send(request(GOOD, headers=_KEY))
        answers = [connection.read() for connection in opened]
    ((entry_id, _),) = client.xrange(STREAM)
    assert {accepted_id(answer) for answer in answers} == {entry_id}
    assert sum(map(is_replayed, answers)) == 19


def test_what_was_refused_may_be_sent_again_when_the_reason_is_gone(receiver: Receiver, client: Any) -> None:
    for _ in range(2):
        assert_problem(post_keyed(receiver, _UNKNOWN_USER), 404)
    assert not client.exists(_RECORD)
    client.hset("ncc:users:9", "id", 9)
    answer = post_keyed(receiver, _UNKNOWN_USER)
    assert not is_replayed(answer)
    assert client.xrange(STREAM)[0][0] == accepted_id(answer)


def test_a_request_is_answered_again_although_the_backlog_is_full(receiver: Receiver, client: Any) -> None:
    first = post_keyed(receiver)
    client.execute_command("XSETID", STREAM, accepted_id(first), "ENTRIESADDED", 10**6)
    assert_problem(post_keyed(receiver, key="key-2"), 503)
    assert accepted_id(post_keyed(receiver)) == accepted_id(first)
    assert_reused(post_keyed(receiver, _OTHER))
    assert client.xlen(STREAM) == 1


def test_a_record_of_another_type_is_named_and_nothing_is_stored(receiver: Receiver, client: Any) -> None:
    client.sadd(_RECORD, "not ours")
    for answer in (post_keyed(receiver), post_batch(receiver, b"[" + GOOD + b"]", _KEY)):
        assert _RECORD in assert_problem(answer, 503)["detail"]
        assert int(answer.headers["retry-after"]) >= 1
    assert not client.exists(STREAM)
    assert client.type(_RECORD) == "set"


@pytest.mark.parametrize("what", ["requests", "replies"])
def test_a_retry_after_a_lost_connection_is_stored_once(
    receiver: Receiver, proxy: Proxy, client: Any, what: str
) -> None:
    accepted_id(post(receiver))
    client.xtrim(STREAM, maxlen=0)
    (proxy.hold_requests if what == "requests" else proxy.hold_replies)(RECEIVE.sha)
    with contextlib.ExitStack() as connections:
        opened = [connections.enter_context(RawConnection(receiver.port)) for _ in range(5)]
        for number, connection in enumerate(opened):
            connection.send(request(GOOD, headers={"Idempotency-Key": f"key-{number % 2}"}))
        proxy.wait_until_holding()
        if what == "replies":
            wait_until(lambda: client.xlen(STREAM), "it has been stored")
        proxy.cut()
        details = [assert_problem(connection.read(), 503)["detail"] for connection in opened]
    assert any("may have been stored" in detail for detail in details)
    wait_until(lambda: post_keyed(receiver, key="key-0").status == 202, "the server is back")
    retried = [accepted_id(post_keyed(receiver, key=f"key-{number % 2}")) for number in range(5)]
    assert sorted(set(retried)) == sorted(entry_id for entry_id, _ in client.xrange(STREAM))
    assert len(set(retried)) == 2


# --- batches


def test_a_batch_again_is_stored_once_and_answered_as_the_first_time(receiver: Receiver, client: Any) -> None:
    items = [GOOD, _UNKNOWN_USER, b"{}", _OTHER]
    first = post_batch(receiver, b"[" + b",".join(items) + b"]", _KEY)
    assert not is_replayed(first)
    assert [item["status"] for item in first.json()["rejected"]] == [404, 422]
    client.hset("ncc:users:9", "id", 9)
    lines = b"\r\n".join(items)
    for again in (
        post_batch(receiver, b"[" + b" , ".join(items) + b"]", _KEY),
        post_batch(receiver, lines, _KEY | _LINES),
        post_batch(receiver, gzip.compress(lines), _KEY | _LINES | {"Content-Encoding": "gzip"}),
    ):
        assert is_replayed(again)
        assert again.json() == first.json()
    assert [entry_id for entry_id, _ in client.xrange(STREAM)] == first.json()["ids"]


def test_a_key_belongs_to_a_check_in_or_to_a_batch(receiver: Receiver, client: Any) -> None:
    accepted_id(post_keyed(receiver))
    assert_reused(post_batch(receiver, b"[" + GOOD + b"]", _KEY))
    assert_reused(post_batch(receiver, b"[" + GOOD + b"," + GOOD + b"]", _KEY))
    assert post_batch(receiver, b"[" + GOOD + b"]", {"Idempotency-Key": "key-2"}).status == 202
    assert_reused(post_keyed(receiver, key="key-2"))
    assert client.xlen(STREAM) == 2


def test_a_batch_that_is_refused_as_a_whole_leaves_its_key_free(receiver: Receiver, client: Any) -> None:
    assert_problem(post_batch(receiver, b"[" + GOOD, _KEY), 400)
    assert post_batch(receiver, b"[]", _KEY).json()["ids"] == []
    assert not is_replayed(post_keyed(receiver))
    assert client.xlen(STREAM) == 1
