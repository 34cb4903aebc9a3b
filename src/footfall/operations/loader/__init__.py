"""Loading the sample or one's own data. All of the input is checked before anything is written.

Users and locations can be loaded at any time, also again: their counters move by the difference, and what check-ins
have counted stays. Loading check-ins replaces the stream and takes all counters back to what was loaded, or adds to it.
Whatever would be lost is said in numbers, and lost only when that was asked for and confirmed.
"""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rich.progress import Progress

from footfall import sample
from footfall.config import SETTINGS, Settings
from footfall.errors import RefusedError, UnavailableError, UsageError, reply_error
from footfall.keys import Keys
from footfall.logs import log
from footfall.operations.loader.bad_rows import BadRowsError
from footfall.operations.loader.checkins import CheckIns
from footfall.operations.loader.lease import Lease, check_types
from footfall.operations.loader.present import Present, look, missing
from footfall.operations.loader.recognise import STDIN
from footfall.operations.loader.removed import NAMED, removed_ids
from footfall.operations.loader.reset import find
from footfall.operations.loader.rows import Rows, What, read
from footfall.operations.loader.stream import Confirm, begin, finish, require_ready, stage, switch
from footfall.operations.loader.stream import abort as abort_load
from footfall.operations.loader.write_records import location_keys, user_keys, write_locations, write_users
from footfall.process.terminal import Bars
from footfall.store.calls.load import LoadLeaseLostError, Mode, mark_sample

__all__ = ["BadRowsError", "LoadLeaseLostError", "LoadOptions", "Loaded", "What", "abort", "load"]

#: bcrypt's least: everybody knows the sample's password anyway
_SAMPLE_BCRYPT_COST = 4


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """Where rows come from, a file or the sample, and what becomes of what is there."""

    #: the file; `-` is standard input
    source: Path | None = None
    sample: bool = False
    #: check-ins that come after the newest one are added, and none is replaced
    append: bool = False
    #: check-ins that are there, and what they have counted, are dropped
    replace: bool = False
    #: as `replace`; and the sample may take the place of other users, locations and check-ins
    reset: bool = False
    unknown_becomes_dead_letters: bool = False


@dataclass(frozen=True)
class Loaded:
    """How many of each were loaded, and what was not."""

    users: int
    locations: int
    checkins: int
    #: in words: `2 users that were removed for good (4, 7)`
    skipped: tuple[str, ...] = ()


def load(
    what: What,
    options: LoadOptions,
    settings: Settings,
    client: Redis,
    *,
    confirm: Confirm,
    progress: Progress | None,
) -> Loaded:
    """Load the file that `options` name, or the sample.

    `confirm(prompt)` is asked before anything is dropped or overwritten (`replace` or `reset`). A load that was
    killed is finished by loading again, or ended by `abort`. `client` must answer bytes.

    Raises UsageError; BadRowsError, with nothing written; RefusedError; BrokenKeyError; LoadLeaseLostError;
    UnavailableError.
    """
    _require_one_source(what, options)
    keys, bars = Keys(settings.server.prefix), Bars(progress)
    with _server_errors():
        check_types(client, keys, [keys.loader_lease])
        if not (options.reset or options.replace):  # these create it again
            check_types(client, keys, [keys.meta])
        with Lease(client, keys) as lease:
            _finish_switched(lease, bars)
            there = look(client, keys)
            if options.sample and there.is_other:
                _require_place_for_sample(client, keys, what, options, there, confirm)
                confirm = _yes  # all that is lost was said
            rows = read(what, options.source, client, keys, bars)
            check_types(client, keys, user_keys(keys, rows.users))
            check_types(client, keys, location_keys(keys, rows.locations))
            if what in ("checkins", "all"):
                _check_check_ins(what, options, settings, client, keys, rows, there)
                find(client, keys)  # what a reset could not write is found before anything is changed
                if not (options.reset or options.replace):
                    check_types(client, keys, [keys.staging, keys.dead_letters, keys.discarded])
                begin(lease, rows.check_ins, _command(what, options, settings), mode=_mode(options), confirm=confirm)
            else:
                require_ready(lease)
            return _write(what, options, settings, lease, rows, bars, there)


def abort(settings: Settings, client: Redis, *, progress: Progress | None) -> str:
    """End a load of check-ins that was killed: everything is as before it, unless it has switched; then it is finished.

    What was done, for a person. Raises RefusedError when there is none, or it still runs; and as `load`.
    """
    keys = Keys(settings.server.prefix)
    with _server_errors():
        check_types(client, keys, [keys.loader_lease, keys.meta])
        with Lease(client, keys) as lease:
            there = look(client, keys)
            command = there.load.command if there.load else "footfall load checkins"
            done = abort_load(lease)
            if done == "as before":
                return (
                    f"Aborted `{command}`: all check-ins are there as before it, and what they have counted. Users and "
                    "locations that it had loaded stay."
                )
            if done == "rebuilt":
                return f"Aborted `{command}`. The metadata was broken before it: `footfall status` tells what is wrong."
            _finish_switched(lease, Bars(progress))
            return f"`{command}` had put its check-ins in place already, and is finished: only the rest was left to do."


# --- private


def _yes(_prompt: str) -> bool:
    return True


def _require_one_source(what: What, options: LoadOptions) -> None:
    """Raise UsageError unless the command line says what is loaded, and what becomes of what is there."""
    path, of_sample = options.source, options.sample
    if what == "all" and path is not None:
        raise UsageError(
            "`load all` loads the sample; a file of your own holds one kind: load users, locations or checkins"
        )
    if path is None and not of_sample:
        raise UsageError(f"say what to load: `--sample`{'' if what == 'all' else ', or `--from FILE`'}")
    if path is not None and of_sample:
        raise UsageError("--from and --sample exclude each other")
    if options.append and (of_sample or options.replace or options.reset):
        raise UsageError("--append goes with --from, and with neither --replace nor --reset")
    if what in ("users", "locations") and (options.append or options.replace):
        raise UsageError(f"--append and --replace are for check-ins; {what} are added, or replaced by id, in any case")


def _mode(options: LoadOptions) -> Mode:
    if options.append:
        return "append"
    return "drop" if options.replace or options.reset else "keep"


def _command(what: What, options: LoadOptions, settings: Settings) -> str:
    """What was typed, as far as it matters to a load."""
    path = options.source
    source = ["--sample"] if path is None else ["--from", str(path if path == STDIN else path.absolute())]
    switches = ("append", "replace", "reset", "unknown_becomes_dead_letters")  # without --yes: it asks again
    given = [f"--{name.replace('_', '-')}" for name in switches if getattr(options, name)]
    prefix = [] if settings.server.prefix == SETTINGS["prefix"].info.default else ["--prefix", settings.server.prefix]
    return shlex.join(["footfall", "load", what, *source, *given, *prefix])


def _finish_switched(lease: Lease, bars: Bars) -> None:
    """Finish a load that was killed after its switch: nothing else can be done with it."""
    there = look(lease.client, lease.keys)
    if there.switched:
        command = there.load.command if there.load else "a load of check-ins"
        log.warning("`%s` was interrupted when its check-ins were in place already: finishing it first.", command)
        finish(lease, append=there.switched == "append", bar=bars.bar)


def _require_place_for_sample(
    client: Redis, keys: Keys, what: What, options: LoadOptions, there: Present, confirm: Confirm
) -> None:
    """Raise RefusedError unless it was asked for, and confirmed, that the sample takes the place of other data."""
    users = [(row.id, keys.user(row.id)) for row in sample.users()] if what in ("users", "all") else []
    locations = [(row.id, keys.location(row.id)) for row in sample.locations()] if what in ("locations", "all") else []
    overwritten = len(users) - len(missing(client, users)), len(locations) - len(missing(client, locations))
    lost = (
        f"The server holds other data than the sample: {there.users:,} users, {there.locations:,} locations and "
        f"{there.checkins:,} check-ins. {overwritten[0]:,} users and {overwritten[1]:,} locations have ids of the "
        "sample and would be overwritten"
        + (", and all check-ins with what they have counted would be lost." if what in ("checkins", "all") else ".")
    )
    if not options.reset:
        raise RefusedError(
            f"{lost} Nothing was changed. --reset puts the sample in their place; for your own data: --from"
        )
    if not confirm(lost):
        raise RefusedError("not confirmed; nothing was changed")


def _check_check_ins(
    what: What, options: LoadOptions, settings: Settings, client: Redis, keys: Keys, rows: Rows, there: Present
) -> None:
    """Raise RefusedError when check-ins would become dead letters unasked; say what will be trimmed."""
    check_ins = rows.check_ins
    if what == "checkins":
        _require_known(options, settings, client, keys, check_ins)
    in_all = len(check_ins) + (there.length if options.append else 0)
    if in_all > settings.checkins.retain:
        log.warning(
            "%s check-ins will be there; of the processed ones a processor keeps %s (retain), and trims the others. "
            "Then `footfall verify` compares sums only, and `footfall rebuild` is not possible. To keep all, start "
            "processors with --retain %d (FOOTFALL_RETAIN).",
            *(f"{in_all:,}", f"{settings.checkins.retain:,}", in_all),
        )


def _require_known(options: LoadOptions, settings: Settings, client: Redis, keys: Keys, check_ins: CheckIns) -> None:
    removed_users = check_ins.users & removed_ids(client, keys.users_removed)
    removed_locations = check_ins.locations & removed_ids(client, keys.locations_removed)
    if settings.checkins.unknown_ids == "create":
        users, locations = removed_users, removed_locations
    else:
        users = missing(client, ((one, keys.user(one)) for one in check_ins.users))
        locations = missing(client, ((one, keys.location(one)) for one in check_ins.locations))
    unknown = check_ins.of_unknown(users, locations) if users or locations else 0
    if not unknown:
        return
    text = (
        f"{unknown:,} of {len(check_ins):,} check-ins are of users or at locations that are not loaded "
        f"({len(users):,} users{_such_as(users)}, {len(locations):,} locations{_such_as(locations)})"
    )
    removed = (
        f" Of these, {len(removed_users):,} users and {len(removed_locations):,} locations were removed for good: what "
        "names them can only become dead letters."
        if removed_users or removed_locations
        else ""
    )
    if not options.unknown_becomes_dead_letters:
        raise RefusedError(
            f"{text} and would become dead letters; nothing was changed.{removed} Load users and locations first; or "
            "give --unknown-becomes-dead-letters, and `footfall dead-letters retry` counts them when they are loaded"
        )
    log.warning("%s; they become dead letters.%s", text, removed)


def _such_as(ids: Iterable[int]) -> str:
    some = sorted(ids)[:NAMED]
    return f", such as {', '.join(map(str, some))}" if some else ""


def _write(
    what: What, options: LoadOptions, settings: Settings, lease: Lease, rows: Rows, bars: Bars, there: Present
) -> Loaded:
    users = locations = dropped = 0
    if options.sample and not there.is_other and not there.is_sample:
        lease.run(mark_sample, (0, 0))
    elif options.source is not None and (rows.users or rows.locations):
        lease.run(mark_sample, None)
    cost = settings.auth.bcrypt_cost if options.source else _SAMPLE_BCRYPT_COST
    if what in ("users", "all"):
        advance = bars.bar("users", len(rows.users))
        users = write_users(lease, rows.users, rows.removed_users, bcrypt_cost=cost, advance=advance)
    if what in ("locations", "all"):
        advance = bars.bar("locations", len(rows.locations))
        locations = write_locations(lease, rows.locations, rows.removed_locations, advance=advance)
    if what in ("checkins", "all"):
        stage(lease, rows.check_ins, advance=bars.bar("check-ins", len(rows.check_ins)))
        switch(lease, len(rows.check_ins), append=options.append, is_sample=options.sample)
        dropped = finish(lease, append=options.append, bar=bars.bar)
    if what == "all":  # in the place of others that had the same ids, it may be all that there is
        lease.run(mark_sample, (users, locations))
    skipped = [str(one) for one in rows.skipped]
    if dropped:
        skipped.append(f"{dropped:,} check-ins that come before what another program has added")
    return Loaded(users, locations, len(rows.check_ins) - dropped, tuple(skipped))


@contextmanager
def _server_errors() -> Iterator[None]:
    """redis-py's errors as Footfall's."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, BusyLoadingError) as error:
        raise UnavailableError(f"the server cannot be reached: {error}") from error
    except ResponseError as error:
        code = getattr(error, "status_code", None)  # redis-py cuts the codes that it knows off the message
        raise reply_error(f"{code} {error}" if code else str(error)) from error
