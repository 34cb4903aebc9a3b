"""A stream that is not the one that was processed, or takes no more: refused by all, with a repair that works."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from audit_scene import assert_sound, noted
from chaos.replay import entries, raw_client
from chaos.scene import LOCATIONS, USERS, add_some, load_records, seeded, wait_until_drained
from footfall.errors import ExitCode
from processes import Api, Footfall, Processor, Receiver
from servers import Server, program_of, wait_until

STREAM = "ncc:checkins"
OFTEN: dict[str, Any] = {"server_check_s": 0.2}


@pytest.fixture(params=["embedded", "redis"])
def old_or_new(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of each kind that is promised."""
    with Server(program=program_of(request.param)) as server:
        yield server


def counted(client: Any) -> dict[str, int]:
    """What users and locations have."""
    keys = [f"ncc:users:{one}" for one in range(1, USERS + 1)]
    keys += [f"ncc:locations:{one}" for one in range(1, LOCATIONS + 1)]
    return {key: int(client.hget(key, "numCheckins") or 0) for key in keys}


def repair(server: Server, problem: str) -> None:
    """Do what is said, in the words in which it is said."""
    commands = re.search(r"this repairs it: ([^\n]*)", problem)
    assert commands, problem
    for command in commands[1].removesuffix(". Retrying until it is fixed.").split(" && "):
        with Footfall(*command.split()[1:], settings={"redis_url": server.url}) as done:
            assert done.wait() == ExitCode.OK, (command, done.log)


def problems(server: Server) -> list[str]:
    """What `footfall status` says is wrong."""
    with Footfall("status", "--json", settings={"redis_url": server.url}) as status:
        assert status.wait() == ExitCode.OK, status.log
        found: list[str] = json.loads(status.log)["problems"]
    return found


def test_an_older_stream_in_the_place_of_a_newer_one_is_refused_until_it_is_repaired(old_or_new: Server) -> None:
    server = old_or_new
    client, rng = raw_client(server.port), seeded()
    load_records(client)
    add_some(client, rng, 30)
    with Receiver(server.url, **OFTEN) as receiver, Processor(server.url, **OFTEN) as processor:
        wait_until_drained(client)
        older = client.dump(STREAM)
        add_some(client, rng, 20)
        wait_until_drained(client)
        before = counted(client)
        client.restore(STREAM, 0, older, replace=True)
        answer = receiver.post(1, 2, 5)
        assert (answer.status_code, len(entries(client))) == (503, 30), "at once: nothing may be added to it"
        receiver.wait_for("was an older stream put in its place?")
        processor.wait_for("was an older stream put in its place?")
        assert receiver.client.get("/readyz").status_code == 503
        [problem] = problems(server)
        assert "50 of them, and only 30 were ever added to it" in problem
        with Footfall("processor", settings={"redis_url": server.url}) as another:
            assert another.wait() == ExitCode.BROKEN
        repair(server, problem)
        wait_until(lambda: receiver.post(1, 2, 5).status_code == 202, "the receiver goes on")
        wait_until_drained(client)
        before["ncc:users:1"] += 1
        before["ncc:locations:2"] += 1
        assert counted(client) == before
    assert noted(client).noted == 20, "what the older stream does not have is known by what it has counted"
    assert_sound(client)
    client.close()


@pytest.mark.parametrize("last_id", ["10000000000000-0", f"{2**64 - 1}-{2**64 - 1}"])
def test_when_the_ids_of_a_stream_are_used_up_all_of_it_is_processed_and_a_new_one_goes_on(
    old_or_new: Server, last_id: str
) -> None:
    server = old_or_new
    client, rng = raw_client(server.port), seeded()
    load_records(client)
    add_some(client, rng, 30)
    client.xadd(STREAM, {"userId": 1, "locationId": 1, "starRating": 1}, last_id)
    with Receiver(server.url, ready=False, **OFTEN) as receiver, Api(server.url, **OFTEN) as api:
        answer = receiver.post(1, 2, 5)
        assert (answer.status_code, len(entries(client))) == (503, 31), "what is taken must be counted"
        assert "ncc:checkins are used up" in answer.json()["detail"]
        assert receiver.client.get("/readyz").status_code == 503
        with Footfall("status", settings={"redis_url": server.url}) as status:
            status.wait()
            assert "Traceback" not in status.log
        with Processor(server.url, ready=False, **OFTEN) as processor:
            processor.wait_for("its ids are used up")
            assert client.xlen("ncc:checkins:dead") == 1
            before = counted(client)
            [problem] = problems(server)
            assert processor.log.count("its ids are used up") <= 2, "the processor and its connection say it once each"
            repair(server, problem)
            wait_until(lambda: receiver.post(1, 2, 5).status_code == 202, "the receiver goes on")
            wait_until(lambda: api.client.get("/api/user/1").status_code == 200, "the API server goes on")
            wait_until_drained(client)
            before["ncc:users:1"] += 1
            before["ncc:locations:2"] += 1
            wait_until(lambda: counted(client) == before, "it is counted")
    assert client.xlen("ncc:checkins:usedup") == 31
    assert not problems(server)
    client.close()
