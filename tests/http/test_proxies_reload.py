"""Proxies and receivers that are restarted under load: each check-in is answered, and stored exactly once."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from live_reader import LIVE, LiveReader
from processes import Api, Receiver
from receiver_scene import GOOD, open_metadata, stored
from servers import Server, wait_until
from web_proxies import KINDS, PREFIX, WebProxy

_JSON = {"Content-Type": "application/json"}
_CLIENTS = 8
#: check-ins that are accepted between two events
_BETWEEN = 100
#: seconds in which those are
_PATIENCE = 60.0


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


class Load:
    """Clients that post check-ins one after the other, each until it is accepted, with the same `Idempotency-Key`."""

    def __init__(self, url: str, *, keeps_connections: bool = True) -> None:
        self._url = f"{url}/api/checkin"
        self._headers = dict(_JSON)
        if not keeps_connections:
            self._headers["Connection"] = "close"
        self._stop = threading.Event()
        #: how single requests ended: a status, or the name of an error
        self.seen = Counter[int | str]()
        self.ids: list[str] = []
        #: seconds that the slowest answer has taken
        self.slowest = 0.0
        self._threads = [threading.Thread(target=self._run, args=[number]) for number in range(_CLIENTS)]
        for thread in self._threads:
            thread.start()

    def wait_for_more(self) -> None:
        """Wait until some more are accepted."""
        enough = len(self.ids) + _BETWEEN
        wait_until(lambda: len(self.ids) >= enough, f"{enough} check-ins are accepted: {self.seen}", _PATIENCE)

    def stop(self) -> None:
        """End it, when each check-in that was begun is accepted."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        number = 0
        with httpx.Client(timeout=30) as web:
            while not self._stop.is_set():
                number += 1
                while not self._post(web, f"{client}-{number}"):
                    self._stop.wait(0.02)

    def _post(self, web: httpx.Client, key: str) -> bool:
        began = time.monotonic()
        try:
            answer = web.post(self._url, content=GOOD, headers={**self._headers, "Idempotency-Key": key})
        except httpx.TransportError as error:
            self.seen[type(error).__name__] += 1
            return False
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.seen[answer.status_code] += 1
        if answer.status_code != 202:
            return False
        assert "idempotent-replayed" not in answer.headers, "what was not answered is not stored"
        self.ids.append(answer.json()["id"])
        return True


@contextmanager
def under_load(proxy: WebProxy, client: Any, *, keeps_connections: bool = True) -> Iterator[Load]:
    """A load for as long as the `with` lasts. Afterwards each check-in is in the stream once, and nothing else."""
    load = Load(proxy.url, keeps_connections=keeps_connections)
    try:
        load.wait_for_more()
        yield load
        load.wait_for_more()
    finally:
        load.stop()
    print(f"{proxy.program}: {dict(load.seen)}, slowest {load.slowest:.2f} s")
    assert len(load.ids) == load.seen[202]
    assert sorted(load.ids) == sorted(entry for entry, _ in stored(client))


def assert_seldom(load: Load, *others: int | str) -> None:
    """All requests were answered with 202 but for one in a hundred, which ended in one of these ways."""
    assert set(load.seen) <= {202, *others}, load.seen
    assert load.seen.total() - load.seen[202] <= load.seen.total() / 100, load.seen


@pytest.fixture(params=KINDS)
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., WebProxy]]:
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(KINDS[request.param](*arguments))


@pytest.mark.parametrize("keeps_connections", [True, False])
def test_a_reload_of_the_proxy_loses_nothing(
    server: Server, client: Any, start: Callable[..., WebProxy], keeps_connections: bool
) -> None:
    with Receiver(server.url) as receiver:
        proxy = start({"receiver": receiver.port})
        with under_load(proxy, client, keeps_connections=keeps_connections) as load:
            for _ in range(4):
                proxy.reload()
                load.wait_for_more()
        if keeps_connections:  # the proxy may end an idle one while a request is on its way
            assert_seldom(load, "RemoteProtocolError", "ReadError", "WriteError")
        else:
            assert set(load.seen) == {202}, load.seen


def test_receivers_that_are_restarted_one_after_the_other_are_not_missed(
    server: Server, client: Any, start: Callable[..., WebProxy]
) -> None:
    with Receiver(server.url) as first, Receiver(server.url) as second:
        proxy = start({"receiver": first.port, "receiver 2": second.port})
        with under_load(proxy, client) as load:
            for receiver in (first, second):
                receiver.terminate()
                load.wait_for_more()
                receiver.start()
                load.wait_for_more()
        # one may meet the end of a connection
        assert_seldom(load, 502, "RemoteProtocolError")


def test_a_single_receiver_that_is_restarted(server: Server, client: Any, start: Callable[..., WebProxy]) -> None:
    """HAProxy waits for it; nginx says at once that it is not there."""
    with Receiver(server.url) as receiver:
        proxy = start({"receiver": receiver.port})
        with under_load(proxy, client) as load:
            receiver.terminate()
            receiver.start()
        if proxy.program == "haproxy":
            assert_seldom(load, 502, "RemoteProtocolError")
            assert load.slowest > 0.5
        else:
            assert set(load.seen) == {202, 502}, load.seen


def test_a_live_feed_goes_on_over_a_reload(server: Server, client: Any, start: Callable[..., WebProxy]) -> None:
    with Receiver(server.url) as receiver, Api(server.url) as api:
        proxy = start({"receiver": receiver.port, "api": api.port})
        with LiveReader(proxy.port, path=f"{PREFIX}{LIVE}") as reader:
            proxy.reload()
            posted = [
                httpx.post(f"{proxy.url}/api/checkin", content=GOOD, headers=_JSON).json()["id"] for _ in range(3)
            ]
            assert reader.take(3) == posted
