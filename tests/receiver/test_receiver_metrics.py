"""/metrics: exact numbers, whichever way check-ins come, and of all workers."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from footfall.errors import FootfallError, InvalidError, ReplyError
from footfall.receiver.check_in import MAX_BODY
from footfall.store.scripts import RECEIVE
from processes import AsgiReceiver, Receiver
from proxy import Proxy
from raw_http import RawConnection, request
from receiver_scene import GOOD, META, PROCESSED, STREAM, accepted_id, ask, assert_problem, open_metadata, post
from servers import Server, process_exists, wait_until

ACCEPTED, IN_FLIGHT = "footfall_checkins_accepted_total", "footfall_checkins_in_flight"
SIZES, SECONDS = "footfall_receive_call_checkins", "footfall_receive_call_seconds"
#: every reason that a refusal is counted under
REASONS = {
    *("malformed", "too-large", "unsupported-type", "invalid", "key-reused", "duplicate", "unknown-user"),
    *("unknown-location", "unavailable", "connection-lost", "unconfirmed", "loading", "backlog-full", "overloaded"),
    *("broken-key", "failed", "unauthorized", "forbidden", "rate-limited"),
}
#: errors that end something else than a check-in
NO_REFUSALS = {"bad-cursor", "usage", "port-taken", "refused", "not-found", "durability", "conflict", "torn", "output"}

Values = dict[str, float]


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


@pytest.fixture(params=[Receiver, AsgiReceiver], ids=["fast path", "other path"])
def kind(request: pytest.FixtureRequest) -> type[Receiver]:
    chosen: type[Receiver] = request.param
    return chosen


@pytest.fixture
def receiver(server: Server, client: Any, kind: type[Receiver]) -> Iterator[Receiver]:
    with kind(server.url, max_backlog=50, duplicate_window_s=100) as receiver:
        yield receiver


def measured(receiver: Receiver) -> Values:
    """What /metrics says, by sample; refusals by their reason. Buckets only as `<name>_le_<bound>`."""
    answer = ask(receiver, request(method="GET", path="/metrics"))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    values = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation
        for name, labels, value, *_ in family.samples:
            bound = labels.get("le")
            values[labels.get("reason") or (f"{name}_{bound}" if bound else name)] = value
    assert {name for name in values if not name.startswith("footfall_")} <= REASONS
    return values


def changes(before: Values, after: Values, *, buckets: bool = False) -> Values:
    """What has changed, but for times."""
    return {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value != before.get(name, 0) and not name.startswith(f"{SECONDS}_") and (buckets or "_bucket_" not in name)
    }


def calls(number: int, check_ins: int) -> Values:
    """What so many calls of receive.lua with so many check-ins change."""
    return {f"{SIZES}_count": number, f"{SIZES}_sum": check_ins}


@contextlib.contextmanager
def connections(receiver: Receiver, count: int) -> Iterator[list[RawConnection]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(RawConnection(receiver.port)) for _ in range(count)]


def batch(*items: object, key: str | None = None) -> bytes:
    """A batch request with these items."""
    headers = {"Idempotency-Key": key} if key else {}
    return request(json.dumps(items).encode(), path="/api/checkins", headers=headers)


def check_in(user: object = 1, location: object = 2, stars: object = 3) -> dict[str, object]:
    return {"userId": user, "locationId": location, "starRating": stars}


def test_the_reasons_are_a_closed_list() -> None:
    found, kinds = set(), [FootfallError]
    while kinds:
        error = kinds.pop()
        kinds += error.__subclasses__()
        if not issubclass(error, ReplyError) and error.__module__ == FootfallError.__module__:
            found.add(error.reason)
    assert found == REASONS | NO_REFUSALS
    assert InvalidError.reason == "invalid"


def test_every_reason_is_there_from_the_beginning(receiver: Receiver) -> None:
    assert measured(receiver).keys() >= REASONS


def test_a_check_in_counts_as_accepted_and_as_one_call(receiver: Receiver, client: Any) -> None:
    before = measured(receiver)
    accepted_id(post(receiver))
    after = measured(receiver)
    assert changes(before, after) == {ACCEPTED: 1, **calls(1, 1)}
    assert after[f"{SECONDS}_count"] - before[f"{SECONDS}_count"] == 1
    assert 0 < after[f"{SECONDS}_sum"] - before[f"{SECONDS}_sum"] < 2
    assert after[IN_FLIGHT] == 0


def refusals(client: Any) -> Iterator[tuple[str, Callable[[], object] | None, bytes, Values]]:
    """For each reason: what is done before, the request that is refused, and what else it changes."""
    none: Values = {}
    one = calls(1, 1)
    yield "malformed", None, request(b"nope"), none
    yield "too-large", None, request(b" " * (MAX_BODY + 1)), none
    yield "too-large", None, request(b" " * (3 * 1024 * 1024)), none
    yield "unsupported-type", None, request(GOOD).replace(b"/json", b"/xml"), none
    yield "invalid", None, request(GOOD.replace(b"3", b"6")), none
    yield "invalid", None, request(GOOD, headers={"Idempotency-Key": "a b"}), none
    yield "unknown-user", None, request(GOOD.replace(b":1", b":9")), one
    yield "unknown-location", None, request(GOOD.replace(b":2", b":9")), one
    yield "duplicate", None, request(GOOD), one
    yield "key-reused", None, request(GOOD.replace(b":3", b":4"), headers={"Idempotency-Key": "k"}), one
    yield "loading", lambda: client.hset(META, "state", "loading"), request(GOOD), none
    yield "broken-key", lambda: client.hset(META, "state", "?"), request(GOOD), none
    yield "backlog-full", lambda: client.set(PROCESSED, 0), request(GOOD), one
    yield "unavailable", lambda: client.config_set("maxmemory", 1), request(GOOD), none


def test_each_refusal_is_counted_by_its_reason_and_accepts_nothing(receiver: Receiver, client: Any) -> None:
    accepted_id(ask(receiver, request(GOOD, headers={"Idempotency-Key": "k"})))
    for _ in range(49):
        client.xadd(STREAM, {"locationId": 2, "userId": 1, "starRating": 3})
    client.set(PROCESSED, 50)
    for reason, prepare, refused, others in refusals(client):
        if prepare is not None:
            prepare()
        before = measured(receiver)
        assert ask(receiver, refused).status >= 400
        assert changes(before, measured(receiver)) == {reason: 1, **others}, refused[:300]
        client.config_set("maxmemory", 0)
        client.hset(META, "state", "ready")
        client.set(PROCESSED, 50)
    assert measured(receiver)[IN_FLIGHT] == 0


def test_nothing_but_check_ins_is_counted(receiver: Receiver, client: Any) -> None:
    before = measured(receiver)
    client.hset(META, "state", "loading")
    for path, status in {"/healthz": 200, "/readyz": 503, "/nope": 404, "/api/checkin": 405}.items():
        assert ask(receiver, request(method="GET", path=path)).status == status
    assert_problem(ask(receiver, b"?\r\n\r\n"), 400)
    assert changes(before, measured(receiver)) == {}


def test_a_replay_is_a_call_but_accepts_nothing_more(receiver: Receiver, client: Any) -> None:
    keyed = request(GOOD, headers={"Idempotency-Key": "k"})
    first = accepted_id(ask(receiver, keyed))
    before = measured(receiver)
    assert accepted_id(ask(receiver, keyed)) == first
    assert changes(before, measured(receiver)) == calls(1, 1)


def test_batches_count_each_check_in_and_whole_refusals_once(server: Server, client: Any, kind: type[Receiver]) -> None:
    for user in range(1, 1201):
        client.hset(f"ncc:users:{user}", "id", user)
    with kind(server.url, max_pending=2000) as receiver:
        before = measured(receiver)
        items = [*map(check_in, range(1, 1201)), check_in(5000), check_in(1, 9), check_in(stars=6), "?", check_in("1")]
        assert ask(receiver, batch(*items, key="k")).json()["accepted"] == 1200
        counted = {ACCEPTED: 1200, "unknown-user": 1, "unknown-location": 1, "invalid": 3}
        assert changes(before, measured(receiver)) == {**counted, **calls(3, 1202)}
        before = measured(receiver)
        for body, status in {
            batch(*items, key="k"): 202,
            batch(check_in(), key="k"): 422,
            batch(*[check_in()] * 2001): 413,
            batch(*[check_in()] * 10_001): 413,
            request(b"nope", path="/api/checkins"): 400,
            request(b"", path="/api/checkins", headers={"Content-Encoding": "br"}): 415,
        }.items():
            assert ask(receiver, body).status == status
        whole = dict.fromkeys(["key-reused", "malformed", "unsupported-type"], 1) | {"too-large": 2}
        again = {"unknown-user": 1, "unknown-location": 1, "invalid": 3}
        assert changes(before, measured(receiver)) == {**whole, **again, **calls(4, 1203)}
        client.hset(META, "state", "loading")
        before = measured(receiver)
        assert_problem(ask(receiver, batch(check_in(), check_in())), 503)
        assert changes(before, measured(receiver)) == {"loading": 1}
        assert measured(receiver)[IN_FLIGHT] == 0


def test_the_sizes_of_calls_fall_into_their_buckets(receiver: Receiver, client: Any) -> None:
    before = measured(receiver)
    for size in (1, 2, 7, 500):
        assert ask(receiver, batch(*[check_in(5000)] * size)).status == 202
    found = changes(before, measured(receiver), buckets=True)
    below = {"1.0": 1, "2.0": 2, "5.0": 2, "10.0": 3, "200.0": 3, "500.0": 4, "+Inf": 4}
    assert {bound: found[f"{SIZES}_bucket_{bound}"] for bound in below} == below


def test_what_is_in_flight_is_told_while_it_is_and_not_when_the_server_was_lost(
    server: Server, client: Any, kind: type[Receiver]
) -> None:
    client.script_load(RECEIVE.source)
    with Proxy(server.port) as proxy, kind(proxy.url) as receiver, connections(receiver, 12) as waiting:
        before = measured(receiver)
        proxy.hold_replies(to=RECEIVE.sha)
        waiting[0].send(batch(check_in(), check_in()))
        for connection in waiting[1:]:
            connection.send(request(GOOD))
        proxy.wait_until_holding()
        wait_until(lambda: measured(receiver)[IN_FLIGHT] == 13, "all are in flight")
        proxy.cut()
        for connection in waiting:
            assert_problem(connection.read(), 503)
        after = changes(before, measured(receiver))
        assert measured(receiver)[IN_FLIGHT] == 0
        assert sum(after.pop(reason, 0) for reason in ("connection-lost", "unavailable")) == 12
        assert after == {}


# --- several workers


def metrics_directories(receiver: Receiver) -> list[Path]:
    """Where the workers of this receiver keep what they count."""
    variable = b"PROMETHEUS_MULTIPROC_DIR="
    lines = Path(f"/proc/{receiver.pid}/task/{receiver.pid}/children").read_text().split()
    found = set()
    for child in lines:
        for word in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if word.startswith(variable):
                found.add(Path(word.removeprefix(variable).decode()))
    return sorted(found)


def workers(directory: Path) -> set[int]:
    """The workers with something to say of what is in flight."""
    return {int(path.stem.rpartition("_")[2]) for path in directory.glob("gauge_*.db")}


def test_workers_are_summed_up_and_what_one_that_was_killed_has_counted_stays(server: Server, client: Any) -> None:
    with (
        Proxy(server.port) as proxy,
        Receiver(proxy.url, receiver_workers=2, server_timeout=20) as receiver,
        contextlib.ExitStack() as stack,
    ):
        [directory] = metrics_directories(receiver)
        wait_until(lambda: len(workers(directory)) == 2, "both workers are there")
        before = measured(receiver)
        for _ in range(30):
            accepted_id(post(receiver))
        for _ in range(20):  # whichever worker is asked
            assert changes(before, measured(receiver)) == {ACCEPTED: 30, **calls(30, 30)}

        killed = min(workers(directory))
        proxy.hold_replies(to=RECEIVE.sha)
        waiting = stack.enter_context(connections(receiver, 10))
        for connection in waiting:
            connection.send(batch(*[check_in()] * 3))
        wait_until(lambda: measured(receiver)[IN_FLIGHT] == 30, "all are in flight")
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: not process_exists(killed), "it is gone")
        wait_until(lambda: measured(receiver) and killed not in workers(directory), "it is forgotten")
        left = [connection for connection in waiting if not connection.has_received()]
        assert measured(receiver)[IN_FLIGHT] == 3 * len(left), "nothing of the killed one is in flight"
        proxy.release()
        for connection in left:
            assert connection.read().json()["accepted"] == 3
        after = changes(before, measured(receiver))
        assert after[ACCEPTED] == after[f"{SIZES}_sum"] == 30 + 3 * len(left)
        assert receiver.terminate() == 0
        assert not directory.exists()
