"""A small system to audit: loaded records, and a stream of which a part is processed."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from chaos.scene import add, load_records
from footfall import config
from footfall.keys import Keys
from footfall.operations import dead_letters
from footfall.operations.audit.limits import Retries, Sizes
from footfall.operations.audit.reader import SnapshotReader
from footfall.operations.audit.rebuild import rebuild
from footfall.operations.audit.rebuild_report import Rebuilt
from footfall.operations.audit.verify import verify
from footfall.operations.audit.verify_report import Report
from footfall.processor.batch import Batch
from footfall.processor.calls import Calls
from footfall.store.calls import stream
from footfall.store.calls.metadata import Position
from footfall.store.metadata import open_metadata
from footfall.store.pipeline import Argument, Reply
from footfall.store.scripts import READ_USERS, Call
from pipelines import connected_to
from servers import Server

KEYS = Keys("ncc")
FIRST_MS = 1_600_000_000_000
#: ids of the entries that `prepare` writes
E1, E2, E3, E4, E5, E6 = (f"{FIRST_MS + number}-0" for number in range(1, 7))


def prepare(server: Server, client: Any) -> None:
    """Users 1 to 40, locations 1 to 12, and six entries: the last is unprocessed.

    User 1 has two check-ins, user 2 one. Entry 3 is a dead letter, since nobody has loaded user 99, and so is 4, which
    is malformed.
    """
    load_records(client)
    add(client, 1, 2, 5, E1)
    add(client, 2, 2, 3, E2)
    add(client, 99, 2, 1, E3)
    client.execute_command("XADD", "ncc:checkins", E4, "locationId", "2", "userId", "no", "starRating", "1")
    add(client, 1, 3, 4, E5)
    process(server)
    add(client, 3, 3, 0, E6)


def process(server: Server, *, most: int = 1000, create: bool = False) -> None:
    """Apply what is after the checkpoint, so many entries at most."""

    async def apply() -> None:
        async with connected_to(server.url) as connection:
            position = await open_metadata(connection, KEYS)
            page = await connection.call("XRANGE", KEYS.stream, b"(" + position.checkpoint, "+", "COUNT", most)
            if page:
                calls = Calls(connection, position)
                calls.send(calls.prepare(Batch(page, KEYS, create=create)))
                await calls.finish_oldest()

    asyncio.run(apply())


def trim(client: Any, retain: int) -> int:
    """Trim the stream as a processor does, to so many processed entries; how many were removed."""
    return stream.trim(KEYS, retain=retain, most=1000, for_groups=0).run_sync(client).removed


def count_lost(client: Any) -> int:
    """Look for entries that others have removed unprocessed, as a processor does."""
    position = Position(client.get(KEYS.checkpoint), client.hget(KEYS.meta, "generation"))
    return stream.count_lost(KEYS, position).run_sync(client)


class EventfulReader(SnapshotReader):
    """A reader during which something happens, at one of these moments."""

    def __init__(
        self,
        client: Any,
        *,
        before_read: Callable[[], None] | None = None,
        before_users: Callable[[int], None] | None = None,
        after_fields: Callable[[str], None] | None = None,
        sizes: Sizes | None = None,
        retries: Retries | None = None,
    ) -> None:
        """`before_read`: before each transaction. `before_users`: before a page of users, with the first id.

        `after_fields`: after fields of records were read without a snapshot, with the first field's name.
        """
        super().__init__(client, KEYS, sizes=sizes, retries=retries)
        self._before_read, self._before_users, self._after_fields = before_read, before_users, after_fields

    def with_snapshot(self, *command: Argument) -> tuple[Any, Reply]:
        if self._before_read:
            self._before_read()
        return super().with_snapshot(*command)

    def read(self, call: Call[Any]) -> tuple[Any, Any]:
        if self._before_users and call.script is READ_USERS:
            self._before_users(int(call.arguments[0]))
        return super().read(call)

    def fields(self, keys: Any, *names: str) -> list[list[bytes]]:
        found = super().fields(keys, *names)
        if self._after_fields:
            self._after_fields(names[0])
        return found


def small_sizes(rng: random.Random) -> Sizes:
    """Little at once, so that much happens in between."""
    return Sizes(
        scanned=rng.randint(1, 30),
        entries=rng.randint(20, 60),  # more than is added meanwhile, or there would be no end
        dead_letters=rng.randint(1, 5),
        compared=rng.randint(1, 12),
        rebuilt=rng.randint(1, 12),
        between=rng.randint(30, 100),
    )


def verified(client: Any, reader: SnapshotReader | None = None) -> Report:
    """What verifying finds."""
    return verify(reader or SnapshotReader(client, KEYS), None)


def noted(client: Any) -> Report:
    """What verifying finds, and notes of entries that are gone, without a question."""
    return verify(SnapshotReader(client, KEYS), None, note_gone=True, confirm=lambda _prompt: True)


def found(report: Report) -> set[tuple[str, str | None, str | None, str | None]]:
    """Key, part, what is there, what must be, of each difference."""
    return {(one.key, one.part, one.found, one.wanted) for one in report.shown}


def assert_sound(client: Any, proof: str = "records", reader: SnapshotReader | None = None) -> Report:
    """Nothing differs, by this proof."""
    report = verified(client, reader)
    assert not report.differences, "\n".join(map(str, report.shown))
    assert report.proof == proof
    return report


def rebuilt(client: Any, reader: SnapshotReader | None = None, *, without_gone: bool = False) -> Rebuilt:
    """What rebuilding does, without a question."""
    reader = reader or SnapshotReader(client, KEYS)
    return rebuild(reader, without_gone=without_gone, confirm=lambda _prompt: True, progress=None)


def settle_dead_letters(client: Any, action: str, **options: Any) -> None:
    """Retry or discard all dead letters."""
    from rich.progress import Progress  # noqa: PLC0415

    settings = config.load(options)
    with Progress(disable=True) as bars:
        if action == "retry":
            dead_letters.retry(client, settings, bars)
        else:
            dead_letters.discard(client, settings, bars, lambda _prompt: True)
