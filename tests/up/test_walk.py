"""A newcomer's first walk: the sample is watched being processed, stopped after the fifth check-in, and taken up."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from chaos.replay import Replay, assert_replayed, entries, raw_client
from processes import Footfall
from servers import Server

#: id, user and location of the first six check-ins
WALK = [
    ("1609602085397-0", 789, 171),
    ("1609603711960-0", 455, 181),
    ("1609604227545-0", 752, 100),
    ("1609604778689-0", 102, 144),
    ("1609605397408-0", 180, 13),
    ("1609605558524-0", 57, 187),
]


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    yield client
    client.close()


def lines(check_ins: list[tuple[str, int, int]]) -> list[str]:
    """What `--delay` prints for these check-ins."""
    return [
        line
        for entry_id, user, location in check_ins
        for line in (
            f"debug: Updating user ncc:users:{user} and location ncc:locations:{location}.",
            f"info: Processed checkin {entry_id}.",
        )
    ]


def test_the_walk(server: Server, client: Any) -> None:
    with Footfall("load", "all", "--sample", settings={"redis_url": server.url}) as load:
        assert load.wait() == 0, load.log
    replay = Replay.of_loaded(client)
    stream = entries(client)
    sophia = client.hgetall("ncc:users:180")
    assert (sophia[b"firstName"], sophia[b"lastName"]) == (b"Sophia", b"Marshall")
    assert (sophia[b"email"], sophia[b"numCheckins"]) == (b"sophia.marshall@example.com", b"2331")

    with Footfall("processor", "--delay", settings={"redis_url": server.url}) as processor:
        processor.wait_for("Processed checkin 1609605397408-0.")
        processor.signal(signal.SIGINT)
        assert processor.wait() == 0
        first_run = processor.log
        assert first_run.splitlines() == [
            "info: Reading stream from last ID 0.",
            *lines(WALK[:5]),
            "info: The processor has stopped.",
        ]
        assert client.get("ncc:checkinprocessor:lastid") == b"1609605397408-0"
        counted = {b"numCheckins": b"2332", b"lastCheckin": b"1609605397408", b"lastSeenAt": b"13"}
        assert client.hgetall("ncc:users:180") == sophia | counted
        assert_replayed(client, replay.after(stream[:5]))

        processor.start()
        processor.wait_for("Processed checkin 1609605558524-0.")
        assert processor.terminate() == 0
        assert processor.log.removeprefix(first_run).splitlines()[:3] == [
            "info: Reading stream from last ID 1609605397408-0.",
            *lines(WALK[5:]),
        ]

    with Footfall("processor", "--once", settings={"redis_url": server.url}) as processor:
        assert processor.wait() == 0
    assert_replayed(client, replay.after(stream))
