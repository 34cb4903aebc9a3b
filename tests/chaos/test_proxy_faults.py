"""Connections to the server that are cut, stalled, slow and half closed at random, also in the middle of a reply."""

import random
from collections import Counter
from typing import Any

from chaos.poster import CheckIn, Poster, distinct_check_ins, random_check_ins
from chaos.replay import assert_replayed, check_ins, entries
from chaos.scene import LOCATIONS, USERS, full, load_records, wait_until_drained, wait_until_processed
from footfall.domain.model import MAX_ID
from processes import Footfall, Receiver
from proxy import Fault, Proxy
from servers import Server, wait_until

#: connections that come to such an end
FAULTS = full(40, 1000)
#: The parts wait 0.5 s for the server: a connection that stalls costs that. Batches are small, so that many calls are
#: under way.
PARTS: dict[str, Any] = {"server_timeout": 0.5, "processor_lease_s": 0.5, "processor_batch": 20}


class Plan:
    """What a proxy does to connections, at random."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def fault(self) -> Fault:
        """Of the bytes before it, each order of magnitude is as likely: some hit the sign-in, some a late reply."""
        what = self._rng.choices(["cut", "half-close", "stall"], [5, 4, 1])[0]
        direction = self._rng.choice(["requests", "replies"])
        return Fault(what, direction, int(10 ** self._rng.uniform(0, 4.5)))  # type: ignore[arg-type]

    def delay(self) -> float:
        """Seconds that something takes to pass."""
        return self._rng.uniform(0, 0.05) if self._rng.random() < 0.05 else 0.0


def disturb(proxy: Proxy, rng: random.Random) -> None:
    """When this returns, so many connections as FAULTS have come to such an end, and no more do."""
    plan = Plan(random.Random(rng.random()))
    quiet = proxy.plan_fault, proxy.plan_delay
    proxy.plan_fault, proxy.plan_delay = plan.fault, plan.delay
    proxy.cut()
    wait_until(lambda: proxy.faults.total() >= FAULTS, f"{FAULTS} faults", 60 + FAULTS)
    proxy.plan_fault, proxy.plan_delay = quiet
    proxy.cut()


def assert_goes_on(client: Any, poster: Poster) -> None:
    """Check-ins are taken and processed."""
    behind = len(entries(client))
    poster.wait_for_accepted(100)
    wait_until_processed(client, behind)


def assert_sound(*parts: Footfall) -> None:
    """Faults of the network are no defects, and an outage is two lines."""
    for part in parts:
        assert part.exit_code is None
        assert "Traceback" not in part.log
        lines = [line for line in part.log.splitlines() if not line.startswith("info: Processed ")]
        assert len(lines) < 10 * FAULTS + 20, "\n".join(lines[:50])


def test_what_is_posted_with_its_key_over_a_bad_network_is_counted_exactly_once(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client)
    with (
        Proxy(server.port) as proxy,
        Receiver(proxy.url, **PARTS) as receiver,
        Footfall("processor", settings={"redis_url": proxy.url, **PARTS}) as one,
        Footfall("processor", settings={"redis_url": proxy.url, **PARTS, "processor_lease_s": 0}) as other,
    ):
        with Poster(receiver, random_check_ins(rng, USERS, LOCATIONS), keyed=True) as poster:
            disturb(proxy, rng)
            assert_goes_on(client, poster)
        wait_until_drained(client)
        assert_sound(receiver, one, other)
    print(f"{dict(proxy.faults)}; {len(poster.accepted)} check-ins, {poster.replayed} replayed")
    assert check_ins(client) == poster.accepted
    assert_replayed(client, replay.after(entries(client)))


def test_over_a_bad_network_nothing_acknowledged_is_lost_and_nothing_is_there_twice(
    server: Server, client: Any, rng: random.Random
) -> None:
    replay = load_records(client, create=True)
    settings = {**PARTS, "unknown_ids": "create"}
    with (
        Proxy(server.port) as proxy,
        Receiver(proxy.url, **settings) as receiver,
        Footfall("processor", settings={"redis_url": proxy.url, **settings}) as processor,
    ):
        with Poster(receiver, distinct_check_ins(users=50)) as poster:
            disturb(proxy, rng)
            assert_goes_on(client, poster)
        wait_until_drained(client)
        assert_sound(receiver, processor)
    print(f"{dict(proxy.faults)}; {len(poster.accepted)} check-ins, {len(poster.unanswered)} without an answer")
    # without what `Receiver` posts to see whether it is ready
    stream = {entry_id: CheckIn(*found) for entry_id, found in check_ins(client).items() if found[0] < MAX_ID}
    assert {entry_id: stream.get(entry_id) for entry_id in poster.accepted} == poster.accepted
    assert max(Counter(stream.values()).values()) == 1, "no two posted check-ins are alike"
    assert set(stream.values()) <= {*poster.accepted.values(), *poster.unanswered}
    assert_replayed(client, replay.after(entries(client)))
