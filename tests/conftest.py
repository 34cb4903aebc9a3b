"""Fixtures that every test may use."""

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from footfall.config import ENV_PREFIX
from servers import Server

# how long an example may take depends on what else the machine does
settings.register_profile("footfall", deadline=None, print_blob=True)
settings.load_profile("footfall")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees the defaults, whatever the shell that runs it has set."""
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server per test process. Tests take `server`, which is this one, emptied.

    It keeps an append-only file: services that start would warn of one that does not. It never waits for the disk.
    """
    with Server(appendonly=True, appendfsync="no") as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """An empty server with default settings. Don't kill it: `own_server` is for that."""
    shared_server.reset()
    yield shared_server
    shared_server.close_clients()


@pytest.fixture
def own_server() -> Iterator[Callable[..., Server]]:
    """Makes servers that the test may kill, pause and restart: takes `Server`'s arguments."""
    servers: list[Server] = []

    def make(**options: object) -> Server:
        server = Server(**options)  # type: ignore[arg-type]
        servers.append(server)
        return server

    yield make
    for server in reversed(servers):
        server.close()
