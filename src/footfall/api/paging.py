"""Lists in pages: where a page begins, and the link to the next one."""

import re
from typing import Annotated, NamedTuple

from litestar.datastructures import ResponseHeader
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from footfall.api.parameters import CursorParameter, LimitParameter
from footfall.api.reading import Reader
from footfall.api.record_shapes import id_in
from footfall.errors import BrokenKeyError
from footfall.store.calls.records import read_ranked

Limit = Annotated[LimitParameter, QueryParameter(description="Length of a page", examples=[Example(value=10)])]
After = Annotated[
    CursorParameter | None,
    QueryParameter(description="Where the page begins: from the link to it", examples=[Example(value="2332-180")]),
]
LIMIT = LimitParameter(100)

#: what the description of a route says that answers in pages
NEXT_PAGE = ResponseHeader(
    name="Link",
    value="",  # for its type
    documentation_only=True,
    description='When more follow: the next page, as `<...>; rel="next"` (RFC 8288)',
)

_is_number = re.compile(rb"(0|[1-9][0-9]{0,15})").fullmatch


class Page(NamedTuple):
    """A page of an index."""

    ids: list[bytes]
    #: where the next page begins; None when there is none
    after: str | None


def link(path: str, after: str | None, **parameters: object) -> dict[str, str]:
    """The headers of an answer: with the link to the next page of `path`, when there is one.

    `parameters` are the query's others; those that are None are left out.
    """
    if after is None:
        return {}
    query = ""
    for name, value in parameters.items():
        if value is not None:
            query += f"{name}={value}&"
    return {"Link": f'<{path}?{query}after={after}>; rel="next"'}


async def ranked(reader: Reader, index: bytes, *, limit: int, after: CursorParameter | None, least: int = 0) -> Page:
    """A page of an index by score: highest first, down to `least`; with the same score, by id as text, last first.

    Raises BrokenKeyError.
    """
    count = limit + 1  # one more tells whether there is a next page
    if after is None:
        found = await reader.call("ZRANGE", index, "+inf", least, "BYSCORE", "REV", "LIMIT", 0, count, "WITHSCORES")
    else:
        found = await reader.run(read_ranked(index, score=after.number, member=after.id, least=least, most=count))
    ids, scores = found[::2], found[1::2]
    if len(ids) <= limit:
        return Page(ids, None)
    return Page(ids[:limit], cursor(index, scores[limit - 1], ids[limit - 1]))


def cursor(index: bytes, number: bytes, member: bytes) -> str:
    """Where the page begins behind this entry of the index. Raises BrokenKeyError when it can be none."""
    if _is_number(number):
        return f"{number.decode()}-{id_in(index, member).decode()}"
    raise BrokenKeyError(f"{index.decode()} has an entry that is about no record")
