"""The files of the live page, and what a browser may do with them."""

from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Annotated, NamedTuple

from litestar import Response, get
from litestar.params import PathParameter

from footfall.errors import NotFoundError

#: A browser runs no script, and asks no host, but those of the service itself. Leaflet sets styles by script, which no
#: policy forbids.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
_FILE_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}


class File(NamedTuple):
    """A file as it is sent."""

    content: bytes
    media_type: str


def _file(path: Path) -> File:
    return File(path.read_bytes(), _TYPES[path.suffix])


def _all() -> dict[str, File]:
    own = Path(str(files(__package__).joinpath("static")))
    leaflet = Path(str(distribution("XStatic-Leaflet").locate_file("xstatic/pkg/leaflet/data")))
    paths = [*own.iterdir(), leaflet / "leaflet-src.esm.js", leaflet / "leaflet.css"]
    return {path.name: _file(path) for path in paths if path.suffix in _TYPES}


_FILES = _all()


@get("/", include_in_schema=False, sync_to_thread=False)
def page() -> Response[bytes]:
    """The page."""
    file = _FILES["index.html"]
    return Response(file.content, media_type=file.media_type, headers=_PAGE_HEADERS)


@get("/page/{name:str}", include_in_schema=False, sync_to_thread=False)
def part(name: Annotated[str, PathParameter()]) -> Response[bytes]:
    """A script, a style, or the outline of land. Raises NotFoundError."""
    file = _FILES.get(name)
    if file is None or name == "index.html":
        raise NotFoundError("the live page has no such part")
    return Response(file.content, media_type=file.media_type, headers=_FILE_HEADERS)


routes = [page, part]
