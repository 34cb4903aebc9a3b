"""What keeps entries from being trimmed, for the processor, which trims, and for who asks from outside."""

from typing import Any, NamedTuple

from redis import Redis

from footfall.config import Settings
from footfall.keys import Keys
from footfall.store.calls.stream import Trimmed, trim
from footfall.store.client import with_plain_entries
from footfall.store.scripts import Call

#: entries that `held_back` reads at once
_PAGE = 1_000
#: entries that `held_back` looks through: more than there are between two trims
_LOOKED_AT = 20_000


class Held(NamedTuple):
    """A consumer group that keeps entries from being trimmed."""

    group: str
    #: entries kept for it beyond `retain`
    entries: int

    @property
    def plural(self) -> str:
        """`1 entry is`, `5 entries are`"""
        return f"{self.entries:,} {'entry is' if self.entries == 1 else 'entries are'}"


def trim_call(keys: Keys, settings: Settings, most: int) -> Call[Trimmed]:
    """Remove so many processed entries beyond those to retain, at most."""
    return trim(keys, retain=settings.checkins.retain, most=most, for_groups=settings.checkins.retain_for_groups)


def held_back(client: Redis, settings: Settings) -> Held | None:
    """The consumer group that holds back trimming, from outside of the processor. `client` must answer bytes."""
    keys = Keys(settings.server.prefix)
    found = trim_call(keys, settings, 0).look_sync(client)
    if not found.group:
        return None
    # those before the one that it needs are only not trimmed yet
    client, free, start = with_plain_entries(client), 0, b"-"
    while free < min(found.excess, _LOOKED_AT):
        page: Any = client.xrange(keys.stream, start, b"(" + found.oldest, _PAGE)
        if not page:
            return Held(found.group, found.excess - free)
        free, start = free + len(page), b"(" + page[-1][0]
    return None
