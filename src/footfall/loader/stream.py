"""Replacing the stream: begin, stage, reset, finish. Killed in between, it is finished by running it again."""

from collections.abc import Callable

from redis.exceptions import ResponseError

from footfall.errors import BrokenKeyError, LoadingError, RefusedError
from footfall.kept import period_keys
from footfall.loader.checkins import CheckIns
from footfall.loader.lease import Lease
from footfall.logs import log
from footfall.store.books import SCHEMA, SHARDS, open_arguments, open_keys, position
from footfall.store.scripts import BEGIN_LOAD, FINISH_LOAD, OPEN, STAGE_CHECKINS

#: check-ins per call of the script: about 3 ms of the server's time
_CHUNK = 500

Confirm = Callable[[str], bool]


def require_ready(lease: Lease) -> None:
    """Raise RefusedError while the state is `loading`, and BrokenKeyError when the books cannot be trusted."""
    try:
        position(OPEN.run_sync(lease.client, open_keys(lease.keys), open_arguments()))
    except LoadingError:
        raise RefusedError(
            "a load of check-ins was interrupted; first run it again: `footfall load checkins` or `footfall load all`"
        ) from None


def begin(lease: Lease, *, reset: bool, confirm: Confirm) -> None:
    """Make receivers refuse and processors stand by.

    Raises RefusedError when check-ins that came through a receiver would be lost without `reset` or without a
    confirmation. Books that cannot be trusted are no hindrance to a reset: it makes them anew.
    """
    lost = None
    reply = OPEN.run_sync(lease.client, open_keys(lease.keys), open_arguments())
    try:
        position(reply)
    except LoadingError:
        pass  # a load was killed: this one takes over
    except BrokenKeyError as error:
        if not reset or reply[0] != b"BROKEN":
            raise
        lost = f"{error}\nAll check-ins on the server, and what they have counted, will be lost."
    if lost is None:
        received = _begin(lease, "keep")
        if not received:
            return
        lost = (
            f"{received} check-ins came through a receiver since the last load; they, and what they have counted, "
            "will be lost."
        )
        if not reset:
            raise RefusedError(f"{lost} With --reset they are dropped.")
    if not confirm(lost):
        raise RefusedError("not confirmed; nothing was changed")
    _begin(lease, "drop")


def _begin(lease: Lease, received: str) -> int:
    """How many check-ins came through a receiver, if that keeps the load from beginning; else 0."""
    keys = lease.keys
    reply = lease.run(BEGIN_LOAD, [keys.meta, keys.stream, keys.staging], [SCHEMA, SHARDS, received])
    return int(reply[1]) if reply[0] == b"RECEIVED" else 0


def stage(lease: Lease, check_ins: CheckIns, *, advance: Callable[[int], None]) -> None:
    """Write the check-ins to the staging stream."""
    last = b"0-0"
    for chunk in check_ins.chunks(_CHUNK):
        lease.run(STAGE_CHECKINS, [lease.keys.staging], [last, *chunk])
        last = chunk[-4]  # type: ignore[assignment]
        advance(len(chunk) // 4)


def finish(lease: Lease, count: int) -> None:
    """Let the `count` staged check-ins be the stream, with nothing of it processed."""
    keys = lease.keys
    groups = _groups(lease)
    seconds, _ = lease.client.time()
    lease.run(
        FINISH_LOAD,
        [
            *(keys.meta, keys.staging, keys.stream, keys.checkpoint, keys.processed, keys.dead_letters, keys.discarded),
            *(keys.trending_state, *keys.trending_orders, *period_keys(keys, 1000 * seconds)),
        ],
        [count],
    )
    if groups:
        log.warning(
            "The stream was replaced; its consumer groups went with it and must be made again: %s.",
            ", ".join(groups),
        )


def _groups(lease: Lease) -> list[str]:
    try:
        groups = lease.client.xinfo_groups(lease.keys.stream)
    except ResponseError:  # there is no stream, or something else has its place
        return []
    return [group["name"].decode(errors="replace") for group in groups]
