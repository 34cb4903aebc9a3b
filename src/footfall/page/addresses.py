"""Addresses as browsers have them: an origin, and the same machine by its other names."""

from urllib.parse import urlsplit

#: names that a browser may have for this machine; no policy can name an IPv6 address (CSP 3, section 2.3.1)
LOOPBACK = ("127.0.0.1", "localhost")


def origin(url: str) -> str:
    """Scheme, host and port (RFC 6454, section 6.2)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def twins(url: str) -> list[str]:
    """The URL's origin; of this machine also by its other names, as its browsers may use any."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        return [origin(url)]
    port = f":{parts.port}" if parts.port else ""
    return [f"{parts.scheme}://{host}{port}" for host in LOOPBACK]
