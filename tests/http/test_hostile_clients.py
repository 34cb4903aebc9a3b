"""Whatever a client does, a service lives, serves others, and stays as large as it was."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from hostile_clients import SENDING, Hostile, Plan, Reading, memory
from processes import Api, AsgiReceiver, Auth, Receiver, Service
from receiver_scene import open_metadata
from servers import Server, wait_until

_MB = 1024 * 1024
#: bytes that each hostile connection may take of a service while it is there
_EACH = 10 * _MB
#: bytes that a service may keep of all of them: its allocator gives back in part
_KEPT = 24 * _MB
#: for how long clients are hostile, for each plan, in seconds: what grows without end grows by 100 MB and more
_HOSTILE_S = 0.7
#: for each kind of client; the first is a single connection that reads its answers
_EXAMPLES = 10 if os.environ.get("TEST_FULL") else 2
#: where each service takes bodies
PATHS: dict[type[Service], bytes] = {
    Receiver: b"/api/checkin",
    AsgiReceiver: b"/api/checkin",
    Api: b"/api/users",
    Auth: b"/login",
}

readings = st.sampled_from(["all", "a little", "nothing"])


@contextmanager
def warm(kind: type[Service], server: Server) -> Iterator[Service]:
    """A service that has done before what takes memory once."""
    open_metadata(server)
    with kind(server.url) as service:
        for path in ("/schema/openapi.json", "/docs", "/metrics"):
            service.client.get(path)
        for sending in ("pipeline", "large answers", "bombs"):
            for seed in range(3):
                attack(service, Plan(sending, "all", 4, seed), most=1024 * _MB)
        yield service


def attack(service: Service, plan: Plan, most: int) -> None:
    """Do what is planned while others ask the service, which may take so many bytes of memory."""
    with Hostile(service.port, PATHS[type(service)], plan):
        until = time.monotonic() + _HOSTILE_S
        while time.monotonic() < until:
            assert service.client.get("/healthz").status_code == 200
            assert memory(service.pid) < most
    assert service.client.get("/healthz").status_code == 200
    assert service.exit_code is None


@pytest.mark.parametrize("kind", PATHS)
def test_a_service_lives_serves_others_and_stays_as_large_as_it_was(server: Server, kind: type[Service]) -> None:
    with warm(kind, server) as service:
        before = memory(service.pid)
        for sending in SENDING:

            @settings(
                max_examples=_EXAMPLES,
                deadline=None,
                phases=[Phase.explicit, Phase.generate],  # what depends on time does not shrink
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            )
            @given(readings, st.sampled_from([1, 4]), st.integers(0, 2**32))
            def holds(sending: str, reading: Reading, connections: int, seed: int) -> None:
                plan = Plan(sending, reading, connections, seed)
                note(repr(plan))
                attack(service, plan, before + _KEPT + _EACH * connections)
                wait_until(lambda: memory(service.pid) < before + _KEPT, f"as large as before {plan}")

            holds(sending)
        assert "Traceback" not in service.log


@pytest.mark.parametrize("kind", [Receiver, Api, Auth])
def test_thousands_of_idle_connections_take_little_and_leave_nothing_behind(
    server: Server, kind: type[Service]
) -> None:
    number, each = 3000, 24 * 1024
    with warm(kind, server) as service:
        files, before = open_files(service), memory(service.pid)
        sizes = []
        for _ in range(3):
            with Hostile(service.port, PATHS[kind], Plan("silence", "all", number, 1)):
                # those of before may have ended
                wait_until(lambda: open_files(service) >= number, "all connections are there", 30)
                assert service.client.get("/healthz").status_code == 200
                sizes.append(memory(service.pid))
            wait_until(lambda: open_files(service) <= files, "all connections are gone", 30)
        assert sizes[0] < before + number * each
        assert sizes[-1] < sizes[0] + _KEPT  # the allocator keeps some of what it had once, but nothing is added


def open_files(service: Service) -> int:
    """How many a service has."""
    return len(list(Path(f"/proc/{service.pid}/fd").iterdir()))
