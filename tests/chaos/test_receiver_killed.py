"""Receivers killed under load: what was answered with 202 is in the stream, once."""

import random
import signal
import time
from collections import Counter
from typing import Any

from chaos.poster import CheckIn, Poster, distinct_check_ins
from chaos.replay import check_ins
from chaos.scene import full
from footfall.domain.model import MAX_ID
from processes import Receiver
from servers import Server

KILLS = full(6, 100)


def posted(client: Any) -> dict[bytes, CheckIn]:
    """The stream, without what `Receiver` posts to see whether it is ready."""
    return {entry_id: CheckIn(*check_in) for entry_id, check_in in check_ins(client).items() if check_in[0] < MAX_ID}


def assert_stored_once(client: Any, poster: Poster) -> None:
    """The stream holds each accepted check-in once, under the id in its answer; and nothing that was not posted."""
    stream = posted(client)
    assert {entry_id: stream.get(entry_id) for entry_id in poster.accepted} == poster.accepted
    assert max(Counter(stream.values()).values()) == 1, "no two posted check-ins are alike"
    assert set(stream.values()) <= {*poster.accepted.values(), *poster.unanswered}


def test_kill_9_of_the_receiver_under_load_neither_loses_nor_repeats_an_accepted_check_in(
    server: Server, client: Any, rng: random.Random
) -> None:
    with (
        Receiver(server.url, unknown_ids="create") as receiver,
        Poster(receiver, distinct_check_ins(users=50), connections=16) as poster,
    ):
        for _ in range(KILLS):
            poster.wait_for_accepted(100)
            time.sleep(rng.uniform(0, 0.1))
            receiver.kill()
            receiver.start()
        poster.stop()
    assert poster.unanswered, "some of so many kills hit while check-ins were under way"
    assert_stored_once(client, poster)


def test_a_receiver_that_is_told_to_stop_answers_what_it_has_taken(server: Server, client: Any) -> None:
    with Receiver(server.url, unknown_ids="create") as receiver:
        for number in (signal.SIGTERM, signal.SIGINT):
            with Poster(receiver, distinct_check_ins(users=50)) as poster:
                poster.wait_for_accepted(100)
                receiver.signal(number)
                assert receiver.wait(5) == 0
            assert posted(client) == poster.accepted
            client.flushall()
            receiver.start()
