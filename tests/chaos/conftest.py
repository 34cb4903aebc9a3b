"""Fixtures of the proofs."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaos.replay import raw_client
from chaos.scene import seeded
from servers import Server


@pytest.fixture
def rng() -> random.Random:
    return seeded()


@pytest.fixture
def client_of() -> Iterator[Callable[[Server], Any]]:
    """Makes clients that answer bytes."""
    clients: list[Any] = []

    def make(server: Server) -> Any:
        clients.append(raw_client(server.port))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(server: Server, client_of: Callable[[Server], Any]) -> Any:
    """A client of `server` that answers bytes."""
    return client_of(server)
