"""Which users and locations there are, by all that knows of them; and what is where nothing of that name may be."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from footfall.domain.model import MAX_ID
from footfall.keys import Keys
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.reader import SnapshotReader

_digits = re.compile(rb"[1-9][0-9]{0,15}").fullmatch
Advance = Callable[[int], None]


@dataclass
class Keyspace:
    """What a scan has found; about 100 bytes per id."""

    #: ids
    users: set[int] = field(default_factory=set)
    locations: set[int] = field(default_factory=set)
    #: keys of categories, in order
    categories: list[bytes] = field(default_factory=list)
    #: indexes and baselines that have another type than they must
    wrong_types: dict[bytes, str] = field(default_factory=dict)
    #: (index, member) that are there and can never be right
    strays: list[tuple[bytes, bytes]] = field(default_factory=list)


def scan_keyspace(reader: SnapshotReader, differences: Differences, advance: Advance) -> Keyspace:
    """Scan the server's keys, indexes and baselines. What is wrong with their names and types is a difference."""
    scan = _Scan(reader, differences, advance)
    scan.require_types(_checked(reader.keys))
    scan.keys()
    for ids, (hashes, zsets) in (
        (scan.found.users, _indexes_of_users(reader.keys)),
        (scan.found.locations, _indexes_of_locations(reader.keys)),
    ):
        for key in (key for key in hashes + zsets if key not in scan.found.wrong_types):
            scan.index("HSCAN" if key in hashes else "ZSCAN", key, ids)
    return scan.found


def id_of(text: bytes) -> int | None:
    """The id that a text is, in its one canonical form; None when it is none."""
    number = int(text) if _digits(text) else 0
    return number if 0 < number <= MAX_ID else None


# --- private


def _checked(keys: Keys) -> list[bytes]:
    """Indexes, baselines, and what is kept of those that are gone."""
    return [
        *(keys.users_baseline, keys.users_removed, keys.users_gone, keys.users_email),
        *(keys.locations_baseline, keys.locations_removed, keys.locations_gone, keys.discarded),
        *(keys.users_by_checkins, keys.users_recent, keys.users_last_seen),
        *(keys.locations_by_checkins, keys.locations_geo),
    ]


def _indexes_of_users(keys: Keys) -> tuple[list[bytes], list[bytes]]:
    """Hashes, then zsets, of which the members are ids."""
    return [keys.users_baseline, keys.users_removed], [keys.users_by_checkins, keys.users_recent]


def _indexes_of_locations(keys: Keys) -> tuple[list[bytes], list[bytes]]:
    return [keys.locations_baseline, keys.locations_removed], [keys.locations_by_checkins, keys.locations_geo]


class _Scan:
    def __init__(self, reader: SnapshotReader, differences: Differences, advance: Advance) -> None:
        self._reader, self._differences, self._advance = reader, differences, advance
        self.found = Keyspace()

    def require_types(self, keys: list[bytes]) -> None:
        for key, found in zip(keys, self._reader.types(keys), strict=True):
            wanted = self._reader.keys.type_of(key)
            if found not in (wanted, "none"):
                self.found.wrong_types[key] = found
                self._differences.add(key, None, f"a {found}", f"a {wanted}")

    def keys(self) -> None:
        """Keys of records, of details and of categories, by their names."""
        keys, found = self._reader.keys, self.found
        singles = {value for value in vars(keys).values() if isinstance(value, bytes)}
        texts = (keys.user_text, keys.location_text, keys.location_details_text)
        users, locations, details = (text.encode() for text in texts)
        category = keys.category("")
        for page in self._reader.scan("SCAN", None, "MATCH", keys.records_pattern):
            for key in page:
                if key in singles:
                    continue
                if key.startswith(category) and len(key) > len(category):
                    found.categories.append(key)
                    continue
                for start, ids in ((users, found.users), (locations, found.locations), (details, found.locations)):
                    if not key.startswith(start):
                        continue
                    record = id_of(key.removeprefix(start))
                    if record is None:
                        self._differences.add(key, None, "there", None, "it ends with no id")
                    else:
                        ids.add(record)
            self._advance(len(page))
        found.categories.sort()
        self.require_types(found.categories)

    def index(self, command: str, key: bytes, ids: set[int]) -> None:
        """The ids in an index or a baseline."""
        for page in self._reader.scan(command, key):
            for member in page[::2]:
                record = id_of(member)
                if record is None:
                    self.found.strays.append((key, member))
                    self._differences.add(key, member, "there", None, "it is no id")
                else:
                    ids.add(record)
            self._advance(len(page) // 2)
