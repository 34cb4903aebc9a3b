"""Rebuilding counters and indexes: what was loaded, and all that the stream adds."""

from collections.abc import Callable

from rich.progress import Progress

from footfall.domain.model import indexed_place
from footfall.errors import RefusedError, UnavailableError
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.exclusions import Exclusions
from footfall.operations.audit.gone import Counted, note_lost, read_noted
from footfall.operations.audit.indexes import Index, Stray, indexes, strays, strays_among
from footfall.operations.audit.keyspace import Keyspace, scan_keyspace
from footfall.operations.audit.reader import SnapshotReader, StreamChangedError
from footfall.operations.audit.rebuild_checks import require_complete, require_sound
from footfall.operations.audit.rebuild_report import Rebuilt
from footfall.operations.audit.record_pages import lower, place_of
from footfall.operations.audit.replay import Replay
from footfall.operations.audit.tally import LocationTally, Tally, UserTally
from footfall.process.terminal import Bars
from footfall.store.calls.audit import Snapshot
from footfall.store.calls.metadata import Position
from footfall.store.calls.rebuild import LocationRow, Page, UserRow, drop_index_entries, rebuild_page, settle_torn
from footfall.store.calls.stream import count_lost

Confirm = Callable[[str], bool]
#: a page of users, or of locations
_Rows = tuple[list[UserRow], list[LocationRow]]


def rebuild(
    reader: SnapshotReader, *, without_gone: bool = False, confirm: Confirm, progress: Progress | None
) -> Rebuilt:
    """Write what differs, page by page, while check-ins come in. Killed, it is finished by running it again.

    `without_gone`: what entries have counted that are gone and cannot be noted counts no more.

    Raises RefusedError when the stream does not reach back to what was loaded, or without a confirmation;
    BrokenKeyError when something that cannot be rebuilt is broken; LoadingError; UnavailableError.
    """
    reader.require_metadata()
    start = reader.snapshot()
    require_complete(start, without_gone=without_gone)
    noted = read_noted(reader, start)
    bars = Bars(progress)
    keyspace = scan_keyspace(reader, Differences(), bars.bar("keys", None))
    require_sound(reader, keyspace, bars)
    if not confirm(
        f"The counters of {len(keyspace.users):,} users and {len(keyspace.locations):,} locations, and the indexes, "
        f"will be what was loaded and what the {start.length:,} entries of the stream add"
        + (f", without {start.unexplained:,} that are gone from it." if start.unexplained > 0 else ".")
    ):
        raise RefusedError("not confirmed; nothing was changed")
    try:
        return _Rebuild(reader, keyspace, bars, noted).run(start)
    except StreamChangedError as error:
        raise UnavailableError(f"not finished: {error}; run it again") from error


class _Rebuild:
    """One run through everything."""

    def __init__(self, reader: SnapshotReader, keyspace: Keyspace, bars: Bars, noted: Counted) -> None:
        self._reader, self._keyspace, self._bars = reader, keyspace, bars
        self._users, self._locations = UserTally(keyspace.users), LocationTally(keyspace.locations)
        noted.add_to(self._users, self._locations)
        self._exclusions = Exclusions(reader)
        self._done = Rebuilt()

    def run(self, start: Snapshot) -> Rebuilt:
        reader, bars, done = self._reader, self._bars, self._done
        self._exclusions.reload()
        self._replay = Replay(
            reader, start, self._exclusions, position=b"0", users=self._users, locations=self._locations
        )
        self._stream = bars.bar("stream", start.length)
        self._require_no_retried(self._snapshot())
        self._drop_what_is_no_index()
        done.users = self._each(self._users, self._user_page, "users")
        done.locations = self._each(self._locations, self._location_page, "locations")
        for index in indexes(reader, self._keyspace):
            advance = bars.bar(index.key.decode(errors="replace"), None)
            for looked_at, found in strays(reader, index):
                self._drop(index, found)
                advance(looked_at)
        done.entries = self._replay.entries
        done.torn = settle_torn(reader.keys).run_sync(reader.client) is not None
        self._set_lost_right()
        return done

    def _snapshot(self) -> Snapshot:
        """A snapshot up to which the stream is replayed."""
        return self._replay.at_checkpoint(self._reader.with_snapshot, self._stream)[0]

    def _require_no_retried(self, snapshot: Snapshot) -> None:
        """Raise RefusedError when dead letters of entries that are gone were retried: what they count is not noted."""
        if snapshot.noted_dead and self._replay.dead_without_entry(snapshot) < 0:
            raise RefusedError(
                "dead letters of entries that are gone from the stream were retried: `footfall verify --note-gone` "
                "notes what they have counted. Nothing was changed"
            )

    def _set_lost_right(self) -> None:
        """Let the metadata say how many entries were removed without being counted."""
        reader = self._reader
        now = reader.snapshot()
        count_lost(reader.keys, Position(now.checkpoint, now.generation)).run_sync(reader.client)
        now = self._snapshot()
        if now.unexplained > 0:
            note_lost(reader, now, self._replay.dead_without_entry(now))

    def _drop_what_is_no_index(self) -> None:
        """Indexes of another type, and entries that are no ids: nothing can be right about them."""
        client, keyspace = self._reader.client, self._keyspace
        for key in keyspace.wrong_types:
            self._done.strays += client.execute_command("UNLINK", key)
        keys = self._reader.keys
        hashes = (keys.users_baseline, keys.users_removed, keys.locations_baseline, keys.locations_removed)
        for key, member in keyspace.strays:
            self._done.strays += client.execute_command("HDEL" if key in hashes else "ZREM", key, member)
        keyspace.wrong_types.clear()

    def _each(self, tally: Tally, page: Callable[[list[int]], _Rows], name: str) -> int:
        """Write all records of one kind, page by page; how many were changed."""
        changed = 0
        advance = self._bars.bar(name, len(tally.ids))
        for ids in tally.pages(self._reader.sizes.rebuilt):
            written = self._write(ids, page)
            changed += written.changed
            self._done.made += written.made
            advance(len(ids))
        return changed

    def _write(self, ids: list[int], page: Callable[[list[int]], _Rows]) -> Page:
        """Write a page. It is tried again while others change what it follows from: each time there is less between."""
        reader, replay = self._reader, self._replay
        while True:
            snapshot = self._snapshot()
            users, locations = page(ids)
            call = rebuild_page(
                reader.keys,
                snapshot,
                replayed_to=replay.last_entry,
                last_dead=replay.exclusions.last,
                between=reader.sizes.between,
                users=users,
                locations=locations,
            )
            written = call.run_sync(reader.client)
            if written is not None:
                reader.retries.progress()
                return written
            reader.retries.again("check-ins are processed faster than they can be read; run the rebuild again")

    def _user_page(self, ids: list[int]) -> _Rows:
        tally = self._users
        rows = []
        hashes = [self._reader.keys.user(user) for user in ids]
        for user, (email,) in zip(ids, self._reader.fields(hashes, "email"), strict=True):
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
        hashes = [self._reader.keys.location(location) for location in ids]
        stored = self._reader.fields(hashes, "category", "location")
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
        reader = self._reader
        record_key = reader.keys.user if index.of_users else reader.keys.location
        while found:
            entries = [(stray.entry, record_key(stray.record or 0), stray.fields) for stray in found]
            self._done.strays += drop_index_entries(index.key, entries, index.fields).run_sync(reader.client)
            # those whose records have changed between reading and removing
            found = strays_among(reader, index, [s.entry for s in found], [s.value for s in found])
            if found:
                reader.retries.again(f"{index.key.decode()} changes faster than it can be read; run the rebuild again")
        reader.retries.progress()
