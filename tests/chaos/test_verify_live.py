"""Verifying over and over while check-ins come in and users are loaded again: no false alarm."""

import random
import threading
from typing import Any

from audit_scene import assert_sound, settle_dead_letters, trim
from chaos.poster import Poster, random_check_ins
from chaos.replay import check_ins, raw_client
from chaos.scene import (
    KEEP_ALL,
    LOCATIONS,
    USERS,
    add,
    full,
    load_records,
    load_rows,
    location_row,
    user_row,
    wait_until_drained,
    wait_until_processed,
)
from processes import Footfall, Receiver
from servers import Server, wait_until

ROUNDS = full(25, 300)


class Operator:
    """Loads users and locations again, and settles dead letters, until it is stopped; in a thread of its own."""

    def __init__(self, server: Server, rng: random.Random) -> None:
        self._server, self._rng = server, random.Random(rng.random())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.rounds = 0
        self.failures: list[Exception] = []

    def __enter__(self) -> "Operator":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        assert not self.failures

    def _run(self) -> None:
        rng, client = self._rng, raw_client(self._server.port)
        try:
            while not self._stopping.is_set():
                self.rounds += 1
                for _ in range(3):
                    add(client, rng.choice((500, rng.randint(1, USERS))), rng.choice((500, 1)), 1)
                users = rng.sample(range(1, USERS + 1), 5)
                load_rows(client, "users", [user_row(user, numCheckins=rng.randint(0, 99)) for user in users])
                locations = rng.sample(range(1, LOCATIONS + 1), 2)
                categories = [{"category": rng.choice(("bar", "gym"))} for _ in locations]
                rows = [
                    location_row(one, numCheckins=50) | other for one, other in zip(locations, categories, strict=True)
                ]
                load_rows(client, "locations", rows)
                settle_dead_letters(client, rng.choice(("retry", "discard")))
        except Exception as error:  # shown by the test
            self.failures.append(error)
        finally:
            client.close()


def test_a_busy_system_is_verified_without_a_false_alarm(server: Server, client: Any, rng: random.Random) -> None:
    load_records(client)
    with (
        Receiver(server.url) as receiver,
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 50, "retain": KEEP_ALL}),
        Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster,
        Operator(server, rng) as operator,
    ):
        wait_until_processed(client, 100)
        checkpoints = {assert_sound(client).checkpoint for _ in range(ROUNDS)}
        poster.stop()
        wait_until(lambda: operator.rounds > 1, "users were loaded again")
    assert len(checkpoints) > ROUNDS / 2
    assert_sound(client)


def test_a_busy_system_is_verified_by_its_sums_while_it_is_trimmed(
    server: Server, client: Any, rng: random.Random
) -> None:
    load_records(client)
    with (
        Receiver(server.url) as receiver,
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 50}),
        Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster,
        Operator(server, rng),
    ):
        wait_until_processed(client, 500)
        for _ in range(ROUNDS):
            trim(client, 300)
            assert_sound(client, "sums")
        poster.stop()
    wait_until_drained(client)
    assert_sound(client, "sums")
    assert len(check_ins(client)) < len(poster.accepted)
