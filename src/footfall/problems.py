"""Problem documents: how every error is answered (RFC 9457)."""

import msgspec

from footfall.errors import FootfallError, InvalidError

MEDIA_TYPE = "application/problem+json"


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


def problem(error: FootfallError) -> Problem:
    """The problem document of an error."""
    errors = [FieldProblem(*item) for item in error.errors] if isinstance(error, InvalidError) else []
    return Problem(title=error.title, status=error.status, detail=str(error), errors=errors)
