"""Dead letters, for an operator: listed, applied after all, or discarded for good.

All of it works page by page, so memory stays flat, and each page is one script call, so any of it may be killed at any
moment, and run again.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple, cast

import msgspec
from redis import Redis
from rich.progress import Progress

from footfall.config import Settings
from footfall.domain.entries import Reason, ms_of, read
from footfall.domain.model import MAX_TIME_MS
from footfall.errors import BrokenKeyError, RefusedError
from footfall.keys import Keys
from footfall.store.calls import dead_letters as calls
from footfall.store.client import with_plain_entries
from footfall.store.metadata import position
from footfall.store.replies import escaped

#: dead letters read, retried or discarded at once: about 5 ms of the server's time
_PAGE = 100
#: entry ids looked through at once
_IDS = 1000

#: the reason of what is among the dead letters and none of ours
FOREIGN = "?"

_is_entry_id = re.compile(rb"[0-9]{1,20}-[0-9]{1,20}").fullmatch


class DeadLetter(NamedTuple):
    """An entry that was not applied."""

    #: its id among the dead letters: when it became one
    id: bytes
    #: its id in the stream; empty when it is none of ours
    entry_id: bytes
    reason: str
    #: field names and values in turn
    fields: list[bytes]


class Result(msgspec.Struct):
    """What a retry or a discard has done."""

    #: how many are no dead letters any more
    settled: int
    #: reason -> how many stay
    remaining: dict[str, int]


def count(client: Redis, settings: Settings, *, last: bytes = b"+") -> dict[str, int]:
    """How many there are for each reason, the most frequent first; of those up to the id `last`."""
    reasons = Counter(letter.reason for page in _pages(client, settings, last) for letter in page)
    return dict(reasons.most_common())


def listed(client: Redis, settings: Settings, *, reason: Reason | None = None, as_json: bool = False) -> Iterator[str]:
    """A line for each dead letter with the reason (None: with any), oldest first."""
    _check_types(client, Keys(settings.server.prefix))
    line = _json_line if as_json else _line
    for page in _pages(client, settings):
        yield from (line(letter) for letter in _chosen(page, reason))


def retry(client: Redis, settings: Settings, progress: Progress, *, reason: Reason | None = None) -> Result:
    """Apply those with the reason (None: with any) that can be applied by now.

    Each is applied exactly once, whatever is killed or runs beside it.

    Raises LoadingError, BrokenKeyError, UnavailableError.
    """
    keys, applied = Keys(settings.server.prefix), 0
    _check_types(client, keys)
    remaining: Counter[str] = Counter()
    for letters, generation in _work(client, settings, progress, "retrying", _last(client, keys), reason):
        left = [letter for letter in letters if letter.entry_id]
        if foreign := len(letters) - len(left):
            remaining[FOREIGN] += foreign
        while left:
            outcomes = _send_retry(client, settings, left, generation)
            applied += outcomes.count("APPLIED")
            remaining.update(outcome for outcome in outcomes if outcome not in ("APPLIED", "GONE"))
            left = left[len(outcomes) :]
    return Result(applied, dict(remaining.most_common()))


def discard(
    client: Redis,
    settings: Settings,
    progress: Progress,
    confirm: Callable[[str], bool],
    *,
    reason: Reason | None = None,
) -> Result:
    """Remove those with the reason (None: with any) for good. `confirm(prompt)` is asked first.

    Raises RefusedError, LoadingError, BrokenKeyError, UnavailableError.
    """
    keys, discarded = Keys(settings.server.prefix), 0
    _check_types(client, keys)
    last = _last(client, keys)
    prompt = _prompt(count(client, settings, last=last), reason)
    if prompt and not confirm(prompt):
        raise RefusedError("not confirmed; nothing was discarded")
    _forget(client, keys)
    for letters, generation in _work(client, settings, progress, "discarding", last, reason):
        chosen = [(letter.id, letter.entry_id, letter.reason) for letter in letters]
        discarded += calls.discard(keys, generation, chosen).run_sync(client)
    return Result(discarded, {})


def as_json(result: Result) -> str:
    """The result for `--json`."""
    return msgspec.json.encode(result).decode()


def as_text(action: str, result: Result) -> str:
    """The result for a person; `action` is `retry` or `discard`."""
    done = {"retry": "Applied", "discard": "Discarded"}[action]
    rest = "".join(f" {amount:,} cannot be applied: {reason}." for reason, amount in result.remaining.items())
    return f"{done} {_number(result.settled)}.{rest}"


# --- private


def _check_types(client: Redis, keys: Keys) -> None:
    """Raise BrokenKeyError when a key of the dead letters is of another type than it must be."""
    for key in (keys.dead_letters, keys.discarded):
        kind = keys.type_of(key)
        found = cast("bytes", client.type(key)).decode()
        if found not in ("none", kind):
            raise BrokenKeyError(f"{key.decode()} is a {found}, not a {kind}; restore it from a backup, or delete it")


def _last(client: Redis, keys: Keys) -> bytes:
    """The id of the newest one; what comes later is left alone."""
    newest: Any = with_plain_entries(client).xrevrange(keys.dead_letters, count=1)
    return cast("bytes", newest[0][0]) if newest else b"0-0"


def _pages(client: Redis, settings: Settings, last: bytes = b"+") -> Iterator[list[DeadLetter]]:
    client = with_plain_entries(client)
    key, start = Keys(settings.server.prefix).dead_letters, b"-"
    while page := cast("list[tuple[bytes, list[bytes]]]", client.xrange(key, start, last, _PAGE)):
        yield [_letter(letter_id, values) for letter_id, values in page]
        start = b"(" + page[-1][0]


def _letter(letter_id: bytes, values: list[bytes]) -> DeadLetter:
    if values[:1] != [b"id"] or values[2:3] != [b"reason"] or not _is_entry_id(values[1]):
        return DeadLetter(letter_id, b"", FOREIGN, values)
    return DeadLetter(letter_id, values[1], escaped(values[3]), values[4:])


def _chosen(page: list[DeadLetter], reason: Reason | None) -> list[DeadLetter]:
    return page if reason is None else [letter for letter in page if letter.reason == reason]


def _work(
    client: Redis, settings: Settings, progress: Progress, description: str, last: bytes, reason: Reason | None
) -> Iterator[tuple[list[DeadLetter], bytes]]:
    """The chosen ones of each page, and the generation to name; a bar shows how far it is."""
    keys = Keys(settings.server.prefix)
    task = progress.add_task(description, total=client.xlen(keys.dead_letters))
    generation = None
    for page in _pages(client, settings, last):
        if generation is None:
            generation = position(client, keys).generation
        if letters := _chosen(page, reason):
            yield letters, generation
        progress.advance(task, len(page))


def _send_retry(client: Redis, settings: Settings, letters: list[DeadLetter], generation: bytes) -> list[str]:
    """What became of the letters, or of the first of them."""
    found = [(letter.id, letter.entry_id, read(letter.entry_id, letter.fields)) for letter in letters]
    keys, activity = Keys(settings.server.prefix), settings.activity
    call = calls.retry(keys, generation, found, unknown_ids=settings.checkins.unknown_ids, activity=activity)
    return [outcome.decode() for outcome in call.run_sync(client)]


def _forget(client: Redis, keys: Keys) -> None:
    """Keep what is remembered of discarded entries no longer than the stream keeps the entries.

    Not of those just discarded: whoever reads the metadata meanwhile must see what became of them.
    """
    ids = (entry_id for entry_id, _ in client.hscan_iter(keys.discarded.decode(), count=_IDS))
    while chunk := list(islice(ids, _IDS)):
        calls.forget_discarded(keys, chunk).run_sync(client)


def _prompt(reasons: dict[str, int], chosen: Reason | None) -> str:
    amounts = {reason: amount for reason, amount in reasons.items() if chosen in (None, reason)}
    if not amounts:
        return ""
    parts = ", ".join(f"{amount:,} {reason}" for reason, amount in amounts.items())
    return f"{_number(sum(amounts.values()))} ({parts}) will be gone, and never be counted."


def _line(letter: DeadLetter) -> str:
    pairs = zip(letter.fields[::2], letter.fields[1::2], strict=True)
    fields = " ".join(f"{escaped(name)}={escaped(value)}" for name, value in pairs)
    entry_id = letter.entry_id.decode() or "-"
    return f"{letter.id.decode()}  {entry_id}  {_time(letter) or '-'}  {letter.reason}  {fields}"


def _json_line(letter: DeadLetter) -> str:
    texts = [text.decode(errors="backslashreplace") for text in letter.fields]
    document = {
        "id": letter.id.decode(),
        "entryId": letter.entry_id.decode() or None,
        "time": _time(letter),
        "reason": letter.reason,
        # pairs, since a name may come twice
        "fields": list(zip(texts[::2], texts[1::2], strict=True)),
    }
    return msgspec.json.encode(document).decode()


def _time(letter: DeadLetter) -> str | None:
    """When it became a dead letter; None when that is no time that a calendar has."""
    ms = ms_of(letter.id)
    if ms > MAX_TIME_MS:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def _number(letters: int) -> str:
    return f"{letters:,} dead letter{'' if letters == 1 else 's'}"
