"""A command that the server refuses, or does not have: no script writes anything then, and each says which it is.

Every script is called with every command of its own taken away, one by one: real calls, on the data that they were
made on.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import redis

from chaos.replay import raw_client
from footfall.errors import DeniedError, ExitCode
from footfall.store.scripts import _scripts as SCRIPTS  # noqa: N812
from footfall.store.scripts.commands import WRITES
from script_calls import RecordedCall, held, put_back, record
from servers import Server, program_of

USER = "limited"
#: of a script that was called often, so many calls are made again
MOST_CALLS = 9
#: asks for commands, and does nothing else
ASKS = {"check_commands"}


@dataclass
class Bench:
    """A server, calls that were made on it, and a user whose rights a test takes away."""

    server: Server
    client: Any
    calls: dict[str, list[RecordedCall]]

    def allow(self, *rules: str) -> None:
        """Give the user just these rights."""
        self.client.execute_command("ACL", "SETUSER", USER, "reset", "on", ">secret", *rules)

    def call(self, call: RecordedCall) -> Any:
        """Make it as the user, on what the server holds."""
        with redis.Redis(port=self.server.port, username=USER, password="secret") as limited:
            return call.script.run_sync(limited, call.keys, call.arguments)

    def call_on_its_data(self, call: RecordedCall) -> Any:
        put_back(self.client, call.before)
        return self.call(call)

    def shape(self, call: RecordedCall) -> tuple[Any, list[bytes]]:
        """What does not depend on the time: what kind of reply it has now, and which keys there are then."""
        reply = self.call_on_its_data(call)
        kind = reply if isinstance(reply, bytes) and not re.search(rb"\d", reply) else type(reply)
        words = [one for one in reply if isinstance(one, bytes) and one.isupper()] if isinstance(reply, list) else []
        return (kind, words), sorted(held(self.client))


@pytest.fixture(scope="module", params=["embedded", "redis"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with Server(program=program_of(request.param)) as server:
        client = raw_client(server.port)
        calls: dict[str, list[RecordedCall]] = {}
        for call in record(server, client):
            calls.setdefault(call.script.name, []).append(call)
        for name, made in calls.items():
            calls[name] = made[:MOST_CALLS]
        yield Bench(server, client, calls)
        client.close()


def test_every_script_is_called(bench: Bench) -> None:
    assert set(bench.calls) == set(SCRIPTS) - ASKS


def test_a_script_needs_no_command_but_those_that_it_says(bench: Bench) -> None:
    for name, calls in bench.calls.items():
        for call in calls:
            bench.allow("~*", "+@all")
            wanted = bench.shape(call)
            bench.allow("~*", "+eval", "+evalsha", *(f"+{command.lower()}" for command in call.script.commands))
            assert bench.shape(call) == wanted, name


def refusal(call: Callable[[], object]) -> DeniedError | None:
    """What is refused when this is called; None when nothing is."""
    try:
        call()
    except DeniedError as error:
        return error
    return None


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - ASKS))
def test_with_a_command_refused_nothing_is_written_and_it_is_named(bench: Bench, name: str) -> None:
    for command in sorted(SCRIPTS[name].commands):
        bench.allow("~*", "+@all", f"-{command.lower()}")
        for call in bench.calls[name]:
            before = put_back(bench.client, call.before)
            error = refusal(partial(bench.call, call))
            assert error is not None, command
            assert str(error) == (
                f"the server refuses {command.replace('|', ' ')} to the user {USER}; "
                f"this grants it: ACL SETUSER {USER} +{command.lower()}"
            )
            assert error.exit_code == ExitCode.DENIED
            assert held(bench.client) == before, command


@pytest.mark.parametrize("name", sorted(name for name in set(SCRIPTS) - ASKS if SCRIPTS[name].commands & WRITES))
def test_with_a_key_that_may_only_be_read_nothing_is_written(bench: Bench, name: str) -> None:
    for call in bench.calls[name]:
        for key in call.keys[:30]:
            others = (f"%RW~{other.decode()}" for other in call.keys if other != key)
            bench.allow("+@all", "%R~*", *others)
            before = put_back(bench.client, call.before)
            assert refusal(partial(bench.call, call)) is not None, key
            assert held(bench.client) == before, key


def test_with_a_command_renamed_nothing_is_written_and_it_is_named(bench: Bench) -> None:
    names = {command.partition("|")[0] for script in SCRIPTS.values() for command in script.commands}
    for name in sorted(names):
        with Server(program=bench.server.program, config={"rename-command": f"{name} "}) as server:
            client = raw_client(server.port)
            for call in (call for calls in bench.calls.values() for call in calls[:3]):
                lacking = {command for command in call.script.commands if command.partition("|")[0] == name}
                if lacking:
                    before = put_back(client, call.before)
                    error = refusal(partial(call.script.run_sync, client, call.keys, call.arguments))
                    assert error is not None, (name, call.script.name)
                    assert f"the server has no command {name}" in str(error)
                    assert "rename-command" in str(error)
                    assert held(client) == before, name
            client.close()
