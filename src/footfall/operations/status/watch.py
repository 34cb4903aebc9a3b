"""The status on a screen or for a machine, again and again."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from redis import Redis
from redis.exceptions import RedisError
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from footfall.config import Settings
from footfall.errors import clause
from footfall.operations.status.collect import collect
from footfall.operations.status.document import Status
from footfall.operations.status.rates import Rates, rates_between
from footfall.operations.status.show import lines, print_lines
from footfall.process.signals import Terminated
from footfall.store.address import parse

#: seconds from one status to the next; where collecting one takes long, the server gets more time in between
_POLL_INTERVAL_S = 1.0
_PAUSES_PER_STATUS = 4


def watch(client: Redis, settings: Settings, console: Console, *, as_json: bool) -> None:
    """Show the status again and again until Ctrl-C or SIGTERM: in place on a terminal, else one after the other.

    An outage is shown and waited for. Raises RedisError when the server cannot be reached in the first place.
    """
    with contextlib.suppress(KeyboardInterrupt, Terminated):
        if as_json:
            for update in _updates(client, settings):
                print(_as_json(update), flush=True)
        elif console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                for update in _updates(client, settings):
                    live.update(Group(*_lines_of(update)), refresh=True)
        else:
            for update in _updates(client, settings):
                print_lines([*_lines_of(update), Text()], console)


# --- private

#: a status with its rates, or why there is none
_Update = tuple[Status, Rates] | str


def _updates(client: Redis, settings: Settings) -> Iterator[_Update]:
    before: tuple[float, Status] | None = None
    while True:
        begun = time.monotonic()
        try:
            status = collect(client, settings)
        except RedisError as error:
            if before is None:
                raise
            server = parse(settings.server.url)
            yield f"the server at {server} cannot be used: {clause(error)}; retrying until it is available"
        else:
            yield status, Rates() if before is None else rates_between(before[1], status, begun - before[0])
            before = begun, status
        took = time.monotonic() - begun
        time.sleep(max(_POLL_INTERVAL_S - took, _PAUSES_PER_STATUS * took))


def _as_json(update: _Update) -> str:
    document: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")}
    if isinstance(update, str):
        document["error"] = update
    else:
        for part in update:
            document |= msgspec.to_builtins(part)
    return msgspec.json.encode(document).decode()


def _lines_of(update: _Update) -> list[Text]:
    return [Text(f"error: {update}", "red")] if isinstance(update, str) else list(lines(*update))
