"""Entries of indexes that do not follow from the records: seen from the index, since no record leads to them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from footfall.operations.audit.keyspace import Keyspace, id_of
from footfall.operations.audit.reader import SnapshotReader
from footfall.operations.audit.record_pages import lower
from footfall.store.calls.audit import read_index

_member = re.compile(rb"[0-9]{16}:[0-9]{13}:([1-9][0-9]{0,15})").fullmatch


class Stray(NamedTuple):
    """An entry of an index that must not be there."""

    #: the entry: member of a zset, field of a hash
    entry: bytes
    #: value of the hash's field
    value: bytes
    #: id of the record that it is about; None when it is about none
    record: int | None
    #: what the record's fields were then
    fields: list[bytes]


class Index(NamedTuple):
    """An index that is looked through."""

    key: bytes
    #: what finds its entries
    scan: str
    #: whether its records are users, not locations
    of_users: bool
    #: the record's fields that an entry follows from
    fields: tuple[str, ...]


def indexes(reader: SnapshotReader, keyspace: Keyspace) -> list[Index]:
    """The indexes in which an entry can be that no record leads to, except those of another type."""
    keys = reader.keys
    found = [
        Index(keys.users_last_seen, "ZSCAN", True, ("lastSeenAt", "lastCheckin")),
        Index(keys.users_email, "HSCAN", True, ("email",)),
        *(Index(category, "ZSCAN", False, ("category",)) for category in keyspace.categories),
    ]
    return [index for index in found if index.key not in keyspace.wrong_types]


def strays(reader: SnapshotReader, index: Index) -> Iterator[tuple[int, list[Stray]]]:
    """Page by page: how many entries were looked at, and which of them must not be there."""
    for page in reader.scan(index.scan, index.key):
        if page:
            yield len(page) // 2, strays_among(reader, index, page[::2], page[1::2])


def strays_among(reader: SnapshotReader, index: Index, entries: list[bytes], values: list[bytes]) -> list[Stray]:
    """Those of some entries that must not be there, as things are now; `values` as they were when they were found."""
    keys = reader.keys
    ids = [_record(reader, index, entry, value) for entry, value in zip(entries, values, strict=True)]
    hashes = [keys.user(record or 0) if index.of_users else keys.location(record or 0) for record in ids]
    _, reply = reader.read(read_index(index.key, entries, hashes, index.fields))
    found = []
    for entry, value, record, (now, *fields) in zip(entries, values, ids, reply, strict=True):
        # one that is gone, or is about another record by now, was changed rightly
        if now is None or (index.scan == "HSCAN" and now != value):
            continue
        texts = [field or b"" for field in fields]
        if record is None or not _follows(reader, index, entry, record, texts):
            found.append(Stray(entry, value if index.scan == "HSCAN" else b"there", record, texts))
    return found


def _record(reader: SnapshotReader, index: Index, entry: bytes, value: bytes) -> int | None:
    if index.key == reader.keys.users_last_seen:
        match = _member(entry)
        return id_of(match[1]) if match else None
    return id_of(value if index.scan == "HSCAN" else entry)


def _follows(reader: SnapshotReader, index: Index, entry: bytes, record: int, fields: list[bytes]) -> bool:
    """Whether a record with these fields has this entry."""
    if index.key == reader.keys.users_last_seen:
        place, at = fields
        return place.isdigit() and at.isdigit() and entry == b"%016d:%013d:%d" % (int(place), int(at), record)
    if index.key == reader.keys.users_email:
        return bool(fields[0]) and entry == lower(fields[0])
    return bool(fields[0]) and index.key == reader.keys.category(fields[0].decode(errors="replace"))
