"""The status on a screen or for a machine: once, or again and again."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
from redis import Redis
from redis.exceptions import RedisError
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from footfall.config import Settings
from footfall.errors import clause
from footfall.operations.status.collect import collect
from footfall.operations.status.document import LeaseStatus, Status
from footfall.process.signals import Terminated
from footfall.store.address import parse

#: seconds from one look to the next; where a look takes long, the server gets more time in between
_EVERY_S = 1.0
_PAUSES_PER_LOOK = 4


class Rates(msgspec.Struct, rename="camel", kw_only=True):
    """Entries per second since the look before; None when there was none, or the stream was replaced since."""

    added_per_s: float | None = None
    processed_per_s: float | None = None


def show(client: Redis, settings: Settings, console: Console, *, as_json: bool) -> None:
    """Print the status once. Raises RedisError when the server cannot be reached."""
    status = collect(client, settings)
    if as_json:
        print(msgspec.json.encode(status).decode())
    else:
        render(status, console)


def watch(client: Redis, settings: Settings, console: Console, *, as_json: bool) -> None:
    """Show the status again and again until Ctrl-C or SIGTERM: in place on a terminal, else one after the other.

    An outage is shown and waited for. Raises RedisError when the server cannot be reached in the first place.
    """
    with contextlib.suppress(KeyboardInterrupt, Terminated):
        if as_json:
            for look in _looks(client, settings):
                print(_as_json(look), flush=True)
        elif console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                for look in _looks(client, settings):
                    live.update(Group(*_lines_of(look)), refresh=True)
        else:
            for look in _looks(client, settings):
                _print([*_lines_of(look), Text()], console)


def render(status: Status, console: Console) -> None:
    """Print the status for a person."""
    _print(lines(status), console)


def lines(status: Status, rates: Rates | None = None) -> Iterator[Text]:
    """The status for a person, line by line."""
    server, waited = status.server, status.oldest_unprocessed_ms
    rows: dict[str, str | int | None] = {
        "server": f"{server.kind} {server.version}",
        "memory": f"{server.used_memory_human or '?'}, maxmemory-policy {server.max_memory_policy or '?'}",
        "append-only file": None if server.append_only is None else "on" if server.append_only else "off",
        "state": status.state,
        "generation": status.generation,
        "stream length": status.stream_length,
        "newest entry": status.newest_entry,
        "checkpoint": status.checkpoint,
        "processed": status.processed,
        "backlog": status.backlog,
        "oldest unprocessed": None if waited is None else f"waits for {timedelta(seconds=waited // 1000)}",
        "lost entries": status.lost_entries,
        "lease": _lease(status.lease),
        "users": status.users,
        "locations": status.locations,
        "dead letters": sum(status.dead_letters.values()),
    }
    if rates is not None:
        rows["entries in"] = _rate(rates.added_per_s)
        rows["entries out"] = _rate(rates.processed_per_s)
    for name, value in rows.items():
        yield Text(f"{name:<20}{f'{value:,}' if isinstance(value, int) else value or '-'}")
        if name == "dead letters":
            for reason, count in status.dead_letters.items():
                yield Text(f"{'':<20}{count:,} {reason}")
    for text in status.warnings:
        yield Text(f"warning: {text}", "yellow")
    for text in status.problems:
        yield Text(f"problem: {text}", "red")


# --- private

#: a status with its rates, or why there is none
_Look = tuple[Status, Rates] | str


def _looks(client: Redis, settings: Settings) -> Iterator[_Look]:
    before: tuple[float, Status] | None = None
    while True:
        begun = time.monotonic()
        try:
            status = collect(client, settings)
        except RedisError as error:
            if before is None:
                raise
            server = parse(settings.server_url)
            yield f"the server at {server} cannot be used: {clause(error)}; trying until it is there"
        else:
            yield status, Rates() if before is None else _rates(before[1], status, begun - before[0])
            before = begun, status
        took = time.monotonic() - begun
        time.sleep(max(_EVERY_S - took, _PAUSES_PER_LOOK * took))


def _rates(before: Status, now: Status, seconds: float) -> Rates:
    if before.generation != now.generation:
        return Rates()
    return Rates(
        added_per_s=_per_second(_added(before), _added(now), seconds),
        processed_per_s=_per_second(before.processed, now.processed, seconds),
    )


def _added(status: Status) -> int | None:
    return None if status.processed is None or status.backlog is None else status.processed + status.backlog


def _per_second(before: int | None, now: int | None, seconds: float) -> float | None:
    return None if before is None or now is None or now < before else round((now - before) / seconds, 1)


def _rate(per_second: float | None) -> str | None:
    return None if per_second is None else f"{per_second:,.1f} per second"


def _lease(lease: LeaseStatus) -> str:
    if not lease.held:
        return "free"
    return f"held by {lease.holder}" + (f" for {lease.ttl_ms / 1000:.1f} s" if lease.ttl_ms is not None else "")


def _as_json(look: _Look) -> str:
    document: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")}
    if isinstance(look, str):
        document["error"] = look
    else:
        for part in look:
            document |= msgspec.to_builtins(part)
    return msgspec.json.encode(document).decode()


def _lines_of(look: _Look) -> list[Text]:
    return [Text(f"error: {look}", "red")] if isinstance(look, str) else list(lines(*look))


def _print(texts: list[Text] | Iterator[Text], console: Console) -> None:
    for text in texts:
        console.print(text, highlight=False, soft_wrap=True)
