"""A client of the live feed, for the tests: reads server-sent events as a browser does."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

LIVE = "/api/checkins/live"
#: seconds that an event may take
_PATIENCE = 20.0


class Event(NamedTuple):
    """One event; of a comment, `kind` is empty."""

    kind: str
    id: str | None = None
    data: Any = None


class LiveReader:
    """One open feed; `close()` (or leaving the `with`) ends it.

    `buffer`: bytes that its side of the connection takes at once, about.
    """

    def __init__(
        self,
        port: int,
        last_event_id: str | None = None,
        *,
        path: str = LIVE,
        headers: Mapping[str, str] | None = None,
        buffer: int | None = None,
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._connection.sock = socket.socket()
        if buffer is not None:
            self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._connection.sock.settimeout(_PATIENCE)
        self._connection.sock.connect(("127.0.0.1", port))
        sent = {"Last-Event-ID": last_event_id} if last_event_id is not None else {}
        self._connection.request("GET", path, headers={**sent, **(headers or {})})
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        self.headers = {name.lower(): value for name, value in self._answer.getheaders()}
        self._events = 0
        assert self._block() == [":"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._answer.close()
        self._connection.close()

    def next(self, *, comments: bool = False) -> Event | None:
        """The next event; None when the feed has ended. `comments`: or the next comment."""
        while True:
            lines = self._block()
            if lines is None:
                return None
            if lines == [":"]:
                if comments:
                    return Event("")
                continue
            fields = dict(line.split(": ", 1) for line in lines)
            assert fields.pop("retry", None) == (None if self._events else "1000"), "in the first event, and no other"
            self._events += 1
            return Event(fields["event"], fields.get("id"), json.loads(fields["data"]))

    def take(self, count: int) -> list[str]:
        """The ids of the next events, which must be check-ins."""
        ids: list[str] = []
        for _ in range(count):
            event = self.next()
            assert event is not None, f"the feed has ended after {ids[-3:]}"
            assert event.kind == "checkin", event
            assert event.id == event.data["id"]
            ids.append(event.data["id"])
        return ids

    def rest(self) -> Iterator[Event]:
        """All events until the feed ends."""
        while (event := self.next()) is not None:
            yield event

    def _block(self) -> list[str] | None:
        """The lines up to the next empty one; None when there are no more, or not all of them."""
        lines: list[str] = []
        while True:
            try:
                line = self._answer.readline()
            except (ConnectionError, http.client.IncompleteRead):
                return None
            if not line.endswith(b"\n"):
                return None
            if line == b"\n":
                return lines
            lines.append(line[:-1].decode())
