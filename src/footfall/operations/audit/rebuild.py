"""Making counters and indexes anew: what was loaded, and all that the stream adds."""

from collections.abc import Callable
from dataclasses import dataclass, field

from redis import Redis
from rich.console import Console
from rich.progress import Progress

from footfall.config import Settings
from footfall.domain.model import indexed_place
from footfall.errors import BrokenKeyError, RefusedError, UnavailableError
from footfall.keys import Keys
from footfall.operations.audit.compare import place_of
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.fold import Fold
from footfall.operations.audit.gone import Counted, note_lost, read_noted
from footfall.operations.audit.indexes import Index, Stray, indexes, strays, strays_among
from footfall.operations.audit.keyspace import Keyspace
from footfall.operations.audit.look import Look, MovedError
from footfall.operations.audit.plan import entries_are, provable
from footfall.operations.audit.records import lower
from footfall.operations.audit.tally import LocationTally, Tally, UserTally
from footfall.process.terminal import Bars
from footfall.store.calls.audit import Head
from footfall.store.calls.metadata import Position
from footfall.store.calls.rebuild import LocationRow, Page, UserRow, drop_index_entries, rebuild_page, settle_torn
from footfall.store.calls.stream import count_lost

#: records written in one call: a few ms of the server's time
_PAGE = 100
#: entries that a call may fold itself: what a processor applies between two calls, and some more
_BETWEEN = 5000
#: how often a page is tried: each time there is less between
_TRIES = 1000
#: keys that are looked at together
_KEYS = 1000
#: keys that are named when records have another type
_NAMED = 10

Confirm = Callable[[str], bool]
#: a page of users, or of locations
_Rows = tuple[list[UserRow], list[LocationRow]]


@dataclass
class Rebuilt:
    """What a rebuild has changed."""

    users: int = 0
    locations: int = 0
    #: records of which there was nothing: they have counters again, and nothing else
    made: int = 0
    #: entries of indexes that followed from no record, and whole indexes of another type
    strays: int = 0
    #: entries of the stream that were folded
    entries: int = 0
    #: whether a batch that was applied in part is undone
    torn: bool = False
    #: locations whose place cannot be indexed, since it is none
    no_places: list[int] = field(default_factory=list)


def rebuild(client: Redis, settings: Settings, *, confirm: Confirm, progress: Progress | None) -> Rebuilt:
    """Write what differs, page by page, while check-ins come in. Killed, it is finished by running it again.

    Raises RefusedError when the stream does not reach back to what was loaded, or without a confirmation;
    BrokenKeyError when something that cannot be made anew is broken; LoadingError; UnavailableError.
    """
    look = Look(client, Keys(settings.prefix))
    look.require_books()
    start = look.head()
    _require_complete(start, without_gone=settings.rebuild_without_gone)
    noted = read_noted(look, start)
    bars = Bars(progress)
    keyspace = Keyspace(look, Differences(), bars.bar("keys", None))
    _require_sound(look, keyspace, bars)
    if not settings.rebuild_yes and not confirm(
        f"The counters of {len(keyspace.users):,} users and {len(keyspace.locations):,} locations, and the indexes, "
        f"will be what was loaded and what the {start.length:,} entries of the stream add"
        + (f", without {start.unexplained:,} that are gone from it." if start.unexplained > 0 else ".")
    ):
        raise RefusedError("not confirmed; nothing was changed")
    try:
        return _Rebuild(look, keyspace, bars, noted).run(start)
    except MovedError as error:
        raise UnavailableError(f"not finished: {error}; run it again") from error


def _require_complete(head: Head, *, without_gone: bool) -> None:
    """Raise RefusedError when the stream does not tell all that was counted."""
    proof, reason = provable(head)
    if proof != "records":
        raise RefusedError(f"counters cannot be made anew: {reason}; nothing was changed")
    if head.unexplained > 0 and not without_gone:
        raise RefusedError(
            f"{entries_are(head.unexplained)} gone from the stream, and what they have counted would be lost: "
            "`footfall verify --note-gone` notes it; when they were not processed yet, a processor that has caught "
            "up says so. When neither helps, --without-gone lets them count no more. Nothing was changed"
        )
    if head.noted and head.unexplained < 0:
        raise RefusedError(
            "entries that are noted as gone are in the stream again, and would count twice: `footfall verify "
            "--note-gone` sets the note right. Nothing was changed"
        )


def _require_sound(look: Look, keyspace: Keyspace, bars: Bars) -> None:
    """Raise BrokenKeyError when records or baselines, from which all else follows, are not what they must be."""
    keys = look.keys
    of_users = (keys.users_baseline, keys.users_removed, keys.users_gone)
    of_locations = (keys.locations_baseline, keys.locations_removed, keys.locations_gone)
    for key in (*of_users, *of_locations, keys.discarded):
        if key in keyspace.wrong_types:
            raise BrokenKeyError(
                f"{key.decode()} is a {keyspace.wrong_types[key]}, not a hash, and cannot be made anew; restore it "
                "from a backup, or delete it and load users and locations again"
            )
    wrong, without = [], []
    advance = bars.bar("records", len(keyspace.users) + len(keyspace.locations))
    for users, ids, sign in ((True, sorted(keyspace.users), "email"), (False, sorted(keyspace.locations), "name")):
        for start in range(0, len(ids), _KEYS):
            part = ids[start : start + _KEYS]
            hashes = [keys.user(one) if users else keys.location(one) for one in part]
            baseline = keys.users_baseline if users else keys.locations_baseline
            baselines = look.client.execute_command("HMGET", baseline, *part)
            ledgers = look.client.execute_command(
                "HMGET", keys.users_removed if users else keys.locations_removed, *part
            )
            signs = look.fields(hashes, sign)
            rows = zip(hashes, look.types(hashes), signs, baselines, ledgers, strict=True)
            for key, kind, (text,), loaded, ledger in rows:
                if kind not in ("hash", "none"):
                    wrong.append(f"{key.decode()} is a {kind}, not a hash")
                elif text and loaded is None and ledger is None:
                    without.append(f"{key.decode()} has no baseline in {baseline.decode()}")
            advance(len(part))
    if wrong:
        raise BrokenKeyError(f"{_some(wrong)}; delete them, and load these records again after the rebuild")
    if without:
        raise BrokenKeyError(f"{_some(without)}; load these records again, then rebuild")


def _some(texts: list[str]) -> str:
    more = f", and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more


class _Rebuild:
    """One run through everything."""

    def __init__(self, look: Look, keyspace: Keyspace, bars: Bars, noted: Counted) -> None:
        self._look, self._keyspace, self._bars, self._noted = look, keyspace, bars, noted
        self._done = Rebuilt()

    def run(self, start: Head) -> Rebuilt:
        look, bars, keyspace = self._look, self._bars, self._keyspace
        self._users, self._locations = UserTally(keyspace.users), LocationTally(keyspace.locations)
        self._noted.add_to(self._users, self._locations)
        self._fold = Fold(look, start, b"0", self._users, self._locations)
        self._stream = bars.bar("stream", start.length)
        head, _ = self._fold.at_its_checkpoint(look.with_head, self._stream)
        self._require_no_retried(head)
        self._drop_what_is_no_index()
        self._done.users = self._each(self._users, self._user_page, "users")
        self._done.locations = self._each(self._locations, self._location_page, "locations")
        for index in indexes(look, keyspace):
            advance = bars.bar(index.key.decode(errors="replace"), None)
            for looked_at, found in strays(look, index):
                self._drop(index, found)
                advance(looked_at)
        self._done.entries = self._fold.entries
        self._done.torn = settle_torn(look.keys).run_sync(look.client) is not None
        head = look.head()
        count_lost(look.keys, Position(head.checkpoint, head.generation)).run_sync(look.client)
        head, _ = self._fold.at_its_checkpoint(look.with_head, self._stream)
        if head.unexplained > 0:
            note_lost(look, head, self._fold.dead_without_entry(head))
        return self._done

    def _require_no_retried(self, head: Head) -> None:
        """Raise RefusedError when dead letters of entries that are gone were retried: what they count is not noted."""
        if head.noted_dead and self._fold.dead_without_entry(head) < 0:
            raise RefusedError(
                "dead letters of entries that are gone from the stream were retried: `footfall verify --note-gone` "
                "notes what they have counted. Nothing was changed"
            )

    def _drop_what_is_no_index(self) -> None:
        """Indexes of another type, and entries that are no ids: nothing can be right about them."""
        client, keyspace = self._look.client, self._keyspace
        for key in keyspace.wrong_types:
            self._done.strays += client.execute_command("UNLINK", key)
        keys = self._look.keys
        hashes = (keys.users_baseline, keys.users_removed, keys.locations_baseline, keys.locations_removed)
        for key, member in keyspace.strays:
            self._done.strays += client.execute_command("HDEL" if key in hashes else "ZREM", key, member)
        keyspace.wrong_types.clear()

    def _each(self, tally: Tally, page: Callable[[list[int]], _Rows], name: str) -> int:
        """Write all records of one kind, page by page; how many were changed."""
        changed = 0
        advance = self._bars.bar(name, len(tally.ids))
        for ids in tally.pages(_PAGE):
            written = self._write(ids, page)
            changed += written.changed
            self._done.made += written.made
            advance(len(ids))
        return changed

    def _write(self, ids: list[int], page: Callable[[list[int]], _Rows]) -> Page:
        """Write a page."""
        fold = self._fold
        for _attempt in range(_TRIES):
            head, _ = fold.at_its_checkpoint(self._look.with_head, self._stream)
            users, locations = page(ids)
            call = rebuild_page(
                self._look.keys,
                head,
                folded_to=fold.last_entry,
                last_dead=fold.letters.last,
                between=_BETWEEN,
                users=users,
                locations=locations,
            )
            written = call.run_sync(self._look.client)
            if written is not None:
                return written
        raise UnavailableError("check-ins are processed faster than they can be read; run the rebuild again")

    def _user_page(self, ids: list[int]) -> _Rows:
        tally = self._users
        rows = []
        hashes = [self._look.keys.user(user) for user in ids]
        for user, (email,) in zip(ids, self._look.fields(hashes, "email"), strict=True):
            place = tally.place(user)
            count = tally.counts[place]
            if count:
                ms, sequence, location = tally.ms[place], tally.sequences[place], tally.locations[place]
                rows.append(UserRow(user, count, ms, sequence, location, email, lower(email)))
            else:
                rows.append(UserRow(user, 0, "", "", "", email, lower(email)))
        return rows, []

    def _location_page(self, ids: list[int]) -> _Rows:
        tally = self._locations
        rows = []
        hashes = [self._look.keys.location(location) for location in ids]
        stored = self._look.fields(hashes, "category", "location")
        for location, (category, text) in zip(ids, stored, strict=True):
            at = tally.place(location)
            where = place_of(text) if text else None
            if text and not where and location not in self._done.no_places:
                self._done.no_places.append(location)
            longitude, latitude = indexed_place(*where) if where else (b"", b"")
            rows.append(LocationRow(location, tally.counts[at], tally.stars[at], category, text, longitude, latitude))
        return [], rows

    def _drop(self, index: Index, found: list[Stray]) -> None:
        """Remove entries of an index, but none that follows from its record by now."""
        keys = self._look.keys
        for _attempt in range(_TRIES):
            if not found:
                return
            record_key = keys.user if index.of_users else keys.location
            entries = [(stray.entry, record_key(stray.record or 0), stray.fields) for stray in found]
            self._done.strays += drop_index_entries(index.key, entries, index.fields).run_sync(self._look.client)
            # those whose records have changed between reading and removing
            found = strays_among(self._look, index, [s.entry for s in found], [s.value for s in found])
        raise UnavailableError(f"{index.key.decode()} changes faster than it can be read; run the rebuild again")


def render(done: Rebuilt, console: Console) -> None:
    """Print what was changed, for a person."""

    def show(text: str, style: str | None = None) -> None:
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    show(
        f"Rebuilt from {done.entries:,} entries: {done.users:,} users, {done.locations:,} locations and "
        f"{done.strays:,} index entries were changed."
    )
    if done.torn:
        show("a batch that was applied in part is undone; processing goes on with it")
    if done.made:
        records = "1 record was" if done.made == 1 else f"{done.made:,} records were"
        show(f"{records} missing, with counters only now; load users and locations again for the rest", "yellow")
    for location in done.no_places[:_NAMED]:
        show(f"location {location} is not indexed by place: its field location is not `longitude,latitude`", "yellow")
