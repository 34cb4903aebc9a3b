"""The receiver's ordinary ASGI app: every route."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from itertools import compress
from operator import not_
from typing import Any

from litestar import Litestar, Request, Response, Router, post
from litestar.di import NamedDependency

from footfall.config import Settings
from footfall.errors import FootfallError
from footfall.http.app import answers, body_of, create_app, footfall_error, problems
from footfall.http.health import healthz
from footfall.http.server import worker_settings
from footfall.http.state import share
from footfall.identity.credentials import credential
from footfall.identity.describe import ANYBODY, SECURITY_SCHEMES, SENDER
from footfall.identity.identities import FORBIDDEN, Identities, Identity
from footfall.keys import Keys
from footfall.receiver import batch_body
from footfall.receiver.check_in import MAX_BODY, REPLAYED, decode, idempotency_key, require_json, require_plain
from footfall.receiver.describe import (
    Accepted,
    AcceptedBatch,
    BatchOperation,
    CheckInOperation,
    Rejected,
    RejectedAlike,
)
from footfall.receiver.durability import check_durability
from footfall.receiver.health import Readiness, metrics_text, readyz
from footfall.receiver.intake import Intake
from footfall.receiver.metrics import Metrics
from footfall.receiver.state import ReceiverState
from footfall.store import permissions
from footfall.store.metadata import open_pipeline

#: bytes of a body that is too large which are read all the same; a sender that is cut off may never see the answer
_MAX_READ = 2 * 1024 * 1024
#: who sends a request while sign-in is off: its idempotency keys are nobody's
_ANYBODY = Identity(user_id=None, owner="", until=0)


def _refused(request: Request[Any, Any, Any], error: FootfallError) -> Response[bytes]:
    request.app.state.metrics.refused(error)
    response = footfall_error(request, error)
    response.headers = {**_rate_limit(request), **response.headers}
    return response


async def _sender(request: Request[Any, Any, Any]) -> Identity:
    """Who sends the request. Raises UnauthorizedError when that is nobody, and as `Identities.find`."""
    identities: Identities | None = request.app.state.identities
    if identities is None:
        return _ANYBODY
    headers = request.headers
    sender = await identities.find(credential(headers.getall("authorization", []), headers.getall("cookie", [])))
    request.state.quota = sender.quota
    return sender


def _rate_limit(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The RateLimit headers of the answer to a token with a rate."""
    quota = request.state.get("quota")
    return {} if quota is None else quota.headers()


@post(
    "/api/checkin",
    operation_id="postCheckin",
    status_code=202,
    request_max_body_size=_MAX_READ,
    exception_handlers={FootfallError: _refused},
    operation_class=CheckInOperation,
    summary="Store one check-in",
    tags=["check-ins"],
    responses={
        **answers(Accepted("1609602085397-0"), 202, "Stored; the id of its entry"),
        **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    },
)
async def check_in(request: Request[Any, Any, Any], intake: NamedDependency[Intake]) -> Response[Accepted]:
    """The body is validated: every field must be there, an integer in its range, and no other field. The user and the
    location must be known. When the answer is 202 the check-in is in the stream, and will be counted exactly once.

    With an `Idempotency-Key` the request may be sent again: it is stored once, and answered as the first time.

    When sign-in is on, it needs the session's cookie of the same user, or a token.
    """
    body = await body_of(request, MAX_BODY)
    sender = await _sender(request)
    require_json(request.headers.get("content-type"))
    require_plain(request.headers.get("content-encoding"))
    key = idempotency_key(request.headers.getall("idempotency-key", []))
    read = decode(body)
    if not sender.may_post(read.user_id):
        raise copy(FORBIDDEN)
    if sender.quota is not None:
        await sender.quota.reserve(1)
    entry_id, replayed = await intake.store(read, key, sender.owner)
    return Response(Accepted(entry_id), headers={**_rate_limit(request), **(REPLAYED if replayed else {})})


@post(
    "/api/checkins",
    operation_id="postCheckins",
    status_code=202,
    request_max_body_size=batch_body.MAX_BODY + _MAX_READ,
    exception_handlers={FootfallError: _refused},
    operation_class=BatchOperation,
    summary="Store many check-ins",
    tags=["check-ins"],
    responses={
        **answers(
            AcceptedBatch(1, ["1609602085397-0"], [Rejected(1, 404, "there is no such user")]),
            202,
            "What became of each check-in",
        ),
        **problems(400, 401, 413, 415, 422, 429, 503),
    },
)
async def check_ins(request: Request[Any, Any, Any], intake: NamedDependency[Intake]) -> Response[AcceptedBatch]:
    """A JSON array of up to 10,000 check-ins, or one a line (NDJSON), maybe gzipped. Each is stored on its own: `ids`
    has the entries of those that were, in order, and `rejected` has the places of all others (from 0) with the reason;
    beyond the first 100, `alsoRejected` has their places by status.

    With an `Idempotency-Key` the batch may be sent again, also when only part of it was stored: no check-in is stored
    twice. 503 says that nothing of it was stored, or that nothing is known of it.

    When sign-in is on, it needs a session's cookie, and all check-ins but that user's own are rejected; or a token.
    """
    sent = await body_of(request, batch_body.MAX_BODY)
    sender = await _sender(request)
    body = batch_body.expand(sent, request.headers.get("content-encoding"))
    key = idempotency_key(request.headers.getall("idempotency-key", []))
    read = await batch_body.read(body, request.headers.get("content-type"))
    may_post = [sender.may_post(check_in.user_id) for check_in in read.check_ins]
    if sender.quota is not None:
        await sender.quota.reserve(len(read.check_ins))
    result = await intake.store_all(list(compress(read.check_ins, may_post)), key, sender.owner)
    rejected = dict(read.errors) | dict.fromkeys(compress(read.places, map(not_, may_post)), FORBIDDEN)
    ids = []
    for place, outcome in zip(compress(read.places, may_post), result.outcomes, strict=True):
        if isinstance(outcome, bytes):
            ids.append(outcome.decode())
        else:
            rejected[place] = outcome
    if not ids and (failures := [error for error in rejected.values() if error.status >= 500]):
        raise copy(failures[0])
    for reason, count in Counter(error.reason for error in rejected.values()).items():
        request.app.state.metrics.refused_for(reason, count)
    headers = {**_rate_limit(request), **(REPLAYED if result.replayed else {})}
    return Response(AcceptedBatch(len(ids), ids, *_told(rejected)), headers=headers)


def _told(rejected: Mapping[int, FootfallError]) -> tuple[list[Rejected], list[RejectedAlike]]:
    """What an answer says of the check-ins that were not stored: of many of them, only places and statuses."""
    places = sorted(rejected)
    alike: dict[int, list[int]] = {}
    for place in places[batch_body.TOLD :]:
        alike.setdefault(rejected[place].status, []).append(place)
    first = [Rejected(place, rejected[place].status, str(rejected[place])) for place in places[: batch_body.TOLD]]
    return first, [RejectedAlike(status, alike[status]) for status in sorted(alike)]


def create(settings: Settings | None = None) -> Litestar:
    """The receiver; in a worker process, from the settings in its environment."""
    settings = settings or worker_settings()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        keys, state, metrics = Keys(settings.server.prefix), app.state, Metrics()
        check = partial(check_durability, settings=settings.server)
        pipeline = open_pipeline(
            settings.server.url, settings.server, commands=permissions.receiver(settings), check=check
        )
        # the other one may be waiting for replicas
        beside = open_pipeline(settings.server.url, settings.server, check=check, is_quiet=True)
        state.metrics = metrics
        state.intake = Intake(pipeline, keys, settings, metrics)
        state.identities = Identities(beside, keys, settings.auth) if settings.auth.enabled else None
        shared = {"intake": state.intake, "metrics": metrics, "identities": state.identities}
        state.readiness = Readiness(beside, settings, share(state.shared, ReceiverState, settings.http, **shared))
        pipeline.start()
        beside.start()
        await pipeline.settle()
        yield
        await state.intake.drain()
        await pipeline.close()
        await beside.close()

    posting = Router(
        "/", route_handlers=[check_in, check_ins], security=SENDER if settings.auth.enabled else [*SENDER, ANYBODY]
    )
    return create_app(
        title="Footfall receiver",
        description="Takes check-ins. A 202 says that the check-in is stored.",
        handlers=[posting, healthz, readyz, metrics_text],
        lifespan=lifespan,
        cors_origins=settings.http.cors_origins,
        proxies=settings.http.proxies,
        security_schemes=SECURITY_SCHEMES,
        provide=("intake", "readiness"),
    )
