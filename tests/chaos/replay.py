"""What the metadata must hold, counted again from the stream: naive on purpose, and sharing no code with Footfall.

Key names are literal and everything is bytes, as the server has it.
"""

import math
import re
from fractions import Fraction
from typing import Any, Self

import redis

from chaos.activity import Applied, assert_recent

#: an entry's id, and its field names and values in turn
Entry = tuple[bytes, list[bytes]]
Record = dict[bytes, bytes]

#: what processing never touches
_STATIC = re.compile(
    rb"ncc:(meta|checkins|users:email|users:baseline|locations:(baseline|geo|category:.*)|locationdetails:\d+"
    rb"|loader:lease|checkinprocessor:lease|idempotency:.*"
    # compared apart: they hold what time makes too old
    rb"|history:.*|now:.*|hourly:.*|trending:.*)"
)
_DIGITS = frozenset(b"0123456789")
#: values of an entry that a dead letter keeps
_KEPT = 2000


def raw_client(port: int) -> Any:
    """A client that answers bytes, and entries with all their fields, also those that have the same name."""
    client: Any = redis.Redis(port=port, protocol=2)
    del client.response_callbacks["XRANGE"]
    return client


def writes_of(client: Any) -> int:
    """How many changes the server has ever made to its data: those that were undone count, too."""
    return int(client.info("persistence")["rdb_changes_since_last_save"])


def entries(client: Any, stream: str = "ncc:checkins") -> list[Entry]:
    """All entries of a stream."""
    return [(entry_id, fields) for entry_id, fields in client.xrange(stream)]


def check_ins(client: Any) -> dict[bytes, tuple[int, int, int]]:
    """(user, location, stars) of each entry of the stream, all of them as the receiver writes them."""
    found = {}
    for entry_id, fields in entries(client):
        assert fields[::2] == [b"locationId", b"userId", b"starRating"]
        location, user, stars = map(int, fields[1::2])
        found[entry_id] = (user, location, stars)
    return found


class Replay:
    """Records and indexes as they must be after the entries that `add` was given."""

    def __init__(self, users: dict[bytes, Record], locations: dict[bytes, Record], *, create: bool = False) -> None:
        """`create`: unknown users and locations get a record instead of making the entry a dead letter."""
        self.users = {user: dict(record) for user, record in users.items()}
        self.locations = {location: dict(record) for location, record in locations.items()}
        self.create = create
        self.dead_letters: list[list[bytes]] = []
        #: entry id -> reason
        self.discarded: Record = {}
        #: in the order in which they were applied
        self.applied: list[Applied] = []
        #: by user, the whole id of the last check-in that was applied
        self._last: dict[bytes, tuple[int, int]] = {}
        self.checkpoint = b"0"
        self.processed = 0

    @classmethod
    def of_loaded(cls, client: Any, *, create: bool = False) -> Self:
        """From what the server holds now: to be called after loading, before anything is processed."""
        assert client.mget("ncc:checkinprocessor:lastid", "ncc:checkinprocessor:processed") in ([b"0"] * 2, [None] * 2)
        users, locations = (
            {key.rpartition(b":")[2]: client.hgetall(key) for key in client.scan_iter(f"ncc:{kind}:[0-9]*", count=1000)}
            for kind in ("users", "locations")
        )
        return cls(users, locations, create=create)

    def after(self, stream: list[Entry]) -> "Replay":
        """A copy that has seen these entries, too."""
        copy = Replay(self.users, self.locations, create=self.create)
        copy.dead_letters, copy.discarded = list(self.dead_letters), dict(self.discarded)
        copy.applied, copy._last = list(self.applied), dict(self._last)
        copy.checkpoint, copy.processed = self.checkpoint, self.processed
        for entry_id, fields in stream:
            copy.add(entry_id, fields)
        return copy

    def add(self, entry_id: bytes, fields: list[bytes]) -> None:
        """The next entry of the stream."""
        self.checkpoint = entry_id
        self.processed += 1
        reason = self._why_not(entry_id, fields)
        if reason:
            self.dead_letters.append([b"id", entry_id, b"reason", reason, *fields[:_KEPT]])
            return
        self._apply(entry_id, fields, in_order=True)

    def retry(self, only: bytes | None = None) -> None:
        """Apply the dead letters (those with the reason `only`) that can be applied by now."""
        for letter in list(self.dead_letters):
            _, entry_id, _, reason, *fields = letter
            if only not in (None, reason):
                continue
            now = self._why_not(entry_id, fields)
            if now == reason:
                continue
            self.dead_letters.remove(letter)
            if now:
                self.dead_letters.append([b"id", entry_id, b"reason", now, *fields])
            else:
                self._apply(entry_id, fields, in_order=False)

    def discard(self, only: bytes | None = None) -> None:
        """Discard the dead letters (those with the reason `only`)."""
        gone = [letter for letter in self.dead_letters if only in (None, letter[3])]
        self.dead_letters = [letter for letter in self.dead_letters if letter not in gone]
        self.discarded |= {letter[1]: letter[3] for letter in gone}

    def _apply(self, entry_id: bytes, fields: list[bytes], *, in_order: bool) -> None:
        user_id, location_id = _first(fields, b"userId"), _first(fields, b"locationId")
        assert user_id
        assert location_id
        user = self.users.setdefault(user_id, {b"id": user_id})
        user[b"numCheckins"] = _plus(user.get(b"numCheckins"), 1)
        ms, sequence = map(int, entry_id.split(b"-"))
        is_last = b"lastCheckin" not in user or ms >= int(user[b"lastCheckin"])
        if is_last and not in_order and ms == int(user.get(b"lastCheckin", b"-1")):
            is_last = (ms, sequence) > self._last.get(user_id, (0, 0))
        if is_last:
            self._last[user_id] = (ms, sequence)
            user[b"lastCheckin"] = b"%d" % ms
            user[b"lastSeenAt"] = location_id
        self.applied.append(Applied(entry_id, user_id, location_id, _first(fields, b"starRating") or b""))
        location = self.locations.setdefault(location_id, {b"id": location_id})
        location[b"numCheckins"] = _plus(location.get(b"numCheckins"), 1)
        location[b"numStars"] = _plus(location.get(b"numStars"), int(_first(fields, b"starRating") or b""))
        mean = Fraction(int(location[b"numStars"]), int(location[b"numCheckins"]))
        location[b"averageStars"] = b"%d" % math.floor(mean + Fraction(1, 2))

    def content(self) -> dict[bytes, object]:
        """Every key that processing touches, with its value; keys that would be empty do not exist."""
        seen = {user: record for user, record in self.users.items() if b"lastCheckin" in record}
        everything: dict[bytes, object] = {
            **{b"ncc:users:" + user: record for user, record in self.users.items()},
            **{b"ncc:locations:" + location: record for location, record in self.locations.items()},
            b"ncc:users:bycheckins": {user: int(record[b"numCheckins"]) for user, record in self.users.items()},
            b"ncc:users:recent": {user: int(record[b"lastCheckin"]) for user, record in seen.items()},
            b"ncc:users:lastseen": {
                b"%016d:%013d:%s" % (int(record[b"lastSeenAt"]), int(record[b"lastCheckin"]), user): 0
                for user, record in seen.items()
            },
            b"ncc:locations:bycheckins": {
                location: int(record[b"numCheckins"]) for location, record in self.locations.items()
            },
            b"ncc:checkins:dead": self.dead_letters,
            b"ncc:checkins:discarded": self.discarded,
            b"ncc:checkinprocessor:lastid": self.checkpoint,
            b"ncc:checkinprocessor:processed": b"%d" % self.processed,
        }
        return {key: value for key, value in everything.items() if value}

    def _why_not(self, entry_id: bytes, fields: list[bytes]) -> bytes | None:
        user, location, stars = (_first(fields, name) for name in (b"userId", b"locationId", b"starRating"))
        if user is None or location is None or stars is None:
            return b"missing-field"
        if not _is_id(user) or not _is_id(location) or stars not in (b"0", b"1", b"2", b"3", b"4", b"5"):
            return b"malformed-field"
        if int(entry_id.split(b"-")[0]) > 9_999_999_999_999:
            return b"id-out-of-range"
        if not self.create and user not in self.users:
            return b"unknown-user"
        if not self.create and location not in self.locations:
            return b"unknown-location"
        return None


def assert_replayed(client: Any, expected: Replay) -> None:
    """Every user and location hash, index, dead letter, checkpoint and counter is exactly as expected.

    With a processor that keeps the newest check-ins (one that has made the window of trending locations), those too.
    """
    wanted, found = expected.content(), held(client)
    differences = [
        f"{key.decode()}: {_difference(wanted.get(key), found.get(key))}"
        for key in sorted(wanted.keys() | found.keys())
        if wanted.get(key) != found.get(key)
    ]
    assert not differences, f"{len(differences)} keys differ (expected -> found):\n" + "\n".join(differences[:20])
    if client.exists("ncc:trending:state"):
        assert_recent(client, expected.applied)


def held(client: Any) -> dict[bytes, object]:
    """Every key of the server that processing touches or should not have made, with its value."""
    keys = [key for key in client.scan_iter(count=1000) if not _STATIC.fullmatch(key)]
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.type(key)
    kinds = [kind.decode() for kind in pipeline.execute()]
    for key, kind in zip(keys, kinds, strict=True):
        match kind:
            case "hash":
                pipeline.hgetall(key)
            case "zset":
                pipeline.zrange(key, 0, -1, withscores=True)
            case "stream":
                pipeline.xrange(key)
            case "string":
                pipeline.get(key)
            case _:
                pipeline.type(key)
    values = dict(zip(keys, zip(kinds, pipeline.execute(), strict=True), strict=True))
    # a stream that became empty is still there
    return {key: _plain(kind, value) for key, (kind, value) in values.items() if value}


def _plain(kind: str, value: Any) -> object:
    if kind == "zset":
        return {member: int(score) if score == int(score) else score for member, score in value}
    if kind == "stream":
        return [fields for _, fields in value]
    return value


def _first(fields: list[bytes], name: bytes) -> bytes | None:
    for position in range(0, len(fields), 2):
        if fields[position] == name:
            return fields[position + 1]
    return None


def _is_id(text: bytes) -> bool:
    return bool(text) and _DIGITS.issuperset(text) and text[:1] != b"0" and int(text) < 2**53


def _plus(number: bytes | None, more: int) -> bytes:
    return b"%d" % (int(number or b"0") + more)


def _difference(wanted: object, found: object) -> str:
    if isinstance(wanted, dict) and isinstance(found, dict):
        parts = [
            f"{name!r}: {wanted.get(name)!r} -> {found.get(name)!r}"
            for name in sorted(wanted.keys() | found.keys())
            if wanted.get(name) != found.get(name)
        ]
        return f"{len(parts)} differ: {'; '.join(parts[:5])}"
    if isinstance(wanted, list) and isinstance(found, list):
        first = next((i for i, pair in enumerate(zip(wanted, found, strict=False)) if pair[0] != pair[1]), None)
        where = "" if first is None else f"; [{first}]: {wanted[first]!r} -> {found[first]!r}"
        return f"{len(wanted)} -> {len(found)} entries{where}"
    return f"{wanted!r} -> {found!r}"
