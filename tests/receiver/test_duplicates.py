"""`duplicate_window_s`: a user's next check-in at the same location is refused while the window is open."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from footfall.domain.model import CheckIn
from footfall.errors import BrokenKeyError, DuplicateError, KeyReusedError, UnknownUserError
from processes import AsgiReceiver, Receiver
from raw_http import request
from receiver_scene import (
    CHECK_IN,
    GOOD,
    STREAM,
    accepted_id,
    ask,
    assert_problem,
    intake_at,
    open_metadata,
    post,
    post_batch,
)
from servers import Server, wait_until_async

_KEY = "ncc:duplicate:1:2"


@pytest.fixture(scope="module", params=[Receiver, AsgiReceiver])
def receiver(shared_server: Server, request: pytest.FixtureRequest) -> Iterator[Receiver]:
    shared_server.reset()
    with request.param(shared_server.url, duplicate_window_s=60) as receiver:
        yield receiver


@pytest.fixture
def client(server: Server) -> Any:
    client = open_metadata(server)
    client.hset("ncc:users:2", "id", 2)
    client.hset("ncc:locations:3", "id", 3)
    return client


# --- over HTTP, with the fast path and without it


def test_a_second_check_in_is_refused_and_told_the_id_of_the_first(receiver: Receiver, client: Any) -> None:
    first = accepted_id(post(receiver))
    for body in (GOOD, GOOD.replace(b":3", b":5")):
        assert first in assert_problem(post(receiver, body), 409)["detail"]
    assert client.xlen(STREAM) == 1
    assert 0 < client.ttl(_KEY) <= 60


def test_other_users_and_other_locations_have_windows_of_their_own(receiver: Receiver, client: Any) -> None:
    bodies = [GOOD, GOOD.replace(b":1", b":2"), GOOD.replace(b":2", b":3")]
    ids = [accepted_id(post(receiver, body)) for body in bodies]
    for body, first in zip(bodies, ids, strict=True):
        assert first in assert_problem(post(receiver, body), 409)["detail"]
    assert client.xlen(STREAM) == 3


def test_the_same_request_again_is_no_duplicate(receiver: Receiver, client: Any) -> None:
    def keyed(key: str) -> bytes:
        return request(GOOD, headers={"Idempotency-Key": key})

    first, again = ask(receiver, keyed("a")), ask(receiver, keyed("a"))
    assert accepted_id(first) == accepted_id(again)
    assert again.headers["idempotent-replayed"] == "true"
    assert_problem(ask(receiver, keyed("b")), 409)
    assert not client.exists("ncc:idempotency:b"), "a refusal is not recorded"
    client.delete(_KEY)
    assert accepted_id(ask(receiver, keyed("b"))) != accepted_id(first)
    assert client.xlen(STREAM) == 2


def test_duplicates_in_a_batch_are_refused_by_their_places(receiver: Receiver, client: Any) -> None:
    other = GOOD.replace(b":2", b":3")
    document = post_batch(receiver, b"[" + b",".join([GOOD, other, GOOD, other, GOOD]) + b"]").json()
    assert document["accepted"] == client.xlen(STREAM) == 2
    assert [(item["index"], item["status"]) for item in document["rejected"]] == [(2, 409), (3, 409), (4, 409)]
    for place, item in zip((0, 1, 0), document["rejected"], strict=True):
        assert document["ids"][place] in item["detail"]
    assert document["ids"][0] in assert_problem(post(receiver), 409)["detail"]


def test_a_key_of_another_type_is_named_and_nothing_is_stored(receiver: Receiver, client: Any) -> None:
    client.sadd(_KEY, "not ours")
    assert _KEY in assert_problem(post(receiver), 503)["detail"]
    keyed = request(GOOD, headers={"Idempotency-Key": "a"})
    assert _KEY in assert_problem(ask(receiver, keyed), 503)["detail"]
    assert not client.exists(STREAM, "ncc:idempotency:a")
    client.delete(_KEY)
    accepted_id(ask(receiver, keyed))


def test_a_check_in_that_is_refused_opens_no_window(receiver: Receiver, client: Any) -> None:
    client.delete("ncc:users:1")
    assert_problem(post(receiver), 404)
    assert not client.exists(_KEY)
    client.hset("ncc:users:1", "id", 1)
    accepted_id(post(receiver))


# --- the window itself


async def test_there_is_no_window_unless_it_is_wanted(server: Server, client: Any) -> None:
    async with intake_at(server.url) as intake:
        assert (await intake.store_all([CHECK_IN] * 10)).accepted == 10
    assert client.xlen(STREAM) == 10
    assert not client.keys("ncc:duplicate:*")


async def test_after_the_window_the_next_is_taken_and_opens_it_again(server: Server, client: Any) -> None:
    async with intake_at(server.url, duplicate_window_s=1) as intake:
        for _ in range(2):
            await intake.store(CHECK_IN)
            await wait_until_async(lambda: not client.exists(_KEY), "the window has ended")
    assert client.xlen(STREAM) == 2


async def test_a_refusal_does_not_make_the_window_longer(server: Server, client: Any) -> None:
    async with intake_at(server.url, duplicate_window_s=60) as intake:
        await intake.store(CHECK_IN)
        client.expire(_KEY, 30)
        with pytest.raises(DuplicateError):
            await intake.store(CHECK_IN)
    assert 0 < client.ttl(_KEY) <= 30


async def test_a_window_of_before_the_clock_was_set_back_is_no_longer_than_a_new_one(
    server: Server, client: Any
) -> None:
    async with intake_at(server.url, duplicate_window_s=60) as intake:
        await intake.store(CHECK_IN)
        client.expire(_KEY, 3600)
        with pytest.raises(DuplicateError):
            await intake.store(CHECK_IN)
    assert 0 < client.ttl(_KEY) <= 60


async def test_of_many_at_once_one_is_taken(server: Server, client: Any) -> None:
    async with intake_at(server.url, duplicate_window_s=60) as intake:
        keys = [None, "a", "b", None, "c", None]
        outcomes = await asyncio.gather(*(intake.store(CHECK_IN, key) for key in keys), return_exceptions=True)
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, DuplicateError) for outcome in outcomes) == 5
    assert client.xlen(STREAM) == 1


async def test_the_window_holds_for_users_who_are_unknown(server: Server, client: Any) -> None:
    unknown = CheckIn(user_id=9, location_id=9, star_rating=1)
    async with intake_at(server.url, duplicate_window_s=60) as intake:
        for _ in range(2):
            with pytest.raises(UnknownUserError):
                await intake.store(unknown)
    async with intake_at(server.url, duplicate_window_s=60, unknown_ids="create") as intake:
        await intake.store(unknown)
        with pytest.raises(DuplicateError):
            await intake.store(unknown)
    assert client.xlen(STREAM) == 1


async def test_a_batch_with_a_key_is_answered_as_the_first_time_duplicates_and_all(server: Server, client: Any) -> None:
    batch = [CHECK_IN, CHECK_IN, CheckIn(user_id=2, location_id=2, star_rating=0)]
    async with intake_at(server.url, duplicate_window_s=60) as intake:
        first, second = [await intake.store_all(batch, "key") for _ in range(2)]
        assert second.replayed
        assert list(map(str, first.outcomes)) == list(map(str, second.outcomes))
        assert [isinstance(outcome, DuplicateError) for outcome in second.outcomes] == [False, True, False]
        with pytest.raises(KeyReusedError):
            await intake.store_all(batch[:2], "key")
        client.delete("ncc:duplicate:2:3")
        client.sadd("ncc:duplicate:2:3", "not ours")
        with pytest.raises(BrokenKeyError):
            await intake.store_all([CheckIn(user_id=2, location_id=3, star_rating=0)] * 2, "another key")
    assert client.xlen(STREAM) == 2
