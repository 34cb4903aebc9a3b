"""What the tests of the receiver have in common: who is known, how to ask, what a refusal looks like."""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from footfall import config
from footfall.domain.model import CheckIn
from footfall.errors import FootfallError
from footfall.keys import Keys
from footfall.receiver.intake import Intake
from footfall.receiver.metrics import Metrics
from footfall.store.calls.receive import Outcome
from footfall.store.metadata import open_pipeline
from footfall.store.scripts import RECEIVE
from metadata_scene import make_metadata
from processes import Receiver
from raw_http import Answer, RawConnection, request
from servers import Server

#: a check-in of a known user at a known location, as it is sent and as it is read
GOOD = b'{"userId":1,"locationId":2,"starRating":3}'
CHECK_IN = CheckIn(user_id=1, location_id=2, star_rating=3)
STREAM, META, PROCESSED = "ncc:checkins", "ncc:meta", "ncc:checkinprocessor:processed"
#: seconds within which the receiver says that the server is away
_SOON = 2.0


def open_metadata(server: Server, prefix: str = "ncc") -> Any:
    """Open the metadata on an empty server, with user 1 and location 2; a client of it.

    They are always the same metadata: a receiver that serves several tests takes no others.
    """
    client, keys = server.client(), Keys(prefix)
    make_metadata(client, keys)
    client.hset(keys.meta.decode(), "books", "1.1")
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


def post_batch(receiver: Receiver, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer to a batch."""
    return ask(receiver, request(body, path="/api/checkins", headers=headers))


def array(check_ins: Iterable[CheckIn]) -> bytes:
    """Check-ins as the body of a batch."""
    rows = [
        {"userId": item.user_id, "locationId": item.location_id, "starRating": item.star_rating} for item in check_ins
    ]
    return json.dumps(rows).encode()


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


# --- without HTTP


@contextlib.asynccontextmanager
async def intake_at(url: str, **chosen: object) -> AsyncIterator[Intake]:
    """An intake in this process, connected, with these settings."""
    settings = config.load({"redis_url": url, "server_timeout": 10, **chosen})
    pipeline = open_pipeline(url, settings.server)
    pipeline.start()
    await pipeline.settle()
    intake = Intake(pipeline, Keys(settings.server.prefix), settings, Metrics())
    try:
        yield intake
        await intake.drain()
        assert intake.pending == 0
    finally:
        await pipeline.close()


def stored(client: Any) -> list[tuple[str, CheckIn]]:
    """The entries of the stream, which are as the receiver writes them."""
    entries = []
    for entry_id, fields in client.xrange(STREAM):
        assert list(fields) == ["locationId", "userId", "starRating"]
        location, user, stars = map(int, fields.values())
        entries.append((entry_id, CheckIn(user_id=user, location_id=location, star_rating=stars)))
    return entries


def calls(client: Any) -> int:
    """How often the server has run receive.lua since `count_calls`."""
    found = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})
    return int(found["calls"])


def count_calls(client: Any) -> None:
    """Begin to count with `calls`."""
    client.script_load(RECEIVE.source)
    client.config_resetstat()


class Outcomes:
    """Takes the outcomes of check-ins, by number."""

    def __init__(self) -> None:
        self.by_number = dict[int, list[tuple[Outcome, bool]]]()

    def add(self, intake: Intake, number: int, check_in: CheckIn = CHECK_IN, key: str | None = None) -> None:
        told = self.by_number.setdefault(number, [])
        intake.add(check_in, lambda outcome, replayed: told.append((outcome, replayed)), key)

    def ids(self) -> list[str]:
        """The id of each, all of which were stored, told once."""
        found = []
        for told in self.by_number.values():
            ((outcome, replayed),) = told
            assert isinstance(outcome, bytes), outcome
            assert not replayed
            found.append(outcome.decode())
        return found

    def all_are(self, kind: type[FootfallError]) -> bool:
        """Whether each was told this error, once."""
        return all(len(told) == 1 and isinstance(told[0][0], kind) for told in self.by_number.values())
