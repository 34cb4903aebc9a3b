"""What proxies say of a request: for whom they ask, and under which address clients see the service.

It counts when a proxy says it that the setting `trusted_proxies` names. From anybody else it is as if it was not there.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, NamedTuple

App = Callable[[Any, Any, Any], Awaitable[None]]
Networks = Sequence[IPv4Network | IPv6Network]

#: characters of a prefix
MAX_PREFIX = 200
#: characters of anything that is said, which is remembered
_LONGEST = 300
_NOT_TAKEN = b","
#: bits of an IPv6 address that name a network: in it, a machine has as many addresses as it likes (RFC 4291, 2.5.4)
_IPV6_NETWORK = 64

_PREFIX, _PROTO, _HOST = b"x-forwarded-prefix", b"x-forwarded-proto", b"x-forwarded-host"
_NAMES = frozenset({_PREFIX, _PROTO, _HOST})
_VARY = (b"vary", b"X-Forwarded-Host, X-Forwarded-Prefix, X-Forwarded-Proto")
#: where a request's scope has what was said
_IN_SCOPE = "footfall.http.forwarded"

#: Segments of characters that mean nothing in a URL, a header, HTML or a script, none of them `.` or `..`: what is
#: taken can be written into all of these as it is.
_is_prefix = re.compile(rb"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+/?").fullmatch
_is_host = re.compile(rb"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?").fullmatch


class Forwarded:
    """An app before the app: what a trusted proxy says of addresses is known to those who write some.

    `Link` and `Location` get the prefix here, on their way out, so that nothing below has to know it.
    """

    def __init__(self, app: App, proxies: Networks) -> None:
        self._app = app
        self._is_trusted = lru_cache(maxsize=1024)(lambda peer: _is_in(_parse(peer), proxies))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        for name, _ in scope["headers"]:
            if name in _NAMES:
                break
        else:
            await self._app(scope, receive, send)
            return
        peer = scope["client"]
        if peer is None or not self._is_trusted(peer[0]):
            await self._app(scope, receive, send)
            return
        said = scope[_IN_SCOPE] = _Said(scope["headers"])

        async def send_with_prefix(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [(name, said.of_client(name, value)) for name, value in message["headers"]]
                message["headers"] = [*headers, _VARY] if said.is_told else headers
            await send(message)

        await self._app(scope, receive, send_with_prefix)


class _Address(NamedTuple):
    """What was said of the address, as far as it is good."""

    scheme: str
    host: str
    prefix: bytes


class _Said:
    """What a proxy has said of one request, and whether the answer depends on it."""

    __slots__ = ("address", "is_told")

    def __init__(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        said = dict.fromkeys(_NAMES, b"")
        for name, sent in headers:
            if name in said:
                value = sent.strip(b" \t")  # the parser leaves what follows a value
                # what is said twice is not taken: who knows which one is meant
                said[name] = _NOT_TAKEN if said[name] or len(value) > _LONGEST else value
        self.address = _address(said[_PROTO], said[_HOST], said[_PREFIX])
        self.is_told = False

    def of_client(self, name: bytes, value: bytes) -> bytes:
        """The value of a header as clients need it."""
        if name == b"link":
            self.is_told = True
            return value.replace(b"</", b"<%b/" % self.address.prefix, 1)
        if name == b"location":
            self.is_told = True
            return self.address.prefix + value
        return value


def server_url(scope: Any) -> str:
    """What an OpenAPI document says of where the service is: whole when a proxy has said it, else only the path."""
    said: _Said | None = scope.get(_IN_SCOPE)
    if said is None:
        return "/"
    said.is_told = True
    address = said.address
    origin = _origin(scope, address) if address.scheme or address.host else ""
    return origin + address.prefix.decode() or "/"


def base_url(scope: Any) -> str:
    """The whole URL of the service, to put paths behind it."""
    said: _Said | None = scope.get(_IN_SCOPE)
    if said is None:
        return _origin(scope, _address(b"", b"", b""))
    said.is_told = True
    return _origin(scope, said.address) + said.address.prefix.decode()


def client_address(peer: str | None, forwarded_for: Sequence[str], proxies: Networks) -> str:
    """The address of a client, or its /64 network with IPv6.

    `peer`: who has made the connection. What it says in X-Forwarded-For (`forwarded_for`, the values of the headers)
    counts only when it is one of `proxies`, and then from right to left, as long as proxies say it.
    """
    address = _parse(peer or "")
    if address is None:
        return peer or "unknown"  # a Unix socket
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while hops and _is_in(address, proxies):
        before = _parse(hops.pop())
        if before is None:
            break
        address = before
    if address.version == 6:
        return str(ip_network((address, _IPV6_NETWORK), strict=False))
    return str(address)


# --- private


@lru_cache(maxsize=256)
def _address(proto: bytes, host: bytes, prefix: bytes) -> _Address:
    scheme = proto.lower()
    is_prefix = len(prefix) <= MAX_PREFIX and _is_prefix(prefix)
    return _Address(
        scheme.decode() if scheme in (b"http", b"https") else "",
        host.decode() if _is_host(host) else "",
        prefix.rstrip(b"/") if is_prefix else b"",
    )


def _origin(scope: Any, said: _Address) -> str:
    """Scheme and host, as a proxy has said them or else as the request was made."""
    host = said.host
    if not host:
        sent = next((value for name, value in scope["headers"] if name == b"host"), b"")
        host = sent.decode() if _is_host(sent) else "127.0.0.1"
    return f"{said.scheme or 'http'}://{host}"


def _is_in(address: IPv4Address | IPv6Address | None, networks: Networks) -> bool:
    return address is not None and any(address in network for network in networks)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address, also with a port, as some proxies write it; IPv4 in IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
