"""When a rebuild is refused, before anything is changed."""

from footfall.errors import BrokenKeyError, RefusedError
from footfall.operations.audit.keyspace import Keyspace
from footfall.operations.audit.proof import entries_are, strongest_proof
from footfall.operations.audit.reader import SnapshotReader
from footfall.process.terminal import Bars
from footfall.store.calls.audit import Snapshot

#: records that are named
_NAMED = 10


def require_complete(snapshot: Snapshot, *, without_gone: bool) -> None:
    """Raise RefusedError when the stream does not tell all that was counted."""
    proof, reason = strongest_proof(snapshot)
    if proof != "records":
        raise RefusedError(f"counters cannot be rebuilt: {reason}; nothing was changed")
    if snapshot.unexplained > 0 and not without_gone:
        raise RefusedError(
            f"{entries_are(snapshot.unexplained)} gone from the stream, and what they have counted would be lost: "
            "`footfall verify --note-gone` notes it; when they were not processed yet, a processor that has caught "
            "up says so. When neither helps, --without-gone lets them count no more. Nothing was changed"
        )
    if snapshot.noted and snapshot.unexplained < 0:
        raise RefusedError(
            "entries that are noted as gone are in the stream again, and would count twice: `footfall verify "
            "--note-gone` sets the note right. Nothing was changed"
        )


def require_sound(reader: SnapshotReader, keyspace: Keyspace, bars: Bars) -> None:
    """Raise BrokenKeyError when records or baselines, from which all else follows, are not what they must be."""
    keys = reader.keys
    hashes = (
        *(keys.users_baseline, keys.users_removed, keys.users_gone),
        *(keys.locations_baseline, keys.locations_removed, keys.locations_gone),
        keys.discarded,
    )
    for key in hashes:
        if key in keyspace.wrong_types:
            raise BrokenKeyError(
                f"{key.decode()} is a {keyspace.wrong_types[key]}, not a hash, and cannot be rebuilt; restore it "
                "from a backup, or delete it and load users and locations again"
            )
    wrong: list[str] = []
    without: list[str] = []
    advance = bars.bar("records", len(keyspace.users) + len(keyspace.locations))
    size = reader.sizes.checked
    for of_users, found in ((True, sorted(keyspace.users)), (False, sorted(keyspace.locations))):
        for start in range(0, len(found), size):
            ids = found[start : start + size]
            _check(reader, ids, wrong, without, of_users=of_users)
            advance(len(ids))
    if wrong:
        raise BrokenKeyError(f"{_some(wrong)}; delete them, and load these records again after the rebuild")
    if without:
        raise BrokenKeyError(f"{_some(without)}; load these records again, then rebuild")


def _check(reader: SnapshotReader, ids: list[int], wrong: list[str], without: list[str], *, of_users: bool) -> None:
    """Find records of another type, and loaded ones without a baseline."""
    keys, client = reader.keys, reader.client
    if of_users:  # what is loaded has an e-mail
        hashes, field, baseline, removed = list(map(keys.user, ids)), "email", keys.users_baseline, keys.users_removed
    else:
        hashes, field = list(map(keys.location, ids)), "name"
        baseline, removed = keys.locations_baseline, keys.locations_removed
    baselines = client.execute_command("HMGET", baseline, *ids)
    counted = client.execute_command("HMGET", removed, *ids)
    rows = zip(hashes, reader.types(hashes), reader.fields(hashes, field), baselines, counted, strict=True)
    for key, kind, (text,), loaded, is_removed in rows:
        if kind not in ("hash", "none"):
            wrong.append(f"{key.decode()} is a {kind}, not a hash")
        elif text and loaded is None and is_removed is None:
            without.append(f"{key.decode()} has no baseline in {baseline.decode()}")


def _some(texts: list[str]) -> str:
    more = f", and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more
