"""A server that is emptied under services that run: said, and nothing is rebuilt in silence."""

from pathlib import Path
from typing import Any

import pytest
import redis

from chaos.replay import assert_replayed, entries, raw_client
from chaos.scene import add, load_records, processed, wait_until_drained
from footfall import config
from footfall.errors import ExitCode, RefusedError
from footfall.operations.loader import when_empty
from footfall.store.scripts import OPEN
from processes import Api, Footfall, Processor, Receiver
from proxy import Proxy
from script_calls import held, put_back
from servers import Server, wait_until

GONE = "all data is gone that was on the server when this process began to use it"
OTHER = "the data on the server is other than when this process began to use it"
OFTEN: dict[str, Any] = {"server_check_s": 0.2}


def empty(client: Any, how: str) -> None:
    """Empty the server."""
    if how == "FLUSHALL":
        client.flushall()
    else:
        client.delete(*client.keys("ncc:*"))


@pytest.mark.parametrize("how", ["FLUSHALL", "DEL"])
def test_services_refuse_until_the_data_is_back(server: Server, how: str) -> None:
    client = raw_client(server.port)
    replay = load_records(client)
    with (
        Receiver(server.url, **OFTEN) as receiver,
        Processor(server.url, **OFTEN) as processor,
        Api(server.url, **OFTEN) as api,
    ):
        assert receiver.post(1, 2, 5).status_code == 202
        wait_until_drained(client)
        before = held(client)
        empty(client, how)
        for service in (receiver, processor, api):
            service.wait_for(GONE)
        answer = receiver.post(1, 2, 5)
        assert (answer.status_code, GONE in answer.json()["detail"]) == (503, True)
        assert api.client.get("/api/user/1").status_code == 503
        assert receiver.client.get("/readyz").status_code == 503
        assert set(client.keys("ncc:*")) <= {b"ncc:checkinprocessor:lease"}
        put_back(client, before)
        wait_until(lambda: receiver.post(1, 3, 4).status_code == 202, "the receiver goes on")
        wait_until_drained(client)
        wait_until(lambda: api.client.get("/api/user/1").status_code == 200, "the API server goes on")
        assert processed(client) >= 2
    assert_replayed(client, replay.after(entries(client)))
    client.close()


def test_a_service_that_starts_on_the_empty_server_does_not_mislead_those_that_run(server: Server) -> None:
    client = raw_client(server.port)
    load_records(client)
    with Receiver(server.url, **OFTEN) as receiver:
        assert receiver.post(1, 2, 5).status_code == 202
        client.flushall()
        with Receiver(server.url, **OFTEN) as another:
            assert "The server held no metadata: it was created." in another.log
            assert another.post(1, 2, 5).status_code == 404
            receiver.wait_for(OTHER)
            answer = receiver.post(1, 2, 5)
            assert (answer.status_code, OTHER in answer.json()["detail"]) == (503, True)
        receiver.terminate()
        receiver.start()  # who starts it again has said that this is wanted
        assert receiver.post(1, 2, 5).status_code == 404
    client.close()


def test_loading_again_is_no_other_data(server: Server) -> None:
    client = raw_client(server.port)
    load_records(client)
    with Receiver(server.url, **OFTEN) as receiver:
        rows = server.directory / "rows.csv"
        rows.write_text("id,userId,locationId,starRating\n1600000000000,1,2,5\n")
        load = Footfall(
            "load", "checkins", "--from", str(rows), "--replace", "--yes", settings={"redis_url": server.url}
        )
        with load:
            assert load.wait() == ExitCode.OK, load.log
        wait_until(lambda: receiver.post(1, 2, 5).status_code == 202, "it takes check-ins")
        assert OTHER not in receiver.log
        assert GONE not in receiver.log
    client.close()


def test_up_does_not_begin_anew_with_the_sample_where_there_was_data(server: Server, tmp_path: Path) -> None:
    settings = config.load({"data_dir": tmp_path, "redis_url": server.url})
    with redis.Redis(port=server.port) as client:
        client.set("somebody's", "data")
        when_empty.load_sample_when_empty(settings)
        client.flushall()
        with pytest.raises(RefusedError, match="was not when `up` last used") as error:
            when_empty.load_sample_when_empty(settings)
        assert client.dbsize() == 0
        marker = str(error.value).rpartition("remove ")[2]
        Path(marker).unlink()
        when_empty.load_sample_when_empty(settings)
        assert client.hget("ncc:meta", "sample") == b"1"
        client.flushall()
        with pytest.raises(RefusedError):
            when_empty.load_sample_when_empty(settings)


def test_a_connection_that_is_cut_while_idle_is_made_again_without_a_word(
    server: Server,
) -> None:
    client = raw_client(server.port)
    load_records(client)
    with Proxy(server.port) as proxy, Receiver(proxy.url, server_check_s=60) as receiver:
        before = receiver.log
        for _ in range(3):
            proxy.cut()
            wait_until(lambda: receiver.client.get("/readyz").status_code == 200, "it is connected")
            assert receiver.post(1, 2, 5).status_code == 202
        assert receiver.log == before
    client.close()


def test_a_connection_that_leads_nowhere_is_found_before_it_is_needed(
    server: Server,
) -> None:
    client = raw_client(server.port)
    load_records(client)
    with Proxy(server.port) as proxy, Receiver(proxy.url, server_check_s=0.2, server_timeout=0.5) as receiver:
        proxy.hold_requests(containing=OPEN.sha)
        receiver.wait_for("did not answer within 0.5 s")
        proxy.release()
        receiver.wait_for("is available again after")
        assert receiver.post(1, 2, 5).status_code == 202
    client.close()


def test_records_that_were_added_by_hand_are_no_reason_to_refuse(server: Server) -> None:
    client = raw_client(server.port)
    load_records(client)
    client.hdel("ncc:meta", "books")  # as versions before left it
    with Receiver(server.url, **OFTEN) as receiver:
        assert receiver.post(1, 2, 5).status_code == 202
        add(client, 1, 2, 3)
        assert receiver.post(1, 2, 5).status_code == 202
    client.close()
