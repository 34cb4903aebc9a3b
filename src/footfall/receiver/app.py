"""The receiver's ordinary ASGI app: every route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.di import NamedDependency
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.datastructures import ResponseSpec

from footfall.config import Settings
from footfall.errors import FootfallError, TooLargeError
from footfall.http_protocol import limits
from footfall.keys import Keys
from footfall.receiver import batch
from footfall.receiver.check_in import MAX_BODY, REPLAYED, decode, idempotency_key, require_json, require_plain
from footfall.receiver.describe import Accepted, AcceptedBatch, BatchOperation, CheckInOperation, Rejected
from footfall.receiver.durability import check_durability
from footfall.receiver.health import Readiness, metrics_text, readyz
from footfall.receiver.intake import Intake
from footfall.receiver.metrics import Metrics
from footfall.serve import worker_settings
from footfall.store.books import open_pipeline
from footfall.web import create_app, footfall_error, healthz, problems

#: bytes of a body that is too large which are read all the same; a sender that is cut off may never see the answer
_MAX_READ = 2 * 1024 * 1024


def _refused(request: Request[Any, Any, Any], error: FootfallError) -> Response[bytes]:
    request.app.state.metrics.refused(error)
    return footfall_error(request, error)


@post(
    "/api/checkin",
    status_code=202,
    request_max_body_size=_MAX_READ,
    exception_handlers={FootfallError: _refused},
    operation_class=CheckInOperation,
    summary="Store one check-in",
    responses={
        202: ResponseSpec(Accepted, generate_examples=False, description="Stored; the id of its entry"),
        **problems(400, 404, 409, 413, 415, 422, 503),
    },
)
async def check_in(request: Request[Any, Any, Any], intake: NamedDependency[Intake]) -> Response[Accepted]:
    """The body is validated: every field must be there, an integer in its range, and no other field. The user and the
    location must be known. When the answer is 202 the check-in is in the stream, and will be counted exactly once.

    With an `Idempotency-Key` the request may be sent again: it is stored once, and answered as the first time.
    """
    body = await _body(request, MAX_BODY)
    require_json(request.headers.get("content-type"))
    require_plain(request.headers.get("content-encoding"))
    key = idempotency_key(request.headers.getall("idempotency-key", []))
    entry_id, replayed = await intake.store(decode(body), key)
    return Response(Accepted(entry_id), headers=REPLAYED if replayed else {})


@post(
    "/api/checkins",
    status_code=202,
    request_max_body_size=batch.MAX_BODY + _MAX_READ,
    exception_handlers={FootfallError: _refused},
    operation_class=BatchOperation,
    summary="Store many check-ins",
    responses={
        202: ResponseSpec(AcceptedBatch, generate_examples=False, description="What became of each check-in"),
        **problems(400, 413, 415, 422, 503),
    },
)
async def check_ins(request: Request[Any, Any, Any], intake: NamedDependency[Intake]) -> Response[AcceptedBatch]:
    """A JSON array of up to 10,000 check-ins, or one a line (NDJSON), maybe gzipped. Each is stored on its own: `ids`
    has the entries of those that were, in order, and `rejected` has the places of all others (from 0) with the reason.

    With an `Idempotency-Key` the batch may be sent again, also when only part of it was stored: no check-in is stored
    twice. 503 says that nothing of it was stored, or that nothing is known of it.
    """
    body = batch.expand(await _body(request, batch.MAX_BODY), request.headers.get("content-encoding"))
    key = idempotency_key(request.headers.getall("idempotency-key", []))
    read = batch.read(body, request.headers.get("content-type"))
    result = await intake.store_all(read.check_ins, key)
    rejected = dict(read.errors)
    ids = []
    for place, outcome in zip(read.places, result.outcomes, strict=True):
        if isinstance(outcome, bytes):
            ids.append(outcome.decode())
        else:
            rejected[place] = outcome
    if not ids and (failures := [error for error in rejected.values() if error.status >= 500]):
        raise copy(failures[0])
    for error in rejected.values():
        request.app.state.metrics.refused(error)
    details = [Rejected(place, error.status, str(error)) for place, error in sorted(rejected.items())]
    return Response(AcceptedBatch(len(ids), ids, details), headers=REPLAYED if result.replayed else {})


async def _body(request: Request[Any, Any, Any], most: int) -> bytes:
    """The body, read to its end. Raises TooLargeError when it has more than so many bytes."""
    body = bytearray()
    too_large = TooLargeError(f"the body of this request takes at most {most} bytes")
    try:
        async for part in request.stream():
            if len(body) <= most:
                body += part
    except RequestEntityTooLarge:  # so much that the rest is not even read
        raise too_large from None
    if len(body) > most:
        raise too_large
    return bytes(body)


def create(settings: Settings | None = None) -> Litestar:
    """The receiver; in a worker process, from the settings in its environment."""
    settings = settings or worker_settings()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        keys, state, metrics = Keys(settings.prefix), app.state, Metrics()
        check = partial(check_durability, settings=settings)
        pipeline = open_pipeline(settings.server_url, settings, check=check)
        health = open_pipeline(settings.server_url, settings, check=check, is_quiet=True)
        state.metrics = metrics
        state.intake = Intake(pipeline, keys, settings, metrics)
        state.readiness = Readiness(health, settings, state.shared)
        state.shared.update(limits(settings), intake=state.intake, metrics=metrics)
        pipeline.start()
        health.start()
        await pipeline.settle()
        yield
        await state.intake.drain()
        await pipeline.close()
        await health.close()

    return create_app(
        title="Footfall receiver",
        description="Takes check-ins. A 202 says that the check-in is stored.",
        handlers=[check_in, check_ins, healthz, readyz, metrics_text],
        lifespan=lifespan,
        provide=("intake", "readiness"),
    )
