"""Connections that a proxy keeps: it ends them before the service does, and no request meets the end of one."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from footfall.config import SETTINGS
from processes import Receiver
from proxy import Proxy
from receiver_scene import GOOD, open_metadata, stored
from servers import Server, wait_until
from web_proxies import EXAMPLES, KINDS

#: the examples' times and the receiver's, this many times shorter
_FASTER = 25
_KEPT = SETTINGS["keepalive_timeout_s"].info.default
#: for each proxy, what makes its times shorter in the same measure
_SHORTER = {
    "nginx": {"keepalive_timeout 60s;": f"keepalive_timeout {60_000 // _FASTER}ms;"},
    "haproxy": {"pool-purge-delay 5s": f"pool-purge-delay {5_000 // _FASTER}ms"},
}
_JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_examples_wait_for_services_and_services_for_them() -> None:
    defaults = {name: setting.info.default for name, setting in SETTINGS.items()}
    nginx, haproxy = ((EXAMPLES / cls.example).read_text() for cls in KINDS.values())
    for seconds in re.findall(r"keepalive_timeout (\d+)s;", nginx):
        assert int(seconds) < defaults["keepalive_timeout_s"]
    (read,) = re.findall(r"proxy_read_timeout (\d+)s;", nginx)
    (server,) = re.findall(r"timeout server (\d+)s", haproxy)
    assert min(int(read), int(server)) > 2 * defaults["live_heartbeat_s"]


async def _post_around(url: str, gaps: list[float]) -> list[int]:
    """The statuses of posts that come so many seconds after each other, from a client that keeps its connection."""
    statuses = []
    async with httpx.AsyncClient(timeout=30, verify=False) as web:  # no TLS: to read authorities takes long
        for gap in gaps:
            await asyncio.sleep(gap)
            statuses.append((await web.post(url, content=GOOD, headers=_JSON)).status_code)
    return statuses


def test_posts_around_all_idle_times_are_stored(server: Server, client: Any, kind: str) -> None:
    """Of 30 clients, many at a time meet a connection that is just about to be ended, by the proxy or the receiver."""
    ends = 60 / _FASTER, _KEPT / _FASTER
    plans = [[0, end + (number - 15) / 100, end + (15 - number) / 200] for end in ends for number in range(0, 30, 2)]

    async def post(url: str) -> list[list[int]]:
        return await asyncio.gather(*(_post_around(url, plan) for plan in plans))

    with (
        Receiver(server.url, keepalive_timeout_s=_KEPT / _FASTER) as receiver,
        KINDS[kind]({"receiver": receiver.port}, _SHORTER[kind]) as proxy,
    ):
        statuses = asyncio.run(post(f"{proxy.url}/api/checkin"))
    assert statuses == [[202] * 3] * 30
    assert len(stored(client)) == 90


async def _post_at_once(url: str, number: int) -> list[int]:
    return [statuses[0] for statuses in await asyncio.gather(*(_post_around(url, [0]) for _ in range(number)))]


def test_a_proxy_ends_idle_connections_before_the_receiver_does(server: Server, client: Any, kind: str) -> None:
    """Of those that the receiver ends, it would learn nothing here, and lose what it sends on them."""
    with (
        Receiver(server.url, keepalive_timeout_s=_KEPT / _FASTER) as receiver,
        Proxy(receiver.port) as link,
        KINDS[kind]({"receiver": link.port}, _SHORTER[kind]) as proxy,
    ):
        link.holds_ends = True
        for _ in range(2):
            assert asyncio.run(_post_at_once(f"{proxy.url}/api/checkin", 8)) == [202] * 8
            assert link.open > 0, "it keeps no connection"
            wait_until(lambda: not link.open, f"{kind} has ended its idle connections", 3 * _KEPT / _FASTER)
        assert len(stored(client)) == 16


def test_a_receiver_that_ends_them_first_loses_a_post_unless_it_is_sent_again(
    server: Server, client: Any, kind: str
) -> None:
    """What the page warns of. That the connection has ended is still on its way when the next request is sent on it."""
    with (
        Receiver(server.url, keepalive_timeout_s=0.2) as receiver,
        Proxy(receiver.port) as link,
        KINDS[kind]({"receiver": link.port}) as proxy,
    ):
        link.holds_ends = True

        def post(web: httpx.Client, number: int) -> int:
            headers = _JSON | {"Idempotency-Key": f"till-3:{number}"}
            return web.post(f"{proxy.url}/api/checkin", content=GOOD, headers=headers).status_code

        with httpx.Client() as first, httpx.Client() as second:
            assert post(first, 1) == 202
            link.wait_until_holding()
            assert post(second, 2) == 502
            assert post(second, 2) == 202
            link.wait_until_holding()
            if kind == "nginx":
                assert post(first, 3) == 502
            else:  # on a connection that a client keeps, HAProxy lets it find out by itself
                with pytest.raises(httpx.RemoteProtocolError):
                    post(first, 3)
            assert post(first, 3) == 202
        assert len(stored(client)) == 3
