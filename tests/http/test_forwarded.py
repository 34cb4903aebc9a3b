"""Where a request comes from: what counts of what proxies say."""

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest

from footfall.http.forwarded import Forwarded, client_address

PROXIES = [ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.5"], "192.0.2.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["198.51.100.7, 203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["198.51.100.7", "203.0.113.5,10.1.1.1"], "203.0.113.5"),
        ("127.0.0.1", ["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        ("127.0.0.1", ["203.0.113.5:4711"], "203.0.113.5"),
        ("127.0.0.1", ["nobody, 10.1.1.1"], "10.1.1.1"),
        ("127.0.0.1", ["203.0.113.5, "], "127.0.0.1"),
        ("127.0.0.1", ["1" * 5000], "127.0.0.1"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("fd00::1", ["[2001:db8:1:2::9]:443"], "2001:db8:1:2::/64"),
        ("fd00::1", ["2001:db8:1:2:ffff::"], "2001:db8:1:2::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
        (None, ["203.0.113.5"], "unknown"),
        ("", ["203.0.113.5"], "unknown"),
    ],
)
def test_the_address_is_the_last_that_somebody_trusted_has_named(
    peer: str | None, forwarded_for: list[str], address: str
) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == address


@pytest.mark.parametrize(("peer", "name"), [("127.0.0.1", b"x-forwarded-for"), ("192.0.2.1", b"x-forwarded-prefix")])
def test_a_request_of_which_nothing_is_said_passes_as_it_is(peer: str, name: bytes) -> None:
    """Neither its scope nor the way of its answer changes: it costs a look at the names of its headers."""
    passed: list[tuple[Any, ...]] = []

    async def app(*arguments: Any) -> None:
        passed.append(arguments)

    scope = {"client": (peer, 4711), "headers": [(b"host", b"a"), (name, b"/a")]}
    before = dict(scope)
    receive, send = object(), object()
    asyncio.run(Forwarded(app, PROXIES)(scope, receive, send))
    ((given, receives, sends),) = passed
    assert given is scope
    assert scope == before
    assert receives is receive
    assert sends is send
