"""What one call of receive.lua takes and answers: check-ins in groups, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from footfall.config import Settings
from footfall.errors import (
    BacklogFullError,
    BrokenKeyError,
    DuplicateError,
    FootfallError,
    KeyReusedError,
    LoadingError,
    UnknownLocationError,
    UnknownUserError,
)
from footfall.keys import Keys
from footfall.model import CheckIn
from footfall.store.pipeline import Argument, Connection, Reply
from footfall.store.scripts import RECEIVE, Key

#: what became of a check-in: the id of its entry, or why it was refused
Outcome = bytes | FootfallError

#: Check-ins in one call of the script, at most: it holds the server for about 5 µs for each. Batches are cut at this
#: size whatever the settings, so that a batch sent again is cut alike.
MAX_CALL = 500

_STARS = ("0", "1", "2", "3", "4", "5")
_FULL = BacklogFullError("the backlog is full: processing is behind")
_LOADING = LoadingError("data is being loaded")
_MISMATCH = KeyReusedError("the Idempotency-Key was used for another request")
_UNKNOWN: dict[bytes, FootfallError] = {
    b"UNKNOWN_USER": UnknownUserError("there is no such user"),
    b"UNKNOWN_LOCATION": UnknownLocationError("there is no such location"),
}


@dataclass(frozen=True)
class Record:
    """Where the outcome of a group is kept, so that it is added once however often it is sent."""

    key: bytes
    #: of the values of the whole request: the same key with another body is refused
    fingerprint: bytes


@dataclass(frozen=True)
class Group:
    """Check-ins that are added by one call, with or without a record."""

    check_ins: Sequence[CheckIn]
    record: Record | None = None


@dataclass(frozen=True)
class Result:
    """What became of a group: one outcome for each check-in, in order."""

    outcomes: Sequence[Outcome]
    #: by an earlier call
    replayed: bool = False
    #: how many outcomes are entry ids
    accepted: int = 0


def fingerprint(request: CheckIn | Sequence[CheckIn]) -> bytes:
    """What tells requests apart: a hash of the values, whatever they were written like.

    A check-in alone is another request than a batch of it.
    """
    return blake2b(msgspec.msgpack.encode(request), digest_size=16).hexdigest().encode()


class Caller:
    """Calls receive.lua."""

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._first_keys = [
            *(keys.stream, keys.meta, keys.processed, keys.users_removed, keys.locations_removed, keys.checkpoint)
        ]
        self._has_window = settings.duplicate_window_s > 0
        self._first_arguments: list[Argument] = [
            settings.max_backlog,
            settings.unknown_ids,
            settings.idempotency_ttl_s * 1000,
            settings.duplicate_window_s * 1000,
        ]

    async def call(self, connection: Connection, groups: Sequence[Group]) -> list[Result]:
        """Add the groups; their results, in order.

        Raises LoadingError or BrokenKeyError when the server took nothing, and what the connection raises.
        """
        keys: list[Key] = [*self._first_keys]
        arguments = self._first_arguments.copy()
        user, location, has_window = self._keys.user_text, self._keys.location_text, self._has_window
        for group in groups:
            record = group.record
            if record is None:
                arguments += (len(group.check_ins), b"")
            else:
                keys.append(record.key)
                arguments += (len(group.check_ins), record.fingerprint)
            for check_in in group.check_ins:
                # as text once: made from numbers, keys and arguments would each be converted by themselves
                user_id, location_id = str(check_in.user_id), str(check_in.location_id)
                keys += (user + user_id, location + location_id)
                if has_window:
                    keys.append(self._keys.duplicate(check_in.user_id, check_in.location_id))
                arguments += (user_id, location_id, _STARS[check_in.star_rating])
        reply = await RECEIVE.run(connection, keys, arguments)
        if isinstance(reply, bytes):
            raise self._why_nothing(reply)
        return [_result(words, len(group.check_ins)) for words, group in zip(reply, groups, strict=True)]

    def _why_nothing(self, word: bytes) -> FootfallError:
        stream = self._keys.stream.decode()
        if word == b"OLDER":
            return BrokenKeyError(
                f"{stream} does not have what was processed (was an older stream put in its place?); `footfall status` "
                "has the repair"
            )
        if word == b"FINISHED":
            return BrokenKeyError(
                f"the ids of {stream} are used up: what would come next is no time; `footfall status` has the repair "
                "when all of it is processed"
            )
        return _LOADING if word == b"LOADING" else _broken(word)


def _result(words: list[Reply], count: int) -> Result:
    word = words.pop(0)
    if word == b"ALL":
        return Result(words, accepted=count)
    if words:
        outcomes = [word if word[:1].isdigit() else _refusal(word) for word in words]  # ids begin with a digit
        accepted = sum(isinstance(outcome, bytes) for outcome in outcomes)
        return Result(outcomes, replayed=word == b"REPLAYED", accepted=accepted)
    error = _FULL if word == b"FULL" else _MISMATCH if word == b"MISMATCH" else _broken(word)
    return Result([error] * count)


def _refusal(word: bytes) -> FootfallError:
    if word.startswith(b"DUPLICATE "):
        first = word.partition(b" ")[2].decode()
        return DuplicateError(f"the user has just checked in at this location, with entry {first}")
    return _UNKNOWN.get(word) or _broken(word)


def _broken(word: bytes) -> BrokenKeyError:
    key = word.partition(b" ")[2].decode()
    return BrokenKeyError(f"{key} is missing or does not hold what it must")
