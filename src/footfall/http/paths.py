"""Which paths are taken: each as it is written, so that a proxy which guards a path guards all ways to it."""

from collections.abc import Iterable
from urllib.parse import unquote

from litestar.routes import BaseRoute

#: a path that no route has
_NOWHERE = "/%"
#: pages, as people write them
_PAGES = frozenset({b"/", b"/docs/", b"/schema/"})


def is_special(raw: bytes) -> bool:
    """Whether this may be another way of writing the path of a route."""
    return b"%" in raw or b"//" in raw or raw.endswith(b"/")


class Paths:
    """The ways to the routes of an app: each has one, but for the docs page.

    The framework would take `//api/user/1` and `/api/user/1/`, and `/api%2fuser/1` and `/%61pi/user/1`, for
    `/api/user/1`. What may be escaped is the value of a parameter, but no slash in it; except in one that takes the
    rest of the path: that is decoded by the parameter's type alone, since the framework would change its slashes.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._words = {part for route in routes for part in route.path_components if isinstance(part, str)}
        rests = [route.path.partition("{")[0] for route in routes if route.path.endswith(":path}")]
        self._before_rest = tuple(start.encode() for start in rests)

    def find(self, raw: bytes) -> str | None:
        """What to look for in place of the decoded path, which is special; None: that path."""
        if b"//" in raw or raw.endswith(b"/"):
            return None if raw in _PAGES else _NOWHERE
        if raw.startswith(self._before_rest):
            return raw.decode("ascii")
        segments = map(unquote, raw.decode("ascii").split("/"))
        escaped = (text for text, sent in zip(segments, raw.split(b"/"), strict=True) if b"%" in sent)
        return _NOWHERE if any("/" in text or text in self._words for text in escaped) else None
