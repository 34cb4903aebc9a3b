"""A node of a cluster under an URL of one server: refused with the reason, by everything."""

from collections.abc import Iterator
from typing import Any

import pytest

from footfall.errors import ExitCode
from processes import Footfall
from servers import Server, free_port, program_of

SERVICES = ("receiver", "processor", "api", "auth")
COMMANDS = (
    *("status", "status --json", "verify", "rebuild --yes", "load all --sample", "load --abort", "dead-letters list"),
    *("dead-letters retry", "tokens list", "tokens create till", "users remove 1 --yes", "redis GET a", "generate"),
)


@pytest.fixture(scope="module", params=["embedded", "redis"])
def node(request: pytest.FixtureRequest) -> Iterator[Server]:
    program = program_of(request.param)
    # the port of its bus would be 10,000 above the other, and may be taken
    with Server(program=program, config={"cluster-enabled": "yes", "cluster-port": str(free_port())}) as server:
        yield server


@pytest.mark.parametrize("has_slots", [False, True])
@pytest.mark.parametrize("command", [*SERVICES, *COMMANDS])
def test_it_is_refused(node: Server, command: str, has_slots: bool) -> None:
    client: Any = node.client()
    client.execute_command("CLUSTER", *(["ADDSLOTSRANGE", 0, 16383] if has_slots else ["FLUSHSLOTS"]))
    ports = {f"{name}_port": free_port() for name in ("receiver", "api", "auth", "processor")}
    with Footfall(*command.split(), settings={"redis_url": node.url, **ports}) as process:
        assert process.wait() == ExitCode.USAGE, process.log
        assert "the server is a node of a cluster" in process.log
        assert "Traceback" not in process.log
    client.execute_command("CLUSTER", "FLUSHSLOTS")
    node.close_clients()
