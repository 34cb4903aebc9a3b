"""Where a request comes from, also behind proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

#: bits of an IPv6 address that name a network: in it, a machine has as many addresses as it likes (RFC 4291, 2.5.4)
_IPV6_NETWORK = 64


def client_address(peer: str | None, forwarded_for: Sequence[str], proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """The address of a client, or its /64 network with IPv6.

    `peer`: who has made the connection. What it says in X-Forwarded-For (`forwarded_for`, the values of the headers)
    counts only when it is one of `proxies`, and then from right to left, as long as proxies say it.
    """
    address = _parse(peer or "")
    if address is None:
        return peer or "unknown"  # a Unix socket
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while hops and any(address in network for network in proxies):
        before = _parse(hops.pop())
        if before is None:
            break
        address = before
    if address.version == 6:
        return str(ip_network((address, _IPV6_NETWORK), strict=False))
    return str(address)


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
