"""HTTP/1.1 by hand, for tests of bytes that no client library sends."""

import json
import select
import socket
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

#: seconds that an answer may take
_PATIENCE = 10.0


class Answer(NamedTuple):
    """One answer; header names are in lower case, the values of one that is there again have commas between."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """One connection to a port of this machine; `close()` (or leaving the `with`) ends it.

    `source`: the address that it comes from.
    """

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE, source_address=(source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def abort(self) -> None:
        """End it at once, as a client that crashes does: what was not read is thrown away."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def has_received(self) -> bool:
        """Whether something can be read."""
        return bool(self._received) or bool(select.select([self._socket], [], [], 0)[0])

    def send(self, *parts: bytes) -> None:
        """Send each part in a write of its own."""
        for part in parts:
            self._socket.sendall(part)

    def end(self) -> None:
        """Say that nothing more is sent; answers can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def read(self, *, to_head: bool = False) -> Answer:
        """The next answer, without interim ones. ConnectionError when there is none. `to_head`: it has no body."""
        while True:
            while b"\r\n\r\n" not in self._received:
                self._receive()
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            status = int(first.split()[1])
            if status >= 200:
                break
        headers = dict[str, str]()
        for name, _, value in (line.partition(":") for line in lines):
            before = f"{headers[name.lower()]}, " if name.lower() in headers else ""
            headers[name.lower()] = before + value.strip()
        length = 0 if to_head else int(headers.get("content-length", 0))
        while len(self._received) < length:
            self._receive()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(status, headers, body)

    def read_all(self) -> bytes:
        """Everything until the other side ends the connection."""
        while not self.is_ended():
            pass
        return self._received

    def is_ended(self) -> bool:
        """Wait for more: whether there is nothing, because the other side has ended the connection."""
        try:
            self._receive()
        except ConnectionError:
            return True
        return False

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("ended by the other side")
        self._received += data


def request(
    body: bytes = b"",
    *,
    method: str = "POST",
    path: str = "/api/checkin",
    version: str = "1.1",
    headers: Mapping[str, str] | None = None,
    chunks: int | None = None,
) -> bytes:
    """A request, by default a JSON one with a content-length; in chunks of so many bytes when `chunks` is given."""
    fields = {"Host": "test", "Content-Type": "application/json"}
    if chunks is None:
        fields["Content-Length"] = str(len(body))
    else:
        fields["Transfer-Encoding"] = "chunked"
        parts = [body[i : i + chunks] for i in range(0, len(body), chunks)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
    lines = [f"{method} {path} HTTP/{version}", *(f"{k}: {v}" for k, v in (fields | dict(headers or {})).items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
