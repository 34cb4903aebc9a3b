"""What the head of a request must be like, beyond what the parser looks at."""

import re
from functools import lru_cache
from typing import NamedTuple

#: Bytes that a request may take outside its body: first line, headers, trailers, and what chunks have besides.
MAX_HEAD = 64 * 1024
#: bytes of a target; 8,000 is the least that is recommended (RFC 9110, section 4.1)
MAX_TARGET = 8 * 1024
#: the versions that are spoken
VERSIONS = frozenset({"1.0", "1.1"})
#: a name, an IPv4 address, or an IPv6 address in brackets; then maybe a port (RFC 3986, section 3.2)
_is_authority = re.compile(
    rb"([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?"
).fullmatch


@lru_cache(maxsize=256)
def is_host(value: bytes) -> bool:
    """Whether this can be the value of `Host`: a host and maybe a port, or nothing (RFC 9110, section 7.2)."""
    return _is_authority(value) is not None


class Refusal(NamedTuple):
    """Why what is sent cannot be read on."""

    status: int
    detail: str


class HeadCheck:
    """What is known of a head while it is read."""

    __slots__ = ("_coding", "_expects_more", "_hosts", "_is_host", "expects_continue")

    def __init__(self) -> None:
        #: whether the client waits for an interim answer before it sends the body
        self.expects_continue = False
        self._expects_more = False
        self._hosts = 0
        self._is_host = True
        self._coding = b""

    def host(self, value: bytes) -> None:
        """There is such a `Host`."""
        self._hosts += 1
        self._is_host &= is_host(value)

    def expect(self, value: bytes) -> None:
        """There is such an `Expect`."""
        members = {member.strip() for member in value.lower().split(b",")} - {b""}
        self.expects_continue |= b"100-continue" in members
        self._expects_more |= not members <= {b"100-continue"}

    def transfer_encoding(self, value: bytes) -> None:
        """There is such a `Transfer-Encoding`."""
        self._coding += value.lower() or b"none"

    def refusal(self, version: str, target: bytes) -> Refusal | None:
        """To be asked for at its end; None when it is taken."""
        if version == "1.0":  # it needs no host, and has no interim answers (RFC 9110, section 10.1.1)
            self.expects_continue = False
        elif version != "1.1":
            return other_version(version)
        elif self._hosts == 0:
            return Refusal(400, "there is no Host")
        if self._hosts > 1 or not self._is_host:
            return Refusal(400, "there must be one Host, and it must be a host")
        if len(target) > MAX_TARGET:
            return long_target()
        if b"#" in target:  # it is not for servers (RFC 9112, section 3.2)
            return Refusal(400, "the target of the request has a fragment")
        return self._not_done_here(version) if self._coding or self._expects_more else None

    def _not_done_here(self, version: str) -> Refusal | None:
        if self._coding and version == "1.0":  # who has passed it on may have read it otherwise (RFC 9112, section 6.1)
            return Refusal(400, "HTTP/1.0 has no Transfer-Encoding")
        if self._coding not in (b"", b"chunked"):
            return Refusal(501, "the only Transfer-Encoding that is understood is chunked")
        return Refusal(417, "nothing can be expected but 100-continue") if self._expects_more else None


def long_target() -> Refusal:
    """The refusal of a request whose target is too long."""
    return Refusal(414, f"the target of the request takes more than {MAX_TARGET} bytes")


def too_large() -> Refusal:
    """The refusal of a request that has too much outside its body."""
    return Refusal(431, f"the headers and trailers take more than {MAX_HEAD} bytes")


def other_version(version: str) -> Refusal:
    """The refusal of a version that is not spoken."""
    return Refusal(505, f"HTTP/{version} is not spoken here, but HTTP/1.1")
