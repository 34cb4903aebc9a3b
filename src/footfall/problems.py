"""Problem documents: how every error is answered (RFC 9457)."""

from http import HTTPStatus

import msgspec

from footfall.errors import FootfallError, InvalidError

MEDIA_TYPE = "application/problem+json"
#: names of RFC 9110 that Python has from 3.13 on
_NEW_NAMES = {413: "Content too large", 422: "Unprocessable content"}


class FieldProblem(msgspec.Struct):
    """What is wrong with one field; `field` is empty when it is the whole value."""

    field: str
    message: str


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of every answer that is not a success."""

    # by a factory, so that it is written although it is the default
    type: str = msgspec.field(default_factory=lambda: "about:blank")
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


def title(status: int) -> str:
    """The name of a status: with type `about:blank`, a title says no more (RFC 9457, section 4.2.1)."""
    return _NEW_NAMES.get(status) or HTTPStatus(status).phrase.capitalize()


def problem(error: FootfallError) -> Problem:
    """The problem document of an error."""
    errors = [FieldProblem(*item) for item in error.errors] if isinstance(error, InvalidError) else []
    return Problem(title=title(error.status), status=error.status, detail=str(error), errors=errors)
