"""Loading check-ins into the stream: begin, stage, switch, and what is left to do then.

Until the switch nothing that is there is touched: a load that was killed can be run again, or aborted. After it, it can
only be finished, by anybody: whoever loads or aborts next does it.
"""

import os
import socket
from collections.abc import Callable
from typing import Literal

import msgspec
from redis import Redis
from redis.exceptions import ResponseError

from footfall.errors import BrokenKeyError, LoadingError, RefusedError
from footfall.logs import log
from footfall.operations.loader.checkins import CheckIns
from footfall.operations.loader.lease import Lease
from footfall.operations.loader.present import LoadInfo, load_info
from footfall.operations.loader.reset import find, reset
from footfall.store.calls.load import (
    Mode,
    Older,
    Present,
    abort_load,
    append_staged,
    begin_load,
    finish_load,
    stage_checkins,
    switch_load,
)
from footfall.store.calls.metadata import OtherMetadataError
from footfall.store.metadata import position

#: check-ins per call of a script: about 3 ms of the server's time
CHUNK = 500

#: more check-ins than there can be
_ANY = 2**53

Confirm = Callable[[str], bool]
Advance = Callable[[int], None]


def require_ready(lease: Lease) -> None:
    """Raise RefusedError while the state is `loading`, and BrokenKeyError when the metadata cannot be trusted."""
    try:
        position(lease.client, lease.keys)
    except LoadingError:
        info = load_info(lease.client.hget(lease.keys.meta.decode(), "load"))  # type: ignore[arg-type]
        raise RefusedError(f"a load of check-ins was interrupted; first {ways_out(info)}") from None


def ways_out(info: LoadInfo | None) -> str:
    """What to do about a load that was killed."""
    again = f"run it again (`{info.command}`)" if info else "run it again"
    return f"{again}, or end it with `footfall load --abort`"


def begin(lease: Lease, check_ins: CheckIns, command: str, *, mode: Mode, confirm: Confirm) -> None:
    """Make receivers refuse and processors stand by.

    Raises RefusedError when check-ins would be lost that `mode` says to keep, or without a confirmation, and when those
    to append do not come after them. Metadata that cannot be trusted is no hindrance when all is dropped: it is
    created again.
    """
    lost = None
    try:
        position(lease.client, lease.keys)
    except LoadingError:
        pass  # a load was killed: this one takes over
    except OtherMetadataError:
        raise
    except BrokenKeyError as error:
        if mode != "drop":
            raise
        lost = f"{error}\nAll check-ins on the server, and what they have counted, will be lost."
    first = check_ins.first_id
    as_json = msgspec.json.encode(LoadInfo(command, socket.gethostname(), os.getpid(), _now_ms(lease.client)))
    if mode == "append":
        there = lease.run(begin_load, as_json, "append", b"%d-%d" % first)
        if isinstance(there, Older):
            raise RefusedError(
                f"the first check-in, {first[0]}-{first[1]}, does not come after the newest one on the server, "
                f"{there.newest.decode()}; only later ones can be appended; nothing was changed"
            )
        return
    if lost is not None and not confirm(lost):
        raise RefusedError("not confirmed; nothing was changed")
    mode_now: Mode = "keep" if lost is None else "drop"
    there = lease.run(begin_load, as_json, mode_now, b"%d" % _ANY)
    while isinstance(there, Present):  # again when some have come while the question was open
        loaded, received = there
        count = loaded + received
        lost = (
            f"{_check_ins(count)} on the server ({loaded:,} loaded, {received:,} received since), and what they have "
            "counted, will be lost."
        )
        if mode == "keep":
            raise RefusedError(
                f"{lost} Nothing was changed. --replace drops them; --append adds later check-ins, and drops none"
            )
        if not confirm(lost):
            raise RefusedError("not confirmed; nothing was changed")
        there = lease.run(begin_load, as_json, "drop", b"%d" % count)


def _check_ins(number: int) -> str:
    return "1 check-in" if number == 1 else f"{number:,} check-ins"


def stage(lease: Lease, check_ins: CheckIns, *, advance: Advance) -> None:
    """Write the check-ins to the staging stream."""
    last = b"0-0"
    for chunk in check_ins.chunks(CHUNK):
        lease.run(stage_checkins, last, chunk)
        last = chunk[-4]  # type: ignore[assignment]
        advance(len(chunk) // 4)


def switch(lease: Lease, count: int, *, append: bool, is_sample: bool = False) -> None:
    """Let the `count` staged check-ins be the stream, with nothing of it processed, or be about to be added to it."""
    groups = [] if append else _groups(lease)
    now_ms = _now_ms(lease.client)
    lease.run(switch_load, count, append=append, is_sample=is_sample, now_ms=now_ms)
    if groups:
        log.warning(
            "The stream was replaced; its consumer groups went with it and must be made again: %s.",
            ", ".join(groups),
        )


def finish(lease: Lease, *, append: bool, bar: Callable[[str, int | None], Advance]) -> int:
    """Do what is left to do after the switch: take the counters back, or add what is staged; then all goes on.

    How many staged check-ins could not be added, since another program had added entries; that is said.
    """
    keys, dropped = lease.keys, 0
    if append:
        advance = bar("adding", lease.client.xlen(keys.staging.decode()))
        while True:
            moved = lease.run(append_staged, CHUNK)
            if not moved.entries:
                break
            advance(moved.entries)
            dropped += moved.dropped
        if dropped:
            log.error(
                "%s come before what another program has added to %s meanwhile, and were left out: they cannot be "
                "added behind it.",
                *(_check_ins(dropped), keys.stream.decode()),
            )
    else:
        users, locations = find(lease.client, keys)
        reset(lease, users, locations, advance=bar("counters", len(users) + len(locations)))
    lease.run(finish_load)
    return dropped


def abort(lease: Lease) -> Literal["as before", "rebuilt", "switched"]:
    """End a load that was killed, unless it has switched.

    `rebuilt`: all is as before but for broken metadata, which the load has rebuilt. Raises RefusedError when there is
    none.
    """
    outcome = lease.run(abort_load)
    if outcome == "none":
        raise RefusedError("no load of check-ins was interrupted; nothing was changed")
    return outcome


def _now_ms(client: Redis) -> int:
    seconds, microseconds = client.time()
    return int(seconds * 1000 + microseconds // 1000)


def _groups(lease: Lease) -> list[str]:
    try:
        groups = lease.client.xinfo_groups(lease.keys.stream)
    except ResponseError:  # there is no stream, or something else has its place
        return []
    return [group["name"].decode(errors="replace") for group in groups]
