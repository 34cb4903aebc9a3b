"""Answers that a client has already, and large ones: `ETag` and 304, gzip."""

import re
import zlib
from functools import lru_cache
from hashlib import blake2b
from typing import Any

Headers = list[tuple[bytes, bytes]]

#: bytes of a body from which on compressing it is worth its while
LARGE = 2048
#: level of zlib: a third of the default one's time for lists of check-ins, which become 25 % larger
_LEVEL = 1
#: window bits that make zlib write gzip's format
_GZIP = 31

_tags = re.compile(rb'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"').findall
_is_weight = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)").fullmatch


def finish(head: Any, message: Any, asked: Headers) -> Any:
    """Complete the head of an answer that is whole, of status 200; the message with its body.

    A client that sends its tag along (`asked`: its headers) is answered 304 while the answer is still the same. Tags
    are weak: the body is the same for all its encodings. Answers that must not be stored stay as they are.
    """
    headers: Headers = head["headers"]
    if (b"cache-control", b"no-store") in headers:
        return message
    body = message.get("body", b"")
    tag = blake2b(body, digest_size=8).hexdigest().encode()
    headers.append((b"etag", b'W/"%b"' % tag))
    known = accepted = b""
    for name, value in asked:
        if name == b"if-none-match":
            known += value + b","
        elif name == b"accept-encoding":
            accepted += value + b","
    if len(body) >= LARGE:
        headers.append((b"vary", b"Accept-Encoding"))
    if known and (known.strip(b" \t,") == b"*" or tag in _tags(known)):
        head["status"] = 304
        head["headers"] = [line for line in headers if not line[0].startswith(b"content-")]
        return {"type": "http.response.body"}
    if len(body) >= LARGE and accepts_gzip(accepted):
        body = zlib.compress(body, _LEVEL, _GZIP)
        head["headers"] = [line for line in headers if line[0] != b"content-length"]
        head["headers"] += [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))]
        return {"type": "http.response.body", "body": body}
    return message


@lru_cache(maxsize=256)
def accepts_gzip(accepted: bytes) -> bool:
    """Whether a client with this `Accept-Encoding` takes gzip (RFC 9110, section 12.5.3)."""
    weights = {}
    for item in accepted.decode("latin-1").lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weight = next((value.strip() for name, _, value in (p.partition("=") for p in parameters) if name == "q"), "1")
        weights[coding] = float(weight) if _is_weight(weight) else 0.0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0
