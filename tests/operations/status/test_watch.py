"""`footfall status --watch`: live on a terminal, a JSON object per line for a machine, and Ctrl-C ends it well."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaos.replay import raw_client
from chaos.scene import add_some, load_records, seeded
from commands import read_until
from footfall import config
from footfall.errors import ExitCode
from footfall.keys import Keys
from footfall.operations.status.collect import collect
from footfall.operations.status.document import Status
from footfall.operations.status.rates import Rates, rates_between
from footfall.operations.status.show import lines
from footfall.process import launch
from footfall.store.client import connect
from processes import Footfall, environment
from servers import Server

KEYS = Keys("ncc")


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    client = raw_client(server.port)
    load_records(client)
    yield client
    client.close()


class Watch(Footfall):
    """A running `footfall status --watch`."""

    def __init__(self, server: Server, *options: str) -> None:
        super().__init__("status", "--watch", *options, settings={"redis_url": server.url})

    def looks(self) -> list[dict[str, Any]]:
        """What it has printed so far."""
        return [json.loads(line) for line in self.log.splitlines(keepends=True) if line.endswith("\n")]

    def end(self) -> None:
        """Ctrl-C."""
        self.signal(signal.SIGINT)
        assert self.wait() == ExitCode.OK


def test_for_a_machine_each_look_is_an_object_on_a_line_of_its_own(server: Server, client: Any) -> None:
    client.set(KEYS.processor_lease, "web-1:4711:5eed", px=600_000)
    add_some(client, seeded(), 50)
    with Watch(server, "--json") as watch:
        watch.wait_until(watch.looks, "a first look")
        add_some(client, seeded(), 200)
        watch.wait_until(lambda: watch.looks()[-1]["backlog"] == 250, "a look with the new entries")
        client.mset({KEYS.checkpoint: client.xrange(KEYS.stream, count=100)[-1][0], KEYS.processed: 100})
        watch.wait_until(lambda: watch.looks()[-1]["backlog"] == 150, "a look with fewer entries")
        watch.end()
        first, *others = watch.looks()
    assert (first["addedPerS"], first["processedPerS"], first["backlog"]) == (None, None, 50)
    assert (first["lease"]["held"], first["lease"]["holder"]) == (True, "process 4711 on web-1")
    assert 0.9 < seconds(others[0]) - seconds(first) < 10, "once a second"
    for what, count in (("addedPerS", 200), ("processedPerS", 100)):
        [rate] = [look[what] for look in others if look[what]]
        assert count / 10 < rate <= count * 1.1


def seconds(look: dict[str, Any]) -> float:
    hours, minutes, rest = look["time"].partition("T")[2].partition("+")[0].split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def test_without_a_terminal_one_look_follows_the_other(server: Server, client: Any) -> None:
    with Watch(server) as watch:
        watch.wait_until(lambda: watch.log.count("\nbacklog             0\n") == 2, "two looks")
        watch.end()
        assert watch.log.count("\n\n") >= 1
        assert "\nentries in          -\n" in watch.log
        assert "\nentries out         0.0 per second\n" in watch.log


def test_on_a_terminal_it_is_shown_in_place(server: Server, client: Any) -> None:
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "footfall", "status", "--watch", "--redis-url", server.url]
    with subprocess.Popen(
        launch.command(command, signal.SIGKILL),
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=environment({}) | {"TERM": "xterm", "COLUMNS": "100", "LINES": "50"},
        start_new_session=True,
    ) as process:
        os.close(its_end)
        screen = read_until(terminal, lambda screen: b"entries in" in screen)
        assert b"\x1b[1A" not in screen, "nothing is above it yet"
        add_some(client, seeded(), 30)
        screen = read_until(terminal, lambda screen: b"backlog             30" in screen)
        assert b"\x1b[1A" in screen, "it goes up, and writes over what was there"
        process.send_signal(signal.SIGINT)
        screen = read_until(terminal, None)
        os.close(terminal)
        assert process.wait() == ExitCode.OK, screen
    assert b"Traceback" not in screen


def test_an_outage_is_shown_and_waited_for(own_server: Callable[..., Server]) -> None:
    server = own_server(appendonly=True, appendfsync="always")
    with Watch(server, "--json") as watch:
        watch.wait_until(watch.looks, "a first look")
        server.kill()
        watch.wait_until(lambda: "error" in watch.looks()[-1], "it tells of the outage")
        error = watch.looks()[-1]["error"]
        assert error.startswith(f"the server at redis://127.0.0.1:{server.port}/0 cannot be used: ")
        server.start()
        watch.wait_until(lambda: "backlog" in watch.looks()[-1], "it looks again")
        watch.end()


def test_a_server_that_is_not_there_in_the_first_place_is_an_error(own_server: Callable[..., Server]) -> None:
    server = own_server()
    server.kill()
    with Watch(server, "--json") as watch:
        assert watch.wait() == ExitCode.UNAVAILABLE
        assert watch.log.startswith("error: ")


# --- rates


@pytest.fixture
def status(server: Server, client: Any) -> Status:
    with connect(server.url, config.load().server) as bytes_client:
        return collect(bytes_client, config.load())


def changed(status: Status, **values: Any) -> Status:
    return Status(**{name: getattr(status, name) for name in status.__struct_fields__} | values)


def test_rates_are_those_since_the_look_before(status: Status) -> None:
    before = changed(status, processed=100, backlog=20)
    now = changed(status, processed=150, backlog=0)
    assert rates_between(before, now, 2.0) == Rates(added_per_s=15.0, processed_per_s=25.0)
    shown = [line.plain for line in lines(now, rates_between(before, now, 0.001))]
    assert "entries in          30,000.0 per second" in shown
    assert "entries out         50,000.0 per second" in shown


@pytest.mark.parametrize("values", [{"generation": 9, "processed": 500}, {"processed": None, "backlog": None}])
def test_where_nothing_can_be_said_nothing_is(status: Status, values: dict[str, Any]) -> None:
    before = changed(status, processed=100, backlog=20)
    assert rates_between(before, changed(before, **values), 1.0) == Rates()
    assert rates_between(before, changed(before, processed=0, backlog=0), 1.0) == Rates()
