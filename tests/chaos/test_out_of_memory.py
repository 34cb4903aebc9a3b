"""A server that has no memory left (`maxmemory` with `noeviction`): 503, nothing half applied, and on it goes."""

import random
from collections.abc import Callable
from typing import Any

from chaos.poster import Poster, random_check_ins
from chaos.replay import assert_replayed, check_ins, entries, held
from chaos.scene import (
    LOCATIONS,
    USERS,
    add_some,
    full,
    load_records,
    processed,
    wait_until_drained,
    wait_until_processed,
)
from processes import Api, Footfall, Receiver
from servers import Server, wait_until

ROUNDS = full(3, 60)


def test_a_server_without_memory_takes_and_applies_nothing_in_part_and_goes_on_when_it_has_some(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    server = own_server(appendonly=True, appendfsync="no", config={"maxmemory-policy": "noeviction"})
    client = client_of(server)
    replay = load_records(client)
    with (
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 10}) as processor,
        Receiver(server.url) as receiver,
    ):
        with Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster:
            for _ in range(ROUNDS):
                poster.wait_for_accepted(100)
                told = len(processor.log)
                # so much is left that it ends amid the load; how much is taken depends on connections, too
                use_up_memory(client, poster, rng.randrange(100_000))
                client.config_set("maxmemory", 1)
                wait_for_more(processor, told, "Nothing is processed: OOM")
                assert_stands_still(client)
                assert_replayed(client, replay.after(entries(client)[: processed(client)]))
                client.config_set("maxmemory", 0)
                wait_until_processed(client, len(entries(client)) + 1)
        wait_until_drained(client)
        assert processor.exit_code is receiver.exit_code is None
        logs = [processor.log, receiver.log]
    print(f"{len(poster.accepted)} accepted, {poster.refused[503]} refused")
    assert logs[0].count("Nothing is processed: OOM") <= logs[0].count("Processing goes on") <= 10 * ROUNDS
    assert 1 <= logs[1].count("Check-ins are refused: OOM") <= ROUNDS
    for log in logs:
        assert "Traceback" not in log
        assert "Cannot reach" not in log
    # each refusal says that nothing was stored, so nothing else may be there
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))


def test_a_key_sent_again_after_the_server_was_full_is_counted_once(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    server = own_server(appendonly=True, appendfsync="no")
    client = client_of(server)
    replay = load_records(client)
    with (
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 10}),
        Receiver(server.url) as receiver,
    ):
        with Poster(receiver, random_check_ins(rng, USERS, LOCATIONS), keyed=True) as poster:
            for _ in range(ROUNDS):
                poster.wait_for_accepted(100)
                use_up_memory(client, poster, rng.randrange(50_000))
                client.config_set("maxmemory", 0)
            poster.wait_for_accepted(100)
        wait_until_drained(client)
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))


def use_up_memory(client: Any, poster: Poster, left: int) -> None:
    """Let the server have so many bytes more than it uses; return when it has refused a check-in."""
    refused = poster.refused[503]
    client.config_set("maxmemory", client.info("memory")["used_memory"] + left)
    wait_until(lambda: poster.refused[503] > refused, "check-ins are refused", 60)


def wait_for_more(process: Footfall, told: int, text: str) -> None:
    """Wait until it has written `text` after the first `told` characters."""
    process.wait_until(lambda: text in process.log[told:], text)


def assert_stands_still(client: Any) -> None:
    """Nothing changes while many calls are refused."""
    before = held(client), entries(client)
    refused = oom_errors(client)
    wait_until(lambda: oom_errors(client) >= refused + 20, "20 more calls are refused", 60)
    assert (held(client), entries(client)) == before


def oom_errors(client: Any) -> int:
    """How many commands the server has refused for want of memory."""
    return int(client.info("errorstats").get("errorstat_OOM", {"count": 0})["count"])


def test_a_backlog_that_was_there_when_memory_ran_out_is_applied_in_order_afterwards(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    server = own_server(appendonly=True, appendfsync="no")
    client = client_of(server)
    replay = load_records(client)
    add_some(client, rng, 2000)
    client.config_set("maxmemory", 1)
    settings = {"redis_url": server.url, "processor_batch": 50, "retain": 1000}
    with Footfall("processor", settings=settings) as processor, Receiver(server.url, ready=False) as receiver:
        processor.wait_for("Nothing is processed: OOM")
        answer = receiver.post(1, 1, 5)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert_replayed(client, replay)
        client.config_set("maxmemory", 0)
        expected = replay.after(entries(client))
        wait_until(lambda: processed(client) == 2000, "the backlog is applied", 60)
        processor.wait_for("Processing goes on")
    assert_replayed(client, expected)


def test_an_api_server_that_starts_on_a_server_without_memory_answers(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any]
) -> None:
    server = own_server()
    client = client_of(server)
    load_records(client)
    client.config_set("maxmemory", 1)
    with Api(server.url) as api:
        assert api.client.get("/api/user/1").json()["numCheckins"] == 3
