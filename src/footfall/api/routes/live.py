"""The live feed: check-ins as server-sent events, as they come or from where a client has left off."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse

from footfall.api.describe import without_null
from footfall.api.events import HEARTBEAT, Page
from footfall.api.feed import EndReason, Feed, Listener
from footfall.api.parameters import EntryIdParameter, LimitParameter
from footfall.domain.entries import EntryId, parse_entry_id
from footfall.errors import BrokenKeyError, MalformedError, UnavailableError
from footfall.http.app import problems
from footfall.http.state import request_state

#: what the first event of every feed begins with: how long a browser waits, in ms, before it connects again. Alone it
#: would be no event to browsers, but an empty one to some libraries.
_RETRY = b"retry: 1000\n"
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would gather events
]
#: seconds that a client has to read how its feed ends: fewer than a service has to stop
_FAREWELL_S = 1.0
#: seconds between looks at a server that is away
POLL_INTERVAL_S = 1.0


class _EnoughError(Exception):
    """The client has all that it asked for."""


class LiveAnswer(ASGIResponse):
    """Writes events for as long as the client reads them, or up to the last check-in that it wants."""

    def __init__(self, feed: Feed, page: Page, limit: int | None = None) -> None:
        """`page`: what it begins with; `limit`: how many check-ins are wanted."""
        super().__init__()
        self._feed = feed
        self._page = page
        self._wanted = limit
        self._reason: EndReason | None = None
        self._has_said_retry = False
        self._listener = Listener(page.end, self._end)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if (state := request_state(scope)).is_head:
            await send({"type": "http.response.body", "body": b""})
            return
        state.is_endless = True
        self._send = send
        self._writing = asyncio.create_task(self._write())
        leaving = asyncio.create_task(_left(receive))
        self._feed.enter(self._listener)
        try:
            await asyncio.wait({self._writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if self._reason is not None and not leaving.done():
                await self._say_end(self._reason, leaving, state.abort)
        finally:
            self._feed.leave(self._listener)
            self._writing.cancel()
            leaving.cancel()
        if self._writing.done() and not self._writing.cancelled():
            with suppress(_EnoughError):
                self._writing.result()  # it ends only by what is raised

    # --- private

    def _end(self, reason: EndReason) -> None:
        self._reason = self._reason or reason
        self._writing.cancel()

    async def _write(self) -> None:
        await self._say(HEARTBEAT.data)  # whoever passes it on knows that it has begun
        await self._catch_up()
        while True:
            await self._say(await self._listener.take())

    async def _catch_up(self) -> None:
        """Write what is in the stream page by page, until the feed goes on from there."""
        listener, page, joined_at = self._listener, self._page, None
        while True:
            listener.position = page.end
            is_done = page.is_last
            if page.is_last and joined_at is None:
                joined_at = self._feed.join(listener)
                is_done = joined_at <= page.end
            elif page.is_last and joined_at is not None and page.newest < joined_at:
                self._feed.go_back(page)
            await self._say(page.events.data)
            if is_done:
                return
            page = await self._next_page()

    async def _next_page(self) -> Page:
        while True:
            try:
                return await self._feed.page_after(self._listener.position)
            except (UnavailableError, BrokenKeyError):
                await self._say(HEARTBEAT.data)
                await asyncio.sleep(POLL_INTERVAL_S)

    async def _say(self, data: bytes) -> None:
        if data:
            data = self._with_retry(self._as_wanted(data))
            is_last = self._wanted == 0
            data += _end_event(EndReason.LIMIT) if is_last else b""
            self._listener.stuck_since = asyncio.get_running_loop().time()
            await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})
            self._listener.stuck_since = None
            if is_last:
                raise _EnoughError

    def _as_wanted(self, data: bytes) -> bytes:
        """The events up to the last check-in that is wanted; only check-ins have an id."""
        if self._wanted is None:
            return data
        events = data.split(b"\n\n")[:-1]
        for place, event in enumerate(events, 1):
            self._wanted -= event.startswith(b"id: ")
            if self._wanted == 0:
                return b"\n\n".join([*events[:place], b""])
        return data

    def _with_retry(self, data: bytes) -> bytes:
        if self._has_said_retry or data.startswith(b":"):
            return data
        self._has_said_retry = True
        return _RETRY + data

    async def _say_end(self, reason: EndReason, leaving: "asyncio.Task[None]", abort: Any) -> None:
        """Tell the client why its feed ends; end the connection of one who does not read it."""
        farewell = self._with_retry(_end_event(reason))
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._send({"type": "http.response.body", "body": farewell})
        except TimeoutError:
            abort()
            await leaving


def _end_event(reason: EndReason) -> bytes:
    return b'event: end\ndata: {"reason":"%b"}\n\n' % reason.encode()


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _heard(request: Request[Any, Any, Any]) -> EntryId | None:
    """The entry up to which the client has heard everything; None when it begins. The header is the newer one.

    Raises MalformedError.
    """
    in_header = _entry_id(request.headers.getall("last-event-id", []))
    in_query = _entry_id(request.query_params.getall("lastEventId", []))
    return in_header or in_query


def _entry_id(given: list[str]) -> EntryId | None:
    if not given:
        return None
    if len(given) > 1:
        raise MalformedError("there must be one Last-Event-ID")
    try:
        return parse_entry_id(given[0])
    except ValueError:
        raise MalformedError("Last-Event-ID must be the id of an entry, such as 1609602085397-0") from None


_EXAMPLE = """\
retry: 1000
id: 1609602085397-0
event: checkin
data: {"id":"1609602085397-0","timestamp":1609602085397,"userId":789,"locationId":171,"starRating":5}

"""


@dataclass
class LiveOperation(Operation):
    """Parameters and answer of the live feed: the handler reads and writes them itself."""

    def __post_init__(self) -> None:
        limit = self.parameters or []
        for parameter in limit:
            without_null(parameter)
        self.parameters = limit + [
            Parameter(
                name=name,
                param_in=place,
                schema=EntryIdParameter.schema(),
                description=f"Go on after the entry with this id{more}",
                examples={"example": Example(value="1609602085397-0")},
            )
            for name, place, more in (
                ("Last-Event-ID", "header", "; browsers send it when they connect again"),
                ("lastEventId", "query", ", unless there is a `Last-Event-ID`"),
            )
        ]
        stream = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING), examples={"example": Example(value=_EXAMPLE)})
        assert self.responses is not None
        self.responses["200"] = OpenAPIResponse(
            description="Server-sent events, without end but for `limit`", content={"text/event-stream": stream}
        )


@get(
    "/api/checkins/live",
    operation_id="streamCheckins",
    summary="Check-ins as they come",
    tags=["check-ins"],
    operation_class=LiveOperation,
    responses=problems(400, 422, 503),
)
async def live(
    request: Request[Any, Any, Any],
    feed: NamedDependency[Feed],
    limit: Annotated[LimitParameter | None, QueryParameter(description="End after so many check-ins")] = None,
) -> LiveAnswer:
    """Server-sent events: a `checkin` event for each check-in from now on, or after the one that `Last-Event-ID` names.

    A `gap` event says that entries may be missing, and a feed that the service ends says why with an `end` event.
    """
    return LiveAnswer(feed, await feed.page_after(_heard(request)), limit)


routes = [live]
