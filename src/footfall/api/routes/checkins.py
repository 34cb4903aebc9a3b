"""What the API answers about check-ins. Entries that are not check-ins (they become dead letters) are left out."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from footfall.api import encode
from footfall.api.describe import answers_like
from footfall.api.parameters import EntryIdParameter, LimitParameter, TimeParameter
from footfall.api.reading import Reader
from footfall.domain import entries
from footfall.domain.entries import RawEntry, Reason, ms_of, parse_entry_id
from footfall.domain.model import Entry
from footfall.errors import InvalidError, NotFoundError
from footfall.http.app import problems

_PAGE = LimitParameter(LimitParameter.most)
#: comes before every entry; there is none with this id
_BEGINNING = EntryIdParameter("0-0")
#: How many entries each step back from the newest looks at. The newest nearly always is a check-in; when it is
#: not, a stream of nothing but bad entries must not be read to its beginning.
_STEPS_BACK = (1, 99, *[100] * 9)

_FIRST = Entry(id="1609602085397-0", timestamp=1609602085397, user_id=789, location_id=171, star_rating=5)


def _check_in(entry: RawEntry) -> Entry | None:
    """The check-in in an entry; None when it is not one."""
    entry_id, fields = entry
    read = entries.read(entry_id, fields)
    if isinstance(read, Reason):
        return None
    return Entry(
        id=entry_id.decode(),
        timestamp=ms_of(entry_id),
        user_id=int(read.user_id),
        location_id=int(read.location_id),
        star_rating=int(read.star_rating),
    )


@get(
    "/api/checkins/{start:str}/{end:str}",
    operation_id="listCheckins",
    summary="Check-ins between two times",
    tags=["check-ins"],
    response_description="Check-ins, oldest first",
    response_headers=[
        ResponseHeader(
            name="Link",
            value="",  # for its type
            documentation_only=True,
            description='When more follow: the next page, as `<...>; rel="next"` (RFC 8288)',
        )
    ],
    operation_class=answers_like([_FIRST]),
    responses=problems(400, 422, 503),
)
async def between(
    reader: NamedDependency[Reader],
    start: Annotated[
        TimeParameter,
        PathParameter(description="First time, in ms", examples=[Example(value=_FIRST.timestamp)]),
    ],
    end: Annotated[
        TimeParameter,
        PathParameter(description="Last time, in ms, included", examples=[Example(value=_FIRST.timestamp)]),
    ],
    limit: Annotated[
        LimitParameter, QueryParameter(description="Length of a page", examples=[Example(value=100)])
    ] = _PAGE,
    after: Annotated[
        EntryIdParameter,
        QueryParameter(description="Continue after the entry with this id", examples=[Example(value="0-0")]),
    ] = _BEGINNING,
) -> Response[list[Entry]]:
    """Check-ins between two times, both included, in the order in which they came.

    Follow the `Link` header until there is none: pages leave nothing out and repeat nothing. A page may hold fewer
    check-ins than `limit` although more follow, since entries that are not check-ins are left out.
    """
    if start > end:
        raise InvalidError([("start", "must not be later than end")])
    after_id = parse_entry_id(after)
    if after_id[0] > end:  # the server refuses to look after the last id of all
        return Response([])
    first = f"({after}" if after_id >= (start, 0) else f"{start}-0"
    # one more than a page tells whether there is a next one
    found: list[RawEntry] = await reader.call("XRANGE", reader.keys.stream, first, int(end), "COUNT", limit + 1)
    page = found[:limit]
    headers = {}
    if len(found) > limit:
        last = page[-1][0].decode()
        headers["Link"] = f'</api/checkins/{start}/{end}?limit={limit}&after={last}>; rel="next"'
    body: Any = encode.check_ins(page)  # bytes, which the framework sends as they are
    return Response(body, headers=headers)


def _id_of_latest(_handler: object, _method: object, components: list[Any]) -> str:
    return "getLatestCheckin" if components[0] == "api" else "getLatestCheckinByShortPath"


@get(
    ["/api/checkins/latest", "/checkins/latest"],
    operation_id=_id_of_latest,
    summary="The newest check-in",
    tags=["check-ins"],
    response_description="The newest check-in",
    operation_class=answers_like(_FIRST),
    responses=problems(404, 503),
)
async def latest(reader: NamedDependency[Reader]) -> Entry:
    """The check-in that came last."""
    end = "+"
    for count in _STEPS_BACK:
        page: list[RawEntry] = await reader.call("XREVRANGE", reader.keys.stream, end, "-", "COUNT", count)
        for raw in page:
            if entry := _check_in(raw):
                return entry
        if len(page) < count:
            raise NotFoundError("there are no check-ins")
        end = f"({page[-1][0].decode()}"
    raise NotFoundError(f"none of the newest {sum(_STEPS_BACK)} entries is a check-in")


@get(
    "/api/checkin/{id:str}",
    operation_id="getCheckin",
    summary="A check-in",
    tags=["check-ins"],
    response_description="The check-in",
    operation_class=answers_like(_FIRST),
    responses=problems(404, 422, 503),
)
async def check_in(
    # named as in the path, so that errors name what the client sees
    id: Annotated[  # noqa: A002
        EntryIdParameter,
        PathParameter(description="The id of its entry", examples=[Example(value=_FIRST.id)]),
    ],
    reader: NamedDependency[Reader],
) -> Entry:
    """The check-in whose entry has this id, for as long as the stream keeps it."""
    found: list[RawEntry] = await reader.call("XRANGE", reader.keys.stream, id, id)
    if found and (entry := _check_in(found[0])):
        return entry
    raise NotFoundError("there is no such check-in in the stream")


routes = [between, latest, check_in]
