"""What the tests of the receiver have in common: who is known, how to ask, what a refusal looks like."""

import time
from typing import Any

from footfall.keys import Keys
from footfall.store.books import open_arguments, open_keys
from footfall.store.scripts import OPEN
from processes import Receiver
from raw_http import Answer, RawConnection, request
from servers import Server

#: a check-in of a known user at a known location
GOOD = b'{"userId":1,"locationId":2,"starRating":3}'
STREAM, META, PROCESSED = "ncc:checkins", "ncc:meta", "ncc:checkinprocessor:processed"
#: seconds within which the receiver says that the server is away
_SOON = 2.0


def open_books(server: Server, prefix: str = "ncc") -> Any:
    """Open the books on an empty server, with user 1 and location 2; a client of it."""
    client, keys = server.client(), Keys(prefix)
    OPEN.run_sync(client, open_keys(keys), open_arguments())
    client.hset(keys.user(1).decode(), "id", 1)
    client.hset(keys.location(2).decode(), "id", 2)
    return client


def ask(receiver: Receiver, *parts: bytes, end: bool = False) -> Answer:
    """The answer to a request, on a connection of its own. `end`: nothing is sent after it."""
    with RawConnection(receiver.port) as connection:
        connection.send(*parts)
        if end:
            connection.end()
        return connection.read()


def post(receiver: Receiver, body: bytes = GOOD) -> Answer:
    """The answer to a check-in."""
    return ask(receiver, request(body))


def accepted_id(answer: Answer) -> str:
    """The entry id in the answer to a check-in that was accepted."""
    assert answer.status == 202, answer
    assert answer.headers["content-type"] == "application/json"
    (name, entry_id), *more = answer.json().items()
    assert (name, more) == ("id", [])
    return str(entry_id)


def assert_problem(answer: Answer, status: int) -> Any:
    """The document of a refusal, which has the form that all of them have."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert "server" not in answer.headers
    assert b"Traceback" not in answer.body
    assert len(answer.body) < 1000
    document = answer.json()
    assert list(document) == ["type", "title", "status", "detail", "requestId", *(["errors"] if status == 422 else [])]
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["status"] == status
    assert document["detail"]
    assert document["requestId"]
    for error in document.get("errors", []):
        assert list(error) == ["field", "message"]
        assert error["message"]
    return document


def assert_unavailable(receiver: Receiver) -> Any:
    """The document of a 503, which comes soon and says when to try again."""
    started = time.monotonic()
    answer = post(receiver)
    assert time.monotonic() - started < _SOON
    assert int(answer.headers["retry-after"]) >= 1
    return assert_problem(answer, 503)
