"""Sessions on the server: how they begin, go on and end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from auth_scene import with_user
from footfall import config
from footfall.auth.limits import Attempt, Attempts
from footfall.errors import BrokenKeyError, RateLimitedError, UnauthorizedError
from footfall.identity.credentials import Credential, credential, digest
from footfall.identity.sessions import Sessions
from footfall.keys import Keys
from footfall.store.metadata import open_pipeline
from pipelines import pipeline_to
from servers import Server, wait_until

T = TypeVar("T")
ID, TOKEN = "s" * 43, "ff_" + "t" * 43


@asynccontextmanager
async def sessions_at(server: Server, **chosen: object) -> AsyncIterator[Sessions]:
    settings = config.load({"redis_url": server.url, "session_ttl_s": 100, **chosen})
    pipeline = open_pipeline(server.url, settings.server)
    pipeline.start()
    await pipeline.settle()
    try:
        yield Sessions(pipeline, Keys(settings.server.prefix), settings.auth)
    finally:
        await pipeline.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def begun(sessions: Sessions, client: Any, user_id: int = 1) -> str:
    """The digest of a new session."""
    return digest(await sessions.begin(user_id, client.hget(f"ncc:users:{user_id}", "password").encode()))


# ---------------------------------------------------------------- what a request says


@pytest.mark.parametrize(
    ("authorization", "cookies", "found"),
    [
        ([], [], None),
        ([], [f"footfall_session={ID}"], Credential("session", digest(ID))),
        ([], [f"a=b;\tfootfall_session={ID} ; c=d"], Credential("session", digest(ID))),
        ([], ["a=b", f"footfall_session={ID}"], Credential("session", digest(ID))),
        ([], [f"xfootfall_session={ID}"], None),
        ([], [f'footfall_session="{ID}"'], None),
        ([], [f"footfall_session={ID}x"], None),
        ([], [f"footfall_session={ID}\n"], None),
        ([], [f"footfall_session=; footfall_session={ID}"], None),
        ([f"Bearer {TOKEN}"], [], Credential("token", digest(TOKEN))),
        ([f" BEARER   {TOKEN}\t"], [], Credential("token", digest(TOKEN))),
        ([f"Bearer {TOKEN}"], [f"footfall_session={ID}"], Credential("token", digest(TOKEN))),
        (["Basic eDp5"], [f"footfall_session={ID}"], None),
        ([f"Bearer {TOKEN}", f"Bearer {TOKEN}"], [], None),
        ([f"Bearer{TOKEN}"], [], None),
        ([f"Bearer {TOKEN[3:]}"], [], None),
        ([f"Bearer {TOKEN[:-1]}"], [], None),
        ([f"Bearer {TOKEN} {TOKEN}"], [], None),
        ([f"Bearer\n{TOKEN}"], [], None),
    ],
)
def test_a_request_has_one_sender_or_none(
    authorization: list[str], cookies: list[str], found: Credential | None
) -> None:
    assert credential(authorization, cookies) == found


# ---------------------------------------------------------------- on the server


def test_a_session_is_renewed_after_a_tenth_of_its_time_and_not_before(server: Server) -> None:
    client = with_user(server)

    async def work() -> None:
        async with sessions_at(server) as sessions:
            known_by = await begun(sessions, client)
            for left_ms, is_renewed in ((90_500, False), (89_000, True), (5, True)):
                client.pexpire(f"ncc:session:{known_by}", max(left_ms, 500))
                client.pexpire("ncc:usersessions:1", 1000)
                session = await sessions.find(known_by)
                assert session is not None
                assert (session.user_id, session.is_renewed) == (1, is_renewed)
                assert (client.pttl(f"ncc:session:{known_by}") > 99_000) == is_renewed
                assert (client.pttl("ncc:usersessions:1") > 99_000) == is_renewed

    run(work())


def test_a_session_of_before_the_clock_was_set_back_lasts_no_longer_than_a_new_one(server: Server) -> None:
    client = with_user(server)

    async def work() -> None:
        async with sessions_at(server) as sessions:
            known_by = await begun(sessions, client)
            client.expire(f"ncc:session:{known_by}", 3600)
            found = await sessions.find(known_by)
            assert found is not None
            assert found.left_s <= 100
            assert 0 < client.ttl(f"ncc:session:{known_by}") <= 100

    run(work())


def test_attempts_of_before_the_clock_was_set_back_count_no_longer_than_new_ones(server: Server) -> None:
    client = server.client()
    settings = config.load({"redis_url": server.url, "login_per_email": 1, "login_window_s": 60})

    async def work() -> None:
        async with pipeline_to(server.url) as pipeline:
            await pipeline.connected()
            attempts = Attempts(pipeline, Keys(settings.server.prefix), settings.auth)
            await attempts.take(Attempt("a@example.com", "192.0.2.1"))
            counters = client.keys("ncc:*attempt*")
            assert len(counters) == 3
            for counter in counters:
                client.expire(counter, 3600)
            with pytest.raises(RateLimitedError) as refused:
                await attempts.take(Attempt("a@example.com", "192.0.2.1"))
            assert (refused.value.retry_after or 0) <= 60
            await attempts.take(Attempt("b@example.com", "192.0.2.1"))
            assert all(client.ttl(counter) <= 60 for counter in counters)

    run(work())


def test_the_set_of_a_users_sessions_lasts_as_long_as_the_longest(server: Server) -> None:
    client = with_user(server)

    async def work() -> None:
        async with sessions_at(server, session_ttl_s=1000) as longer, sessions_at(server, session_ttl_s=10) as shorter:
            await begun(longer, client)
            known_by = await begun(shorter, client)
            client.pexpire(f"ncc:session:{known_by}", 5000)
            await shorter.find(known_by)
            assert client.pttl("ncc:usersessions:1") > 900_000

    run(work())


def test_a_session_is_only_begun_with_the_password_that_was_checked(server: Server) -> None:
    client = with_user(server)

    async def work() -> None:
        async with sessions_at(server) as sessions:
            for password in ("another", None):
                stored = client.hget("ncc:users:1", "password").encode()
                client.hset("ncc:users:1", "password", password) if password else client.delete("ncc:users:1")
                with pytest.raises(UnauthorizedError):
                    await sessions.begin(1, stored)
            assert not client.keys("ncc:*session*")

    run(work())


def test_a_user_has_at_most_a_hundred_sessions(server: Server) -> None:
    client = with_user(server)

    async def work() -> None:
        async with sessions_at(server) as sessions:
            all_of_them = [await begun(sessions, client) for _ in range(100)]
            client.delete(*(f"ncc:session:{known_by}" for known_by in all_of_them[:30]))
            await begun(sessions, client)
            assert client.scard("ncc:usersessions:1") == 71, "those that have ended are forgotten first"
            for _ in range(40):
                await begun(sessions, client)
            living = {key.rpartition(":")[2] for key in client.keys("ncc:session:*")}
            assert len(living) == 100
            assert client.smembers("ncc:usersessions:1") == living

    run(work())


def test_a_session_that_is_no_session_is_broken_and_its_key_is_not_told(server: Server) -> None:
    client = with_user(server)

    async def work() -> None:
        async with sessions_at(server) as sessions:
            for content in ("", "{}", '{"userId":0}', '{"userId":"1"}', "\x00"):
                client.set(f"ncc:session:{digest(ID)}", content)
                for call in (sessions.find, sessions.end):
                    client.set(f"ncc:session:{digest(ID)}", content)
                    with pytest.raises(BrokenKeyError) as refused:
                        await call(digest(ID))
                    assert digest(ID) not in str(refused.value)
            client.delete("ncc:usersessions:1")
            client.set("ncc:usersessions:1", "x")
            with pytest.raises(BrokenKeyError):
                await begun(sessions, client)

    run(work())


def test_an_ended_session_is_not_renewed(server: Server) -> None:
    client = with_user(server)

    async def work() -> None:
        async with sessions_at(server) as sessions:
            known_by = await begun(sessions, client)
            await sessions.end(known_by)
            assert await sessions.find(known_by) is None
            await sessions.end(known_by)
            assert not client.keys("ncc:*session*")

    run(work())


def test_a_session_that_expires_leaves_nothing_behind(server: Server) -> None:
    client = with_user(server)

    async def work() -> None:
        async with sessions_at(server, session_ttl_s=1) as sessions:
            await begun(sessions, client)
            assert client.keys("ncc:*session*")

    run(work())
    wait_until(lambda: not client.keys("ncc:*session*"), "everything of it is gone", 3)
