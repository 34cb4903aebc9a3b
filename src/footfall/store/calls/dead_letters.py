"""Dead letters applied after all, or discarded: retry_dead_letters.lua and so on.

Those that are about a generation raise FencedError when the stream was replaced, LoadingError while data is being
loaded, TornError after a batch that was applied in part, BrokenKeyError; nothing was changed then.
"""

from collections.abc import Sequence
from typing import Any

from footfall.config import ActivitySettings
from footfall.domain.activity import BUCKET_MS, HOUR_MS
from footfall.domain.entries import Fields, Reason, ms_of
from footfall.keys import Keys
from footfall.store.calls.reply import Errors, FencedError, after_ok, broken, loading, torn
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import DISCARD_DEAD_LETTERS, FORGET_DISCARDED, RETRY_DEAD_LETTERS, Call

#: a dead letter's id, the entry's id, and what the entry holds
Letter = tuple[bytes, bytes, Fields | Reason]


def retry(
    keys: Keys, generation: bytes, letters: Sequence[Letter], *, unknown_ids: str, activity: ActivitySettings
) -> Call[list[bytes]]:
    """Apply dead letters, one after the other, and remove them; those that still cannot be applied stay.

    Of each: APPLIED, GONE (another has retried or discarded it), or the reason for which it stays. Fewer than `letters`
    when some took long: the rest is left. `unknown_ids`: the setting.
    """
    script_keys = [
        keys.dead_letters,
        keys.meta,
        keys.stream,
        keys.checkpoint,
        keys.users_by_checkins,
        keys.users_recent,
        keys.users_last_seen,
        keys.locations_by_checkins,
        keys.users_removed,
        keys.locations_removed,
        keys.trending_state,
        *keys.trending_orders,
    ]
    arguments: list[Argument] = [generation, unknown_ids, activity.history]
    arguments += map(int, (activity.presence, activity.hourly, activity.trending))
    for letter_id, entry_id, found in letters:
        if isinstance(found, Reason):
            arguments += (letter_id, entry_id, found.value, b"", b"", b"")
            continue
        location, user, stars = found
        ms = ms_of(entry_id)
        script_keys += (
            *(keys.user(user), keys.location(location), keys.user_history(user), keys.location_history(location)),
            *(keys.location_presence(location), keys.hour(ms // HOUR_MS), keys.trending_bucket(ms // BUCKET_MS)),
        )
        arguments += (letter_id, entry_id, b"", user, location, stars)
    return Call(RETRY_DEAD_LETTERS, script_keys, arguments, lambda reply: after_ok(reply, _ERRORS))


def discard(keys: Keys, generation: bytes, letters: Sequence[tuple[bytes, bytes, str]]) -> Call[int]:
    """Remove dead letters, each by its id, the entry's id (empty when it is none of ours) and the reason; how many.

    The entries are remembered: they are never counted.
    """
    arguments: list[Argument] = [generation]
    for letter in letters:
        arguments += letter
    return Call(DISCARD_DEAD_LETTERS, [keys.dead_letters, keys.discarded, keys.meta], arguments, _number)


def forget_discarded(keys: Keys, entry_ids: Sequence[bytes]) -> Call[int]:
    """Forget those of these discarded entries that the stream no longer has; how many. Never raises BrokenKeyError."""
    return Call(FORGET_DISCARDED, [keys.discarded, keys.stream, keys.meta], entry_ids, _number)


def _fenced() -> FencedError:
    return FencedError("check-ins were loaded meanwhile; the dead letters of the old ones are gone with them")


_ERRORS: Errors = {
    b"FENCED": _fenced,
    b"LOADING": loading,
    b"TORN": torn,
    b"BROKEN": broken("is missing or does not hold what it must; see `footfall status`"),
}


def _number(reply: Reply) -> Any:
    return after_ok(reply, _ERRORS)[0]
