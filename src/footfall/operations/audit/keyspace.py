"""Which users and locations there are, by all that knows of them; and what is where nothing of that name may be."""

import re
from collections.abc import Callable

from footfall.domain.model import MAX_ID
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.look import Look

_digits = re.compile(rb"[1-9][0-9]{0,15}").fullmatch
Advance = Callable[[int], None]


def id_of(text: bytes) -> int | None:
    """The id that a text is, in its one canonical form; None when it is none."""
    number = int(text) if _digits(text) else 0
    return number if 0 < number <= MAX_ID else None


class Keyspace:
    """Ids and categories found, about 100 bytes per id while they are collected."""

    def __init__(self, look: Look, differences: Differences, advance: Advance) -> None:
        self._look, self._differences, self._advance = look, differences, advance
        keys = look.keys
        self.users: set[int] = set()
        self.locations: set[int] = set()
        #: keys of categories
        self.categories: list[bytes] = []
        #: indexes and baselines that have another type than they must
        self.wrong_types: dict[bytes, str] = {}
        #: (index, member) that are there and can never be right
        self.strays: list[tuple[bytes, bytes]] = []
        self._check_types()
        self._scan_keys()
        of_users = [keys.users_baseline, keys.users_removed], [keys.users_by_checkins, keys.users_recent]
        of_locations = (
            [keys.locations_baseline, keys.locations_removed],
            [keys.locations_by_checkins, keys.locations_geo],
        )
        for ids, (hashes, zsets) in ((self.users, of_users), (self.locations, of_locations)):
            for key in (key for key in hashes + zsets if key not in self.wrong_types):
                self._scan_index("HSCAN" if key in hashes else "ZSCAN", key, ids)

    def _check_types(self) -> None:
        keys = self._look.keys
        kinds = {
            keys.users_baseline: "hash",
            keys.locations_baseline: "hash",
            keys.users_removed: "hash",
            keys.locations_removed: "hash",
            keys.users_gone: "hash",
            keys.locations_gone: "hash",
            keys.users_email: "hash",
            keys.users_by_checkins: "zset",
            keys.users_recent: "zset",
            keys.users_last_seen: "zset",
            keys.locations_by_checkins: "zset",
            keys.locations_geo: "zset",
            keys.discarded: "hash",
        }
        self._require(kinds)

    def _require(self, kinds: dict[bytes, str]) -> None:
        for (key, kind), found in zip(kinds.items(), self._look.types(list(kinds)), strict=True):
            if found not in (kind, "none"):
                self.wrong_types[key] = found
                self._differences.add(key, None, f"a {found}", f"a {kind}")

    def _scan_keys(self) -> None:
        keys = self._look.keys
        singles = {value for value in vars(keys).values() if isinstance(value, bytes)}
        texts = (keys.user_text, keys.location_text, keys.location_details_text)
        users, locations, details = (text.encode() for text in texts)
        category = keys.category("")
        for page in self._look.scan("SCAN", None, "MATCH", keys.records_pattern):
            for key in page:
                if key in singles:
                    continue
                if key.startswith(category) and len(key) > len(category):
                    self.categories.append(key)
                    continue
                for start, ids in ((users, self.users), (locations, self.locations), (details, self.locations)):
                    if not key.startswith(start):
                        continue
                    record = id_of(key.removeprefix(start))
                    if record is None:
                        self._differences.add(key, None, "there", None, "it ends with no id")
                    else:
                        ids.add(record)
            self._advance(len(page))
        self.categories.sort()
        self._require(dict.fromkeys(self.categories, "zset"))

    def _scan_index(self, command: str, key: bytes, ids: set[int]) -> None:
        for page in self._look.scan(command, key):
            for member in page[::2]:
                record = id_of(member)
                if record is None:
                    self.strays.append((key, member))
                    self._differences.add(key, member, "there", None, "it is no id")
                else:
                    ids.add(record)
            self._advance(len(page) // 2)
