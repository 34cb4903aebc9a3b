"""How all of it does, over HTTP."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from auth_scene import new_token
from footfall.errors import ExitCode
from processes import Api, Processor, Receiver
from receiver_scene import open_metadata
from servers import Server, wait_until


@pytest.fixture
def receiver(server: Server) -> Iterator[Receiver]:
    client = open_metadata(server)
    client.hset("ncc:users:1", mapping={"id": 1})
    client.hset("ncc:locations:2", mapping={"id": 2})
    with Receiver(server.url) as receiver:
        yield receiver


def test_it_is_the_status_of_the_command(server: Server, receiver: Receiver) -> None:
    del receiver
    with Api(server.url) as api:
        answer = api.client.get("/api/status")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        status = answer.json()
        assert status.pop("receiver") is None
        assert status.pop("timestamp") > 1_700_000_000_000
        assert status["state"] == "ready"
        assert status["problems"] == []


def test_it_tells_what_the_receiver_has_counted(server: Server, receiver: Receiver) -> None:
    with Api(server.url, receiver_url=receiver.url) as api, Processor(server.url):
        before = api.client.get("/api/status").json()["receiver"]
        assert before["accepted"] == 0
        for _ in range(3):
            assert receiver.post(1, 2, 4).status_code == 202
        assert receiver.post(9, 2, 4).status_code == 404
        wait_until(lambda: api.client.get("/api/status").json()["processed"] == 3, "it tells of them")
        now = api.client.get("/api/status").json()["receiver"]
        assert (now["accepted"], now["inFlight"]) == (3, 0)
        assert now["refused"]["unknown-user"] - before["refused"]["unknown-user"] == 1
        assert now["calls"] - before["calls"] >= 3
        assert now["callsMs"] > 0
        counts = [bucket["calls"] for bucket in now["callBuckets"]]
        assert counts == sorted(counts)
        assert counts[-1] == now["calls"]


def test_a_receiver_that_does_not_answer_is_a_warning(server: Server, receiver: Receiver) -> None:
    receiver.kill()
    with Api(server.url, receiver_url=receiver.url) as api:
        status = api.client.get("/api/status").json()
        assert status["receiver"] is None
        assert f"the receiver at {receiver.url} does not tell what it counts" in " ".join(status["warnings"])


def test_something_else_than_a_receiver_is_a_warning_too(server: Server, receiver: Receiver) -> None:
    del receiver
    with Api(server.url) as other, Api(server.url, receiver_url=other.url) as api:
        assert "does not tell" in " ".join(api.client.get("/api/status").json()["warnings"])


def test_what_is_wrong_comes_with_its_repair(server: Server, receiver: Receiver) -> None:
    del receiver
    server.client().set("ncc:users:bycheckins", "no index")
    with Api(server.url) as api:
        problems = api.client.get("/api/status").json()["problems"]
        assert any(problem.startswith("ncc:users:bycheckins") for problem in problems), problems


def test_without_the_server_it_is_unavailable_and_then_there_again(server: Server, receiver: Receiver) -> None:
    del receiver
    with Api(server.url) as api:
        server.kill()
        assert api.client.get("/api/status").json()["detail"] == "the server is not available"
        server.start()
        wait_until(lambda: api.client.get("/api/status").status_code == 200, "it is there again")


def test_while_people_sign_in_it_is_for_an_admin(server: Server, receiver: Receiver) -> None:
    del receiver
    with Api(server.url, auth=True) as api:
        assert api.client.get("/api/status").status_code == 401
        tokens = {new_token(server, "till"): 403, new_token(server, "boss", role="admin"): 200}
        for token, status in tokens.items():
            assert api.client.get("/api/status", headers={"Authorization": token}).status_code == status


def test_a_server_that_refuses_a_command_is_not_said_to_be_away(server: Server, receiver: Receiver) -> None:
    del receiver
    server.client().acl_setuser("app", enabled=True, passwords=["+secret"], commands=["+@all", "-pttl"], keys=["*"])
    with Api(server.url.replace("//", "//app:secret@")) as api:
        answer = api.client.get("/api/status")
        assert (answer.status_code, answer.json()["detail"]) == (503, "the server refuses a command")
        assert "the server refuses PTTL to the user app; this grants it: ACL SETUSER app +pttl" in api.log


def test_a_server_that_is_frozen_holds_up_neither_the_answer_nor_the_end(server: Server, receiver: Receiver) -> None:
    del receiver
    with Api(server.url, server_timeout=0.3) as api:
        server.pause()
        assert api.client.get("/api/status").status_code == 503
        api.client.close()
        api.signal(signal.SIGTERM)
        assert api.wait(5) == ExitCode.OK
    server.resume()


def test_it_is_made_once_for_all_who_ask(server: Server, receiver: Receiver) -> None:
    del receiver
    with Api(server.url) as api, ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: api.client.get("/api/status").json()["timestamp"], range(40)))
        assert len(set(made)) < 10, "a second or two of a busy machine"
