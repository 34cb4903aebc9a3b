"""The receiver: what it accepts, in whatever way it comes over the wire."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from footfall.domain.model import MAX_ID
from footfall.store.scripts import RECEIVE
from processes import Receiver
from proxy import Proxy
from raw_http import RawConnection, request
from receiver_scene import GOOD, STREAM, accepted_id, ask, assert_problem, open_metadata, post
from servers import Server, wait_until

_UNKNOWN_USER = b'{"userId":9,"locationId":2,"starRating":3}'


@pytest.fixture(scope="module")
def receiver(shared_server: Server) -> Iterator[Receiver]:
    shared_server.reset()
    with Receiver(shared_server.url) as receiver:
        yield receiver


@pytest.fixture
def client(server: Server) -> Any:
    return open_metadata(server)


def test_a_check_in_is_answered_with_the_id_of_its_entry(receiver: Receiver, client: Any) -> None:
    entry_id = accepted_id(post(receiver))
    ((stored_id, fields),) = client.xrange(STREAM)
    assert stored_id == entry_id
    assert list(fields.items()) == [("locationId", "2"), ("userId", "1"), ("starRating", "3")], "in this order"


@pytest.mark.parametrize(
    "body",
    [
        b'{"starRating":3,"locationId":2,"userId":1}',
        b' {\r\n\t"userId" : 1 , "locationId" : 2 , "starRating" : 3 } \n',
        b'{"user\\u0049d":1,"locationId":2,"starRating":3}',
    ],
    ids=["another order", "white space", "escapes"],
)
def test_json_may_be_written_in_many_ways(receiver: Receiver, client: Any, body: bytes) -> None:
    entry_id = accepted_id(post(receiver, body))
    assert client.xrange(STREAM) == [(entry_id, {"locationId": "2", "userId": "1", "starRating": "3"})]


def test_the_ends_of_each_range_are_accepted(receiver: Receiver, client: Any) -> None:
    client.hset(f"ncc:users:{MAX_ID}", "id", MAX_ID)
    client.hset(f"ncc:locations:{MAX_ID}", "id", MAX_ID)
    client.hset("ncc:locations:1", "id", 1)
    for user, location, stars in ((1, 1, 0), (MAX_ID, MAX_ID, 5)):
        body = b'{"userId":%d,"locationId":%d,"starRating":%d}' % (user, location, stars)
        entry_id = accepted_id(post(receiver, body))
        fields = {"locationId": str(location), "userId": str(user), "starRating": str(stars)}
        assert client.xrange(STREAM, entry_id, entry_id) == [(entry_id, fields)]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_is_json_with_any_parameter(receiver: Receiver, client: Any, content_type: str) -> None:
    accepted_id(ask(receiver, request(GOOD, headers={"Content-Type": content_type})))


# --- ways over the wire


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_may_come_in_chunks(receiver: Receiver, client: Any, size: int) -> None:
    entry_id = accepted_id(ask(receiver, request(GOOD, chunks=size)))
    assert [entry for entry, _ in client.xrange(STREAM)] == [entry_id]


@pytest.mark.parametrize("chunks", [None, 15], ids=["whole", "chunked"])
def test_a_request_may_be_split_anywhere(receiver: Receiver, client: Any, chunks: int | None) -> None:
    data = request(GOOD, chunks=chunks)
    with RawConnection(receiver.port) as connection, RawConnection(receiver.port) as other:
        for position in range(1, len(data)):
            connection.send(data[:position])
            other.send(request(method="GET", path="/nothing"))
            other.read()  # by now, the first part has been read
            connection.send(data[position:])
            accepted_id(connection.read())
    assert client.xlen(STREAM) == len(data) - 1


def test_a_connection_takes_one_check_in_after_another(receiver: Receiver, client: Any) -> None:
    with RawConnection(receiver.port) as connection:
        ids = []
        for _ in range(20):
            connection.send(request(GOOD))
            ids.append(accepted_id(connection.read()))
    assert ids == [entry_id for entry_id, _ in client.xrange(STREAM)]


def test_pipelined_requests_are_answered_in_order(receiver: Receiver, client: Any) -> None:
    bodies = [GOOD, b"?", GOOD, _UNKNOWN_USER, b"[]", GOOD, GOOD]
    with RawConnection(receiver.port) as connection:
        connection.send(b"".join(map(request, bodies)) + request(method="GET", path="/nothing"))
        answers = [connection.read() for _ in range(len(bodies) + 1)]
    assert [answer.status for answer in answers] == [202, 400, 202, 404, 422, 202, 202, 404]
    ids = [accepted_id(answer) for answer in answers if answer.status == 202]
    assert ids == [entry_id for entry_id, _ in client.xrange(STREAM)]


def test_the_connection_ends_when_the_client_wants_it_so(receiver: Receiver, client: Any) -> None:
    for data in (request(GOOD, headers={"Connection": "close"}), request(GOOD, version="1.0")):
        with RawConnection(receiver.port) as connection:
            connection.send(data)
            accepted_id(connection.read())
            assert connection.is_ended()


def test_a_client_that_has_nothing_more_to_send_gets_its_answer(receiver: Receiver, client: Any) -> None:
    accepted_id(ask(receiver, request(GOOD), end=True))
    accepted_id(ask(receiver, request(GOOD, chunks=10), end=True))


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked(receiver: Receiver, client: Any) -> None:
    head, _, body = request(GOOD, headers={"Expect": "100-continue"}).partition(b"\r\n\r\n")
    with RawConnection(receiver.port) as connection:
        connection.send(head + b"\r\n\r\n")
        assert not connection.is_ended(), "an interim answer comes before the body is sent"
        connection.send(body)
        accepted_id(connection.read())


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_offer_to_upgrade_is_passed_over(receiver: Receiver, client: Any, protocol: str) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": protocol}
    accepted_id(ask(receiver, request(GOOD, headers=headers)))
    accepted_id(ask(receiver, request(GOOD, headers=headers, chunks=10)))


def test_a_client_that_does_not_wait_for_the_answer_disturbs_nobody(receiver: Receiver, client: Any) -> None:
    for _ in range(10):
        with RawConnection(receiver.port) as connection:
            connection.send(request(GOOD))
    wait_until(lambda: client.xlen(STREAM) == 10, "all are stored")
    accepted_id(post(receiver))
    assert "Traceback" not in receiver.log


# --- the write


def test_what_arrives_during_a_write_goes_along_in_the_next(server: Server, client: Any) -> None:
    with Proxy(server.port) as proxy, Receiver(proxy.url, max_batch=20) as receiver:
        proxy.hold_requests(containing=RECEIVE.sha)
        connections = [RawConnection(receiver.port) for _ in range(41)]
        connections[0].send(request(GOOD))
        proxy.wait_until_holding()
        client.config_resetstat()
        for connection in connections[1:]:
            connection.send(request(GOOD))
        for _ in range(2):
            assert_problem(ask(receiver, request(method="GET", path="/nothing")), 404)  # by now, all are read
        proxy.release()
        ids = Counter(accepted_id(connection.read()) for connection in connections)
        for connection in connections:
            connection.close()
    assert dict(ids) == dict.fromkeys((entry_id for entry_id, _ in client.xrange(STREAM)), 1)
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == 3  # of 1, 20 and 20


def test_unknown_ids_may_be_allowed(server: Server, client: Any) -> None:
    with Receiver(server.url, unknown_ids="create") as receiver:
        before = client.xlen(STREAM)
        entry_id = accepted_id(post(receiver, _UNKNOWN_USER))
        assert client.xlen(STREAM) == before + 1
        assert client.xrevrange(STREAM, count=1)[0][0] == entry_id
        assert_problem(post(receiver, b'{"userId":0,"locationId":2,"starRating":3}'), 422)
    assert not client.exists("ncc:users:9"), "the processor creates the record"


# --- what it says of itself


def test_the_receiver_describes_its_route(receiver: Receiver) -> None:
    answer = ask(receiver, request(method="GET", path="/schema/openapi.json"))
    assert answer.status == 200
    operation = answer.json()["paths"]["/api/checkin"]["post"]
    assert set(operation["responses"]) == {"202", "400", "401", "403", "404", "409", "413", "415", "422", "429", "503"}
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/CheckIn"}
    schema = answer.json()["components"]["schemas"]["CheckIn"]
    assert set(schema["required"]) == set(schema["properties"]) == {"userId", "locationId", "starRating"}
    assert ask(receiver, request(method="GET", path="/docs")).status == 200
