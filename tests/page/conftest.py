"""A browser, and the sample behind a receiver, a processor and an API server."""

from collections.abc import Iterator
from typing import Any

import pytest

from browser import browser as started_browser
from processes import Api, Footfall, Processor, Receiver
from servers import Server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started_browser() as browser:
        yield browser


@pytest.fixture
def sample(server: Server) -> Server:
    """A server with the sample, all of it counted."""
    for words in (("load", "all", "--sample"), ("processor", "--once")):
        with Footfall(*words, settings={"redis_url": server.url}) as command:
            assert command.wait() == 0, command.log
    return server


@pytest.fixture
def receiver(sample: Server) -> Iterator[Receiver]:
    """A receiver; what it takes is counted."""
    with Receiver(sample.url) as receiver, Processor(sample.url):
        yield receiver


@pytest.fixture
def api(receiver: Receiver, sample: Server) -> Iterator[Api]:
    """An API server that knows of no other service."""
    del receiver
    with Api(sample.url) as api:
        yield api
