"""Tokens: made, listed and revoked; and who may use a route for administrators."""

import asyncio
import json
import stat
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth_scene import new_token
from footfall import config
from footfall.errors import BrokenKeyError, ExitCode, InvalidError, NotFoundError, RateLimitedError, TooLargeError
from footfall.identity import admin_token, tokens
from footfall.identity.quota import Quota
from footfall.keys import Keys
from footfall.store.client import connect
from footfall.store.metadata import open_pipeline
from processes import Api, Footfall
from receiver_scene import open_metadata
from servers import Server

KEYS = Keys("ncc")


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with connect(server.url, config.load().server) as client:
        yield client


def run(server: Server, *words: str) -> tuple[int, str]:
    with Footfall("tokens", *words, settings={"redis_url": server.url}) as process:
        return process.wait(), process.log


# ---------------------------------------------------------------- the command


def test_a_token_is_shown_once_and_only_its_hash_is_kept(server: Server, client: Any) -> None:
    code, secret = run(server, "create", "till-3", "--rate", "50")
    assert code == ExitCode.OK
    secret = secret.strip()
    assert secret.startswith("ff_")
    [(known_by, value)] = client.hgetall("ncc:tokens").items()
    assert known_by.decode() == sha256(secret.encode()).hexdigest()
    token = json.loads(value)
    assert token.pop("created") > 1_600_000_000_000
    assert token == {"name": "till-3", "role": "checkin", "rate": 50}
    code, admin_token = run(server, "create", "boss", "--role", "admin", "--json")
    assert json.loads(admin_token)["name"] == "boss"
    code, listed = run(server, "list")
    assert [line.split()[:3] for line in listed.splitlines()] == [
        ["NAME", "ROLE", "RATE"],
        ["boss", "admin", "any"],
        ["till-3", "checkin", "50/s"],
    ]
    code, listed_as_json = run(server, "list", "--json")
    assert [(item["name"], item["role"], item["rate"]) for item in json.loads(listed_as_json)] == [
        ("boss", "admin", 0),
        ("till-3", "checkin", 50),
    ]
    for text in (listed, listed_as_json):
        assert secret not in text
        assert known_by.decode() not in text


def test_a_name_is_taken_once_and_free_again_when_its_token_is_revoked(server: Server, client: Any) -> None:
    first = run(server, "create", "a")[1]
    assert run(server, "create", "a") == (ExitCode.FAILURE, "error: there is a token with the name a already\n")
    assert run(server, "revoke", "a") == (ExitCode.OK, "")
    assert client.hlen("ncc:tokens") == 0
    assert run(server, "revoke", "a") == (ExitCode.FAILURE, "error: there is no token with the name a\n")
    assert run(server, "list") == (ExitCode.OK, "There are no tokens.\n")
    assert run(server, "create", "a")[1] != first


@pytest.mark.parametrize(
    "words", [["create"], ["revoke"], ["list", "a"], ["create", "a", "--role", "root"], ["create", "a", "--rate", "-1"]]
)
def test_what_is_no_command_is_refused(server: Server, words: list[str]) -> None:
    assert run(server, *words)[0] == ExitCode.USAGE


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ü", "a" * 65, "a\n"])
def test_a_name_is_one_that_a_key_can_hold(client: Any, name: str) -> None:
    with pytest.raises(InvalidError):
        tokens.create(client, KEYS, name, "checkin")


def test_names_stay_unique_when_many_are_made_at_once(server: Server, client: Any) -> None:
    processes = [Footfall("tokens", "create", "same", settings={"redis_url": server.url}) for _ in range(4)]
    codes = sorted(process.wait() for process in processes)
    for process in processes:
        process.close()
    assert codes == [ExitCode.OK, *[ExitCode.FAILURE] * 3]
    assert client.hlen("ncc:tokens") == 1


def test_broken_tokens_are_named_and_nothing_is_changed(client: Any) -> None:
    works: list[Callable[[], object]] = [
        lambda: tokens.create(client, KEYS, "a", "checkin"),
        lambda: tokens.all_tokens(client, KEYS),
        lambda: tokens.revoke(client, KEYS, "a"),
    ]
    for content in ({"x": "?"}, {"x": "5"}, None):
        client.delete("ncc:tokens")
        if content:
            client.hset("ncc:tokens", mapping=content)
        else:
            client.set("ncc:tokens", "?")
        before = client.dump("ncc:tokens")
        for work in works:
            with pytest.raises(BrokenKeyError, match="ncc:tokens"):
                work()
        assert client.dump("ncc:tokens") == before
    client.delete("ncc:tokens")
    with pytest.raises(NotFoundError):
        tokens.revoke(client, KEYS, "a")


# ---------------------------------------------------------------- the guard


def test_only_a_token_of_role_admin_opens_a_route_for_administrators(server: Server) -> None:
    open_metadata(server)
    boss, till = new_token(server, "boss", "admin"), new_token(server, "till")
    with Api(server.url) as api:

        def remove(authorization: str | None) -> httpx.Response:
            headers = {} if authorization is None else {"Authorization": authorization}
            return api.client.delete("/api/user/99", headers=headers)

        assert remove(boss).status_code == 404
        answer = remove(till)
        assert (answer.status_code, answer.json()["detail"]) == (403, "this needs a token of role admin")
        for given in (None, "", "Bearer", boss[:-1] + "?", boss.removeprefix("Bearer "), "Basic x", boss + "x"):
            answer = remove(given)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.json()["detail"] == "this needs a token: `Authorization: Bearer ...`"


# ---------------------------------------------------------------- quotas


def test_a_quota_is_given_out_in_pieces_and_never_more_of_it_than_there_is(server: Server) -> None:
    open_metadata(server)

    async def taken() -> dict[int, int]:
        """How many several receivers get within a bit more than a second, by the server's second."""
        settings = config.load({"redis_url": server.url})
        pipeline = open_pipeline(server.url, settings.server)
        pipeline.start()
        await pipeline.settle()
        quotas = [Quota(pipeline, b"ncc:tokenquota:x", 100) for _ in range(5)]
        got: dict[int, int] = {}

        async def take(quota: Quota) -> None:
            ends = asyncio.get_running_loop().time() + 1.5
            while asyncio.get_running_loop().time() < ends:
                try:
                    await quota.reserve(1)
                except RateLimitedError:
                    await asyncio.sleep(0.01)
                else:
                    second = int(quota._second)  # what it was taken out of
                    got[second] = got.get(second, 0) + 1
                    await asyncio.sleep(0)

        await asyncio.gather(*(take(quota) for quota in quotas for _ in range(3)))
        with pytest.raises(TooLargeError):
            await quotas[0].reserve(101)
        await pipeline.close()
        return got

    by_second = asyncio.run(taken())
    assert max(by_second.values()) <= 100
    assert max(by_second.values()) >= 95, "little is lost with pieces that are not used up"


# ---------------------------------------------------------------- the admin token of `up`


def test_the_admin_token_is_made_once_for_its_owner_alone(
    server: Server, client: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "footfall")
    settings = config.load({"redis_url": server.url, "data_dir": tmp_path})
    path = tmp_path / "admin-token"
    (tmp_path / "admin-token.new").write_text("left by one that was killed")
    admin_token.ensure(settings.server)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text().strip()
    [(known_by, value)] = client.hgetall("ncc:tokens").items()
    assert known_by.decode() == sha256(secret.encode()).hexdigest()
    assert json.loads(value)["role"] == "admin"
    admin_token.ensure(settings.server)
    assert path.read_text().strip() == secret
    assert client.hlen("ncc:tokens") == 1
    tokens.revoke(client, KEYS, "admin")
    admin_token.ensure(settings.server)
    assert client.hlen("ncc:tokens") == 0, "what was revoked stays so"
    assert "was revoked" in caplog.text
    path.unlink()
    admin_token.ensure(settings.server)
    path.unlink()
    admin_token.ensure(settings.server)
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
    assert "There is a token `admin` already" in caplog.text
    assert secret not in caplog.text
    assert str(path) in caplog.text
