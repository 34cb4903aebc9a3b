"""receive.lua: what one call takes and answers, check-ins in groups, and what became of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from footfall.config import CheckinSettings
from footfall.domain.model import CheckIn
from footfall.errors import (
    BacklogFullError,
    BrokenKeyError,
    DuplicateError,
    FootfallError,
    KeyReusedError,
    UnknownLocationError,
    UnknownUserError,
)
from footfall.keys import Keys
from footfall.store.calls.reply import Errors, after_ok, broken, loading
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import RECEIVE, Call, Key

#: what became of a check-in: the id of its entry, or why it was refused
Outcome = bytes | FootfallError

#: Check-ins in one call of the script, at most: it holds the server for about 5 µs for each. Batches are cut at this
#: size whatever the settings, so that a batch sent again is cut alike.
MAX_CALL = 500

_STARS = ("0", "1", "2", "3", "4", "5")


@dataclass(frozen=True)
class IdempotencyRecord:
    """Where the outcome of a group is kept, so that it is added once however often it is sent."""

    key: bytes
    #: of the values of the whole request: the same key with another body is refused
    fingerprint: bytes


@dataclass(frozen=True)
class Group:
    """Check-ins that are added by one call, with or without a record."""

    check_ins: Sequence[CheckIn]
    record: IdempotencyRecord | None = None


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


class Receive:
    """Makes calls of receive.lua, all with the same settings."""

    def __init__(self, keys: Keys, settings: CheckinSettings) -> None:
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
        stream = keys.stream.decode()
        self._errors: Errors = {
            b"LOADING": loading,
            b"BROKEN": _broken,
            b"OLDER": lambda: BrokenKeyError(
                f"{stream} does not have what was processed (was an older stream put in its place?); `footfall status` "
                "has the repair"
            ),
            b"FINISHED": lambda: BrokenKeyError(
                f"the ids of {stream} are used up: what would come next is no time; `footfall status` has the repair "
                "when all of it is processed"
            ),
        }

    def call(self, groups: Sequence[Group]) -> Call[list[Result]]:
        """Add the groups, each check-in on its own; their results, in order.

        A check-in that is refused spoils no other, and a group that is refused spoils no other group. Raises
        LoadingError or BrokenKeyError when the server took nothing.
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

        def read(reply: Reply) -> list[Result]:
            answers = zip(after_ok(reply, self._errors), groups, strict=True)
            return [_result(answer, len(group.check_ins)) for answer, group in answers]

        return Call(RECEIVE, keys, arguments, read)


def _result(answer: list[Reply], count: int) -> Result:
    word = answer.pop(0)
    if word == b"ALL":
        return Result(answer, accepted=count)
    if word in _REFUSALS:
        return Result([_REFUSALS[word](*answer)] * count)
    outcomes = [outcome if isinstance(outcome, bytes) else _refusal(outcome) for outcome in answer]
    accepted = sum(isinstance(outcome, bytes) for outcome in outcomes)
    return Result(outcomes, replayed=word == b"REPLAYED", accepted=accepted)


def _refusal(words: list[bytes]) -> FootfallError:
    return _REFUSALS[words[0]](*words[1:])


def _duplicate(first: bytes) -> DuplicateError:
    return DuplicateError(f"the user has just checked in at this location, with entry {first.decode()}")


_broken = broken()
#: why a check-in was refused, or a whole group
_REFUSALS: dict[bytes, Callable[..., FootfallError]] = {
    b"UNKNOWN_USER": lambda: UnknownUserError("there is no such user"),
    b"UNKNOWN_LOCATION": lambda: UnknownLocationError("there is no such location"),
    b"DUPLICATE": _duplicate,
    b"FULL": lambda: BacklogFullError("the backlog is full: processing is behind"),
    b"MISMATCH": lambda: KeyReusedError("the Idempotency-Key was used for another request"),
    b"BROKEN": _broken,
}
