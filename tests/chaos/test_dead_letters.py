"""Dead letters retried by commands that are killed and that race, while check-ins arrive: each counts exactly once."""

import random
import signal
import time
from typing import Any

import pytest
import redis

from chaos.poster import Poster, random_check_ins
from chaos.replay import Replay, assert_replayed, check_ins, entries
from chaos.scene import (
    LOCATIONS,
    USERS,
    add,
    full,
    load_records,
    load_rows,
    location_row,
    user_row,
    wait_until_drained,
)
from footfall.store.scripts import RETRY_DEAD_LETTERS
from processes import Footfall, Receiver
from proxy import Proxy
from servers import Server, wait_until

KILLS = full(12, 150)
LETTERS = full(4_000, 40_000)
#: users and locations that are loaded only after check-ins have named them
LATE_USERS, LATE_LOCATIONS = 8, 4


def late_users() -> list[dict[str, object]]:
    return [user_row(USERS + 1 + number) for number in range(LATE_USERS)]


def late_locations() -> list[dict[str, object]]:
    return [location_row(LOCATIONS + 1 + number) for number in range(LATE_LOCATIONS)]


@pytest.fixture
def replay(server: Server, client: Any) -> Replay:
    """The server has the records of `load_records`; these are the metadata if the late ones had been there, too."""
    with redis.Redis(port=server.port, db=1, protocol=2) as other:
        load_records(other)
        load_rows(other, "users", late_users())
        load_rows(other, "locations", late_locations())
        whole = Replay.of_loaded(other)
    load_records(client)
    return whole


def add_late(client: Any, rng: random.Random, count: int) -> None:
    """Write check-ins of which most name what is not loaded yet, many of them in one ms."""
    for _ in range(0, count, 500):
        pipeline = client.pipeline(transaction=True)
        for _ in range(500):
            user = rng.randint(USERS - 2, USERS + LATE_USERS)
            add(pipeline, user, rng.randint(LOCATIONS - 2, LOCATIONS + LATE_LOCATIONS), rng.randint(0, 5))
        pipeline.execute()


def load_late(client: Any) -> None:
    load_rows(client, "users", late_users())
    load_rows(client, "locations", late_locations())


def retry(server: Server, **settings: object) -> Footfall:
    return Footfall("dead-letters", "retry", settings={"redis_url": server.url, **settings})


def test_retries_killed_at_random_moments_and_two_at_once_count_each_dead_letter_once(
    server: Server, client: Any, replay: Replay, rng: random.Random
) -> None:
    in_mid_flight = 0
    with (
        Footfall("processor", settings={"redis_url": server.url, "log_level": "error"}),
        Receiver(server.url, unknown_ids="create") as receiver,
        Poster(receiver, random_check_ins(rng, USERS + LATE_USERS, LOCATIONS + LATE_LOCATIONS)) as poster,
    ):
        poster.wait_for_accepted(200)
        add_late(client, rng, LETTERS)
        wait_until(lambda: client.xlen("ncc:checkins:dead") > LETTERS / 2, "there are dead letters", 30)
        load_late(client)
        dead = client.xlen("ncc:checkins:dead")
        with retry(server) as one, retry(server) as other:
            for number in range(KILLS):
                process = (one, other)[number % 2]
                # from when it is at work to about when it is done
                before = client.xlen("ncc:checkins:dead")
                wait_until(
                    lambda before=before, process=process: (  # type: ignore[misc]
                        client.xlen("ncc:checkins:dead") != before or process.exit_code is not None
                    ),
                    "a retry is at work",
                    30,
                )
                time.sleep(rng.uniform(0, 0.01))
                in_mid_flight += process.exit_code is None and 0 < client.xlen("ncc:checkins:dead") < dead
                if process.exit_code is None:
                    process.kill()
                if client.xlen("ncc:checkins:dead") < 500:
                    break
                process.start()
            for process in (one, other):
                if process.exit_code is None:
                    process.wait()
        poster.stop()
        wait_until_drained(client)
    with retry(server) as last:
        assert last.wait() == 1
        # the one that was posted to see whether the receiver is there
        assert last.log.endswith(" 1 cannot be applied: unknown-user.\n"), last.log
    print(f"{in_mid_flight} kills in mid-flight, {dead} dead letters, {len(poster.accepted)} check-ins posted")
    assert in_mid_flight
    assert not poster.unanswered
    assert poster.accepted.items() <= check_ins(client).items()
    assert_replayed(client, replay.after(entries(client)))


def test_a_retry_whose_reply_was_lost_with_it_is_not_repeated(
    server: Server, client: Any, replay: Replay, rng: random.Random
) -> None:
    add_late(client, rng, 1_000)
    with Footfall("processor", "--once", settings={"redis_url": server.url}) as processor:
        assert processor.wait() == 0
    load_late(client)
    client.script_load(RETRY_DEAD_LETTERS.source)
    dead = client.xlen("ncc:checkins:dead")
    with Proxy(server.port) as proxy:
        proxy.hold_replies(to=RETRY_DEAD_LETTERS.sha)
        with retry(server, redis_url=proxy.url) as held:
            proxy.wait_until_holding()
            wait_until(lambda: client.xlen("ncc:checkins:dead") == dead - 100, "the first page is applied")
            held.kill()
            proxy.release()
            held.start()
            assert held.wait() == 0, held.log
    assert_replayed(client, replay.after(entries(client)))


def test_a_retry_that_was_frozen_while_another_did_the_work_changes_nothing(
    server: Server, client: Any, replay: Replay, rng: random.Random
) -> None:
    add_late(client, rng, 1_000)
    with Footfall("processor", "--once", settings={"redis_url": server.url}) as processor:
        assert processor.wait() == 0
    load_late(client)
    client.script_load(RETRY_DEAD_LETTERS.source)
    with Proxy(server.port) as proxy:
        proxy.hold_requests(containing=RETRY_DEAD_LETTERS.sha)
        with retry(server, redis_url=proxy.url) as frozen:
            proxy.wait_until_holding()
            frozen.signal(signal.SIGSTOP)
            with retry(server) as other:
                assert other.wait() == 0, other.log
            assert_replayed(client, replay.after(entries(client)))
            proxy.release()
            frozen.signal(signal.SIGCONT)
            assert frozen.wait() == 0, frozen.log
            assert "Applied 0 dead letters" in frozen.log
    assert_replayed(client, replay.after(entries(client)))
