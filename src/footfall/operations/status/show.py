"""The status on a screen, for a person or for a machine."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec
from redis import Redis
from rich.console import Console
from rich.text import Text

from footfall.config import Settings
from footfall.operations.status.collect import collect
from footfall.operations.status.document import LeaseStatus, Status
from footfall.operations.status.rates import Rates


def show(client: Redis, settings: Settings, console: Console, *, as_json: bool) -> None:
    """Print the status once. Raises RedisError when the server cannot be reached."""
    status = collect(client, settings)
    if as_json:
        print(msgspec.json.encode(status).decode())
    else:
        render(status, console)


def render(status: Status, console: Console) -> None:
    """Print the status for a person."""
    print_lines(lines(status), console)


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


def print_lines(texts: Iterable[Text], console: Console) -> None:
    """Print lines, each as long as it is."""
    for text in texts:
        console.print(text, highlight=False, soft_wrap=True)


# --- private


def _rate(per_second: float | None) -> str | None:
    return None if per_second is None else f"{per_second:,.1f} per second"


def _lease(lease: LeaseStatus) -> str:
    if not lease.held:
        return "free"
    return f"held by {lease.holder}" + (f" for {lease.ttl_ms / 1000:.1f} s" if lease.ttl_ms is not None else "")
