"""The server killed, or replaced by a replica that lacks its last entries."""

import random
import time
from collections.abc import Callable
from typing import Any

from chaos.poster import Poster, random_check_ins
from chaos.replay import assert_replayed, check_ins, entries
from chaos.scene import (
    LOCATIONS,
    USERS,
    add,
    add_some,
    full,
    load_records,
    processed,
    wait_until_drained,
    wait_until_processed,
)
from footfall.store.scripts import PROCESS
from processes import Footfall, Receiver
from proxy import Proxy
from servers import Server, wait_until

KILLS = full(4, 60)


def test_kill_9_of_a_server_that_writes_to_disk_at_once_loses_and_repeats_nothing(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    client = client_of(server)
    replay = load_records(client)
    with (
        Footfall("processor", settings={"redis_url": server.url, "processor_batch": 10}),
        Receiver(server.url) as receiver,
    ):
        with Poster(receiver, random_check_ins(rng, USERS, LOCATIONS)) as poster:
            for _ in range(KILLS):
                before = processed(client)
                poster.wait_for_accepted(100)
                wait_until_processed(client, before + 100)
                time.sleep(rng.uniform(0, 0.1))
                server.kill()
                server.start()
        wait_until_drained(client)
    assert poster.unanswered, "some of so many kills hit while check-ins were under way"
    stream = check_ins(client)
    assert {entry_id: stream.get(entry_id) for entry_id in poster.accepted} == poster.accepted
    assert len(stream) - len(poster.accepted) <= len(poster.unanswered)
    assert_replayed(client, replay.after(entries(client)))


def test_what_a_failover_lost_is_not_counted_and_what_is_posted_again_is_counted_once(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    primary = own_server()
    old = client_of(primary)
    replay = load_records(old)
    add_some(old, rng, 100)
    replica = own_server(replica_of=primary)
    new = client_of(replica)
    with Proxy(primary.port) as proxy, Receiver(proxy.url) as receiver:
        replica.promote()  # what follows, it lacks
        first = receiver.post(1, 1, 5)
        assert first.status_code == 202
        add_some(old, rng, 50)
        proxy.hold_requests(containing=PROCESS.sha)
        with Footfall("processor", settings={"redis_url": proxy.url, "server_timeout": 60}):
            proxy.wait_until_holding()
            proxy.target = replica.port
            primary.kill()
            proxy.release()
            wait_until(lambda: receiver.post(1, 1, 5).status_code == 202, "the receiver takes check-ins again")
            wait_until_drained(new)
    stream = entries(new)
    assert len(stream) == 101
    assert first.json()["id"].encode() not in dict(stream)
    assert_replayed(new, replay.after(stream))


def test_a_batch_with_entries_that_the_stream_has_lost_is_fenced_even_on_a_connection_that_lived_on(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    primary = own_server()
    old = client_of(primary)
    replay = load_records(old)
    add_some(old, rng, 100)
    replica = own_server(replica_of=primary)
    new = client_of(replica)
    replica.promote()
    add_some(old, rng, 50)
    with Proxy(primary.port) as proxy:
        proxy.hold_requests(containing=PROCESS.sha)
        settings = {"redis_url": proxy.url, "server_timeout": 60, "log_level": "debug"}
        with Footfall("processor", settings=settings) as processor:
            proxy.wait_until_holding()
            proxy.target = replica.port
            proxy.splice()
            add(new, 1, 1, 5)
            proxy.release()
            processor.wait_for("A batch was dropped")
            wait_until_drained(new)
            assert "Cannot reach" not in processor.log
    assert_replayed(new, replay.after(entries(new)))


def test_a_primary_that_became_a_replica_is_left(
    own_server: Callable[..., Server], client_of: Callable[[Server], Any], rng: random.Random
) -> None:
    primary = own_server()
    old = client_of(primary)
    replay = load_records(old)
    add_some(old, rng, 100)
    replica = own_server(replica_of=primary)
    new = client_of(replica)
    with (
        Proxy(primary.port) as proxy,
        Receiver(proxy.url) as receiver,
        Footfall("processor", settings={"redis_url": proxy.url}),
    ):
        wait_until_drained(old)
        wait_until(lambda: processed(new) == 100, "the replica has followed")
        replica.promote()
        old.replicaof("127.0.0.1", replica.port)
        assert receiver.post(1, 1, 5).status_code == 503
        proxy.target = replica.port
        wait_until(lambda: receiver.post(1, 1, 5).status_code == 202, "the receiver takes check-ins again")
        wait_until_drained(new)
    assert len(entries(new)) == 101
    assert_replayed(new, replay.after(entries(new)))
