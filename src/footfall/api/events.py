"""The stream as server-sent events: what follows a position in it, and what is missing."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from footfall.api import encode
from footfall.domain.entries import EntryId, RawEntry, entry_id_of
from footfall.errors import BrokenKeyError, ReplyError, WrongTypeError
from footfall.store.pipeline import Reply

#: (ms, sequence number): in the order of the stream
BEGINNING: EntryId = (0, 0)
_END: EntryId = (2**64, 0)

#: entries that one read of the stream brings, at most
PAGE = 500


class Block(NamedTuple):
    """Some events: those of the check-ins in a stretch of the stream, or one that is of no entry."""

    #: whether it is for those who have heard everything up to `last`, too
    is_for_all: bool
    ids: Sequence[EntryId]
    events: Sequence[bytes]
    #: the events together
    data: bytes
    #: up to where a listener has heard everything after this; None: it stays where it was
    last: EntryId | None

    def after(self, position: EntryId) -> bytes:
        """The events that are new for a listener who has heard everything up to this position."""
        if self.is_for_all or (self.ids and self.ids[0] > position):
            return self.data
        return b"".join(event for at, event in zip(self.ids, self.events, strict=True) if at > position)


class Page(NamedTuple):
    """What follows a position in the stream."""

    events: Block
    #: the position after it
    end: EntryId
    #: whether nothing more was in the stream
    is_last: bool
    #: the newest id that the stream had given
    newest: EntryId


class _Gap(msgspec.Struct, rename="camel"):
    """The data of a `gap` event."""

    last_event_id: str
    first: str | None


HEARTBEAT = Block(True, (), (), b":\n\n", None)


def event_of(entry: RawEntry) -> bytes | None:
    """The event of an entry; None when it is not a check-in."""
    json = encode.check_in(entry)
    return None if json is None else b"id: %b\nevent: checkin\ndata: %b\n\n" % (entry[0], json)


def block_of(page: Sequence[RawEntry]) -> Block:
    """The events of some entries in a row, one at least."""
    found = [(entry_id_of(entry[0]), event) for entry in page if (event := event_of(entry)) is not None]
    events = [event for _, event in found]
    return Block(False, [at for at, _ in found], events, b"".join(events), entry_id_of(page[-1][0]))


Call = Callable[..., "asyncio.Future[Reply]"]


async def page_after(call: Call, stream: bytes, position: EntryId | None) -> Page:
    """What follows the position; None: the end of the stream.

    A `gap` event comes first when something may be missing: when the entry at the position was trimmed, and when the
    stream has never come as far (after a failover, or when it was replaced); then the feed goes on from its end.
    Raises BrokenKeyError, UnavailableError.
    """
    at = b"%d-%d" % (position or BEGINNING)
    count = 1 if position is None else PAGE + 1
    # in this order: what is trimmed between the two may seem missing, but nothing that is missing goes unseen
    found, about = await asyncio.gather(
        call("XRANGE", stream, at, "+", "COUNT", count), call("XINFO", "STREAM", stream), return_exceptions=True
    )
    if isinstance(found, WrongTypeError):
        raise BrokenKeyError(f"{stream.decode()} holds another type than it must")
    if isinstance(found, BaseException):
        raise found
    state = _state(about)
    if position is None:
        return Page(Block(True, (), (), b"", state.newest), state.newest, True, state.newest)
    is_there = bool(found) and found[0][0] == at
    page: list[RawEntry] = found[1:] if is_there else found[:PAGE]
    is_last = len(page) < PAGE
    gap = b""
    if state.newest < position:
        gap = gap_event(at, None)
    elif not is_there and state.has_lost and state.newest > position:
        first = entry_id_of(state.first) if state.first else _END
        gap = gap_event(at, page[0][0] if page else None) if position < first else b""
    if not page:
        end = state.newest if gap else position
        return Page(Block(True, (), (), gap, end), end, is_last, state.newest)
    block = block_of(page)
    if gap:
        block = block._replace(is_for_all=True, data=gap + block.data)
    return Page(block, entry_id_of(page[-1][0]), is_last, state.newest)


class _State(NamedTuple):
    """What the server says of the stream."""

    newest: EntryId
    first: bytes | None
    has_lost: bool


def _state(reply: Reply) -> _State:
    if isinstance(reply, ReplyError) and reply.code == "ERR":
        return _State(BEGINNING, None, False)  # there is no stream yet
    if isinstance(reply, BaseException):
        raise reply
    about = dict(zip(reply[::2], reply[1::2], strict=True))
    first = about[b"first-entry"]
    return _State(
        newest=entry_id_of(about[b"last-generated-id"]),
        first=first[0] if first else None,
        has_lost=about[b"entries-added"] > about[b"length"],
    )


def gap_event(last_event_id: bytes, first: bytes | None) -> bytes:
    gap = _Gap(last_event_id.decode(), first.decode() if first else None)
    return b"event: gap\ndata: %b\n\n" % msgspec.json.encode(gap)
