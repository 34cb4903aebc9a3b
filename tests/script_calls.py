"""Real calls of every script, each with the data that it was made on: recorded while a small system is used.

So a test can make any of them again, on the same data, as a user with other rights or on another server.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import UNSET

from audit_scene import E1, KEYS, noted, prepare, rebuilt, settle_dead_letters, verified
from chaos.scene import add, load_rows
from footfall import config
from footfall.auth.limits import Attempt, Attempts
from footfall.domain.activity import BUCKET_MS, HOUR_MS
from footfall.domain.documents import LocationChange, UserChange
from footfall.domain.model import CheckIn
from footfall.errors import FootfallError
from footfall.identity import tokens
from footfall.identity.credentials import digest
from footfall.identity.quota import Quota
from footfall.identity.sessions import Sessions
from footfall.operations import loader
from footfall.operations.manage.hash_passwords import PasswordHasher
from footfall.operations.manage.locations import Locations
from footfall.operations.manage.users import Users
from footfall.processor.activity import Trending
from footfall.processor.batch import Batch
from footfall.processor.calls import Calls
from footfall.processor.clock import ServerClock
from footfall.processor.gaps import Gaps
from footfall.processor.lease import Lease
from footfall.store.calls import activity, audit, records, stream
from footfall.store.calls.receive import Group, IdempotencyRecord, Receive, fingerprint
from footfall.store.metadata import open_metadata
from footfall.store.pipeline import Connection, Pipeline
from footfall.store.scripts import Call, Script
from manage_scene import details, new_location, new_user
from pipelines import pipeline_to
from servers import Server

#: what a server holds: each key with its DUMP and its end in ms since 1970, -1 for none
Data = dict[bytes, tuple[bytes, int]]
ACTIVITY = config.load({"history": 20}).activity


@dataclass(frozen=True)
class RecordedCall:
    """A call of a script, and what the server held just before."""

    script: Script
    keys: list[bytes]
    arguments: list[Any]
    before: Data


def held(client: Any) -> Data:
    """Everything that the server holds."""
    found = sorted(client.scan_iter(count=1000))
    pipeline = client.pipeline(transaction=True)
    for key in found:
        pipeline.dump(key)
        pipeline.execute_command("PEXPIRETIME", key)
    replies = pipeline.execute()
    return dict(zip(found, zip(replies[::2], replies[1::2], strict=True), strict=True))


def put_back(client: Any, data: Data) -> Data:
    """Make the server hold just this; what has ended since or would soon ends in a minute. What it holds now."""
    pipeline = client.pipeline(transaction=True)
    pipeline.flushall()
    soon_ms = int(time.time() * 1000) + 60_000
    for key, (dump, end_ms) in data.items():
        pipeline.execute_command("RESTORE", key, max(end_ms, soon_ms) if end_ms > 0 else 0, dump, "ABSTTL")
    pipeline.execute()
    return held(client)


def record(server: Server, client: Any) -> list[RecordedCall]:
    """Use every script; their calls in turn. `client` must answer bytes."""
    with _recorded(client) as calls:
        _use(server, client)
    return calls


@contextmanager
def _recorded(client: Any) -> Iterator[list[RecordedCall]]:
    calls: list[RecordedCall] = []
    run_sync, start = Script.run_sync, Call.start

    def note(script: Script, keys: Any, arguments: Any) -> None:
        as_bytes = [key if isinstance(key, bytes) else key.encode() for key in keys]
        calls.append(RecordedCall(script, as_bytes, list(arguments), held(client)))

    def run_sync_noted(self: Script, *arguments: Any) -> Any:
        note(self, *arguments[1:])
        return run_sync(self, *arguments)

    def start_noted(self: Call[Any], connection: Connection) -> Any:
        note(self.script, self.keys, self.arguments)
        return start(self, connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Script, "run_sync", run_sync_noted)
        patch.setattr(Call, "start", start_noted)
        yield calls


def _use(server: Server, client: Any) -> None:
    prepare(server, client)
    client.xdel("ncc:checkins", E1)
    noted(client)
    kept = {"history": ACTIVITY.history, "now": True, "hourly": True, "trending": True}
    now_ms = int(time.time() * 1000)

    def with_pipeline(work: Any) -> None:
        async def run() -> None:
            async with pipeline_to(server.url) as pipeline:
                await pipeline.connected()
                await work(pipeline)

        asyncio.run(run())

    # check-ins, in batches with what is kept of the newest ones
    add(client, 1, 2, 4, f"{now_ms - HOUR_MS}-0")
    add(client, 77, 2, 4, f"{now_ms - BUCKET_MS}-0")
    with_pipeline(lambda pipeline: _process(pipeline, 2))
    with_pipeline(_roll)
    with_pipeline(_receive)
    with_pipeline(lambda pipeline: _process(pipeline, 100))
    add(client, 3, 2, 4)
    add(client, 3, 2, 4)
    with_pipeline(_count_lost)
    stream.backlog(KEYS).run_sync(client)
    client.xgroup_create("ncc:checkins", "others", "0")
    for for_groups in (10, 0):
        stream.trim(KEYS, retain=3, most=2, for_groups=for_groups).run_sync(client)
    client.xgroup_destroy("ncc:checkins", "others")
    _read(client, now_ms)

    # dead letters
    settle_dead_letters(client, "retry", **kept)
    with_pipeline(lambda pipeline: Users(pipeline, KEYS, PasswordHasher(4)).add(new_user(77)))
    settle_dead_letters(client, "retry", **kept)
    settle_dead_letters(client, "discard")
    client.xadd("ncc:checkins:dead", {"id": f"{now_ms}-9", "reason": "unknown-user", "userId": "9"})
    settle_dead_letters(client, "discard")

    # managing, signing in
    with_pipeline(_manage)
    with_pipeline(_sign_in)
    tokens.create(client, KEYS, "till", "checkin", 5)

    # loading, verifying, rebuilding
    rows = [{"id": str(now_ms + number), "userId": 1 + number, "locationId": 2, "starRating": 5} for number in range(3)]
    load_rows(client, "checkins", rows, reset=True, yes=True)
    later = [{"id": str(now_ms + 5), "userId": 1, "locationId": 2, "starRating": 5}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "switch", _cut)
        with pytest.raises(KeyboardInterrupt):
            load_rows(client, "checkins", later, append=True)
    loader.abort(config.load(), client, progress=None)
    load_rows(client, "checkins", later, append=True)
    with_pipeline(lambda pipeline: _process(pipeline, 2))
    client.zadd("ncc:users:recent", {"99": 1})
    client.hset("ncc:users:email", "nobody@example.com", 99)
    client.hset("ncc:meta", "torn", client.get("ncc:checkinprocessor:lastid"))
    verified(client)
    rebuilt(client)
    _read_pages(client)


def _cut(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


async def _receive(pipeline: Pipeline) -> None:
    check_in, other = CheckIn(1, 2, 5), CheckIn(2, 3, 4)
    settings: list[dict[str, object]] = [{}, {"duplicate_window_s": 60}, {"unknown_ids": "create"}]
    for number, chosen in enumerate(settings):
        receive = Receive(KEYS, config.load(chosen).checkins)
        for group in (
            Group([check_in, other]),
            Group([check_in], IdempotencyRecord(KEYS.idempotency(f"key-{number}"), fingerprint(check_in))),
            Group([check_in], IdempotencyRecord(KEYS.idempotency(f"key-{number}"), fingerprint(check_in))),
        ):
            await receive.call([group]).start(pipeline.connection)


async def _process(pipeline: Pipeline, most: int) -> None:
    connection = pipeline.connection
    position = await open_metadata(connection, KEYS)
    page = await connection.call("XRANGE", KEYS.stream, b"(" + position.checkpoint, "+", "COUNT", most)
    calls = Calls(connection, position)
    calls.send(calls.prepare(Batch(page, KEYS, create=False, activity=ACTIVITY, now_ms=int(time.time() * 1000))))
    await calls.finish_oldest()


async def _roll(pipeline: Pipeline) -> None:
    bucket = int(time.time() * 1000) // BUCKET_MS
    trending = Trending(KEYS, ServerClock(), is_kept=True)
    await trending.roll_to(pipeline.connection, bucket - 1)
    await trending.roll_to(pipeline.connection, bucket)


async def _count_lost(pipeline: Pipeline) -> None:
    connection = pipeline.connection
    position = await open_metadata(connection, KEYS)
    (entry_id, _), *_ = await connection.call("XRANGE", KEYS.stream, b"(" + position.checkpoint, "+", "COUNT", 1)
    await connection.call("XDEL", KEYS.stream, entry_id)
    await Gaps(KEYS).check(connection, position)
    lease, other = Lease(KEYS, 5), Lease(KEYS, 5)
    assert await lease.take(connection) is None
    assert await other.take(connection) is not None
    assert await lease.take(connection) is None
    await lease.release(connection)


async def _manage(pipeline: Pipeline) -> None:
    hasher = PasswordHasher(4)
    try:
        users, locations = Users(pipeline, KEYS, hasher), Locations(pipeline, KEYS)
        await users.add(new_user(500))
        sessions = Sessions(pipeline, KEYS, config.load().auth)
        await sessions.begin(500, await pipeline.call("HGET", KEYS.user(500), "password"))
        await users.change(500, UserChange(email="other@example.com", password="another"))
        await sessions.begin(500, await pipeline.call("HGET", KEYS.user(500), "password"))
        await users.remove(500)
        await locations.add(new_location(500, details=details(500)))
        await locations.change(500, LocationChange(category="gym", location="5.5,6.5", details=None))
        await locations.change(500, LocationChange(details=details(500), category=UNSET))
        await locations.remove(500)
    finally:
        hasher.close()


async def _sign_in(pipeline: Pipeline) -> None:
    settings = config.load({"login_per_email": 1, "session_ttl_s": 100})
    attempts = Attempts(pipeline, KEYS, settings.auth)
    attempt = Attempt("ada@example.com", "127.0.0.1")
    await attempts.take(attempt)
    with pytest.raises(FootfallError):
        await attempts.take(attempt)
    await attempts.give_back(attempt)
    sessions = Sessions(pipeline, KEYS, settings.auth)
    password = await pipeline.call("HGET", KEYS.user(1), "password")
    session = await sessions.begin(1, password)
    known_by = digest(session)
    await pipeline.call("PEXPIRE", KEYS.session(known_by), 50_000)  # it is renewed when it is older
    assert await sessions.find(known_by)
    await Quota(pipeline, KEYS.token_quota("1"), 5).reserve(3)


def _read(client: Any, now_ms: int) -> None:
    """The scripts of the API."""
    hour = now_ms // HOUR_MS
    records.read_records([KEYS.user(1), KEYS.user(2)], ["id", "email"]).run_sync(client)
    records.read_ranked(KEYS.users_by_checkins, score=5, member="1", least=0, most=3).run_sync(client)
    activity.read_user_history(KEYS, 1, 3).run_sync(client)
    activity.read_presence(KEYS, 2, 3).run_sync(client)
    activity.read_hourly(KEYS, 2, range(hour - 1, hour + 1)).run_sync(client)
    activity.read_trending(KEYS, now_ms // BUCKET_MS, 3).run_sync(client)


def _read_pages(client: Any) -> None:
    """The scripts that verifying calls in transactions."""
    audit.read_snapshot(KEYS).run_sync(client)
    audit.read_users(KEYS, [1, 2], [b"user1@example.com", b""]).run_sync(client)
    audit.read_locations(KEYS, [2], [b"cafe"]).run_sync(client)
    for index, member in ((KEYS.users_recent, b"1"), (KEYS.users_email, b"user1@example.com")):
        audit.read_index(index, [member], [KEYS.user(1)], ["id"]).run_sync(client)
