"""Rights that are taken away and given back while check-ins come in and are counted: each counts once all the same."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from audit_scene import process, rebuilt
from auth_scene import signed_in
from chaos.replay import assert_replayed, entries, raw_client
from chaos.scene import LOCATIONS, USERS, add, full, load_records, processed, seeded, wait_until_drained
from footfall.errors import ExitCode, FootfallError
from footfall.store.calls import process as process_calls
from footfall.store.scripts import PROCESS, Script
from processes import Api, Auth, Footfall, Processor, Receiver
from servers import Server, free_port, program_of, wait_until

#: what a processor may lose, and what every check-in needs of it
_COMMANDS = ("zadd", "hset", "zrem", "mset", "xadd", "expire", "ltrim", "zremrangebyscore", "rpush", "hdel")


@pytest.fixture(params=["embedded", "redis"])
def server(request: pytest.FixtureRequest, own_server: Callable[..., Server]) -> Server:
    return own_server(program=program_of(request.param), appendonly=True, appendfsync="no")


def limited(server: Server, client: Any) -> str:
    """The URL of a user who may do everything."""
    client.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all")
    return f"redis://limited:secret@127.0.0.1:{server.port}"


def forbid(client: Any, command: str) -> None:
    client.execute_command("ACL", "SETUSER", "limited", f"-{command}")


def permit(client: Any, command: str) -> None:
    client.execute_command("ACL", "SETUSER", "limited", f"+{command}")


def counted(client: Any) -> dict[bytes, object]:
    """Everything but what is made to tell processors apart, and the stream."""
    keys = (key for key in client.scan_iter(count=1000) if not key.endswith((b":lease", b":checkins", b":state")))
    return {key: client.dump(key) for key in keys}


def test_a_processor_without_a_right_counts_nothing_says_which_and_goes_on_when_it_has_it(server: Server) -> None:
    client = raw_client(server.port)
    url = limited(server, client)
    rng, replay = seeded(), load_records(client)
    with Processor(url, history=20, now=True, hourly=True, trending=True) as processor:
        for command in _COMMANDS[: full(4, len(_COMMANDS))]:
            add(client, rng.randint(1, USERS), rng.randint(1, LOCATIONS), rng.randint(0, 5))
            wait_until_drained(client)
            forbid(client, command)
            before, reached = counted(client), processed(client)
            for _ in range(20):
                add(client, rng.randint(1, USERS), rng.randint(1, LOCATIONS), rng.randint(0, 5))
            said = f"the server refuses {command.upper()} to the user limited; this grants it: ACL SETUSER limited"
            wait_until(lambda said=said: said in processor.log, f"{command} is named")  # type: ignore[misc]
            wait_until_tried_again(client)
            assert (counted(client), processed(client)) == (before, reached), command
            permit(client, command)
            wait_until_drained(client)
            assert_replayed(client, replay.after(entries(client)))
    client.close()


def wait_until_tried_again(client: Any) -> None:
    """Wait until some more calls of scripts were refused."""

    def refused() -> int:
        return int(client.info("errorstats").get("errorstat_DENIED", {"count": 0})["count"])

    begun = refused()
    wait_until(lambda: refused() > begun + 2, "it has tried again")


def test_a_receiver_without_a_right_takes_nothing_and_a_key_is_stored_once_when_it_has_it(server: Server) -> None:
    client = raw_client(server.port)
    url = limited(server, client)
    load_records(client)
    body = {"userId": 1, "locationId": 2, "starRating": 5}
    with Receiver(url, duplicate_window_s=1) as receiver, httpx.Client(base_url=receiver.url, timeout=10) as http:
        for number, command in enumerate(("set", "xadd", "pexpire", "get")):
            key = {"Idempotency-Key": f"key-{number}"}
            forbid(client, command)
            before = client.xlen("ncc:checkins")
            for _ in range(4):
                answer = http.post("/api/checkin", json=body, headers=key)
                assert answer.status_code == 503
                assert "limited" not in answer.text
            assert client.xlen("ncc:checkins") == before
            wait_until(lambda c=command: f"refuses {c.upper()} to the user limited" in receiver.log, "it is named")  # type: ignore[misc]
            assert http.get("/readyz").status_code == 503
            permit(client, command)
            answers = [http.post("/api/checkin", json=body | {"userId": 2 + number}, headers=key) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [202, 202]
            assert len({answer.json()["id"] for answer in answers}) == 1
            assert client.xlen("ncc:checkins") == before + 1
            assert http.get("/readyz").status_code == 200
    client.close()


def test_the_line_in_the_docs_grants_all_that_is_needed(server: Server) -> None:
    client = raw_client(server.port)
    page = Path(__file__).parents[2] / "docs" / "server.md"
    (line,) = re.findall(r"^ACL SETUSER footfall on .*$", page.read_text(), re.MULTILINE)
    client.execute_command(*line.split())
    url = f"redis://footfall:password@127.0.0.1:{server.port}"

    def run(*command: str) -> None:
        with Footfall(*command, settings={"redis_url": url}) as process:
            assert process.wait() == ExitCode.OK, process.log

    load_records(client)
    with (
        Receiver(url, auth=True),
        Api(url) as api,
        Auth(url) as auth,
        Processor(url, history=5, now=True, hourly=True, trending=True),
    ):
        add(client, 1, 2, 5)
        wait_until_drained(client)
        assert signed_in(auth, "user1@example.com", "secret")
        for path in ("user/1", "location/2/now", "location/2/nearby", "users/busiest", "checkins/latest"):
            assert api.client.get(f"/api/{path}").status_code in (200, 404)
        for command in (
            "verify",
            "status",
            "rebuild --yes",
            "dead-letters list",
            "dead-letters retry",
            "verify --json",
        ):
            run(*command.split())
    client.close()


def test_a_service_that_lacks_a_right_when_it_starts_says_so_and_does_not_start(server: Server) -> None:
    client = raw_client(server.port)
    url = limited(server, client)
    load_records(client)
    for service, command in (("processor", "zrem"), ("receiver", "pexpire")):
        forbid(client, command)
        with Footfall(service, settings={"redis_url": url, "receiver_port": free_port()}) as process:
            assert process.wait() == ExitCode.DENIED
            assert f"refuses {command.upper()} to the user limited" in process.log
        permit(client, command)
    client.close()


def test_a_batch_that_is_cut_short_is_not_sent_again_until_a_rebuild_has_undone_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that cuts a script short is known of, so here the script does it itself, at four places."""
    client = raw_client(server.port)
    replay, rng = load_records(client), seeded()
    text = PROCESS.source.decode()
    for place in (
        "write_in_chunks('ZADD', keys.users_recent",
        "write_in_chunks('ZADD', keys.locations_by_checkins",
        "call('MSET', keys.processed",
        "call('HDEL', keys.meta, 'torn'",
    ):
        for _ in range(30):
            add(client, rng.randint(1, USERS + 2), rng.randint(1, LOCATIONS), rng.randint(0, 5))
        reached, before = processed(client), counted(client)
        assert text.count(place) == 1
        with monkeypatch.context() as patch:
            patch.setattr(process_calls, "PROCESS", Script("cut", text.replace(place, f"error('cut') {place}")))
            with pytest.raises(FootfallError, match="cut"):
                process(server)
        cut, cut_at = counted(client), processed(client)
        assert cut_at == reached + (30 if "HDEL" in place else 0)
        assert cut != before
        add(client, 1, 2, 3)
        with Processor(server.url, ready=False, history=0, now=False, hourly=False, trending=False) as processor:
            processor.wait_for("applied in part; `footfall rebuild` undoes it")
            assert {key for key, dump in counted(client).items() if dump != cut.get(key)} == set()
            assert processed(client) == cut_at
            assert rebuilt(client).torn
            wait_until_drained(client)
        assert not client.hexists("ncc:meta", "torn")
        assert_replayed(client, replay.after(entries(client)))
    client.close()
