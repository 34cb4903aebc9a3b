"""What services say when they start on a server that is not set up to keep what they store."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from footfall.store.advice import advice
from processes import Footfall, Receiver
from servers import Server, wait_until

NO_FILE = "there is no append-only file: a restart of the server loses what came since its last snapshot"
POLICY = "maxmemory-policy is allkeys-lru: a full server deletes keys; it must be noeviction"


def warnings(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("policy", ["noeviction", None])
@pytest.mark.parametrize("append_only", [True, None])
def test_nothing_is_said_of_what_is_right_or_not_told(policy: str | None, append_only: bool | None) -> None:
    assert advice(policy, append_only) == []


@pytest.mark.parametrize("command", ["receiver", "processor"])
def test_a_service_warns_once_of_each_setting_with_the_fix(own_server: Callable[..., Server], command: str) -> None:
    server = own_server(config={"maxmemory-policy": "allkeys-lru"})
    with start(command, server.url) as service:
        service.terminate()
        policy, no_file = warnings(service.log)
    where = f"warning: The server at redis://127.0.0.1:{server.port}/0: "
    assert policy.startswith(where + POLICY)
    assert "CONFIG SET maxmemory-policy noeviction" in policy
    assert no_file.startswith(where + NO_FILE)
    assert "CONFIG SET appendonly yes" in no_file


def test_the_fix_that_it_names_ends_the_warnings(own_server: Callable[..., Server]) -> None:
    server = own_server(config={"maxmemory-policy": "allkeys-lru"})
    client: Any = server.client()
    with start("processor", server.url) as processor:
        processor.terminate()
        for warning in warnings(processor.log):
            command = warning.partition("(")[2].partition(",")[0]
            client.execute_command(command)
        told = len(processor.log)
        processor.start()
        processor.wait_until(lambda: "Reading stream" in processor.log[told:], "it works")
        assert warnings(processor.log[told:]) == []


@pytest.mark.parametrize("command", ["receiver", "processor"])
def test_a_user_who_may_not_look_is_told_nothing(own_server: Callable[..., Server], command: str) -> None:
    server = own_server()
    server.client().acl_setuser(
        "app", enabled=True, passwords=["+secret"], keys=["ncc:*"], commands=["+@all", "-info", "-config"]
    )
    url = server.url.replace("redis://", "redis://app:secret@")
    with start(command, url) as service:
        assert service.terminate() == 0
        assert warnings(service.log) == []
        assert "secret" not in service.log


def test_for_machines_it_is_a_warning_like_any_other(own_server: Callable[..., Server]) -> None:
    with start("processor", own_server().url, log_format="json") as processor:
        processor.terminate()
        lines: list[Any] = [json.loads(line) for line in processor.log.splitlines()]
    assert [line["level"] for line in lines if NO_FILE in line["message"]] == ["warning"]


def start(command: str, url: str, **settings: Any) -> Footfall:
    """A running receiver, or a processor that works."""
    if command == "receiver":
        return Receiver(url, **settings)
    processor = Footfall("processor", settings={"redis_url": url, **settings})
    wait_until(lambda: "Reading stream" in processor.log or processor.exit_code is not None, "it works", 30)
    return processor
