"""The files of the live page, and what a browser may do with them."""

from html import escape
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, NamedTuple

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from footfall.config import Settings
from footfall.errors import NotFoundError
from footfall.page.addresses import origin, twins
from footfall.page.bundle import bundle

_FILE_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}
_TYPES = {".css": "text/css", ".js": "text/javascript", ".json": "application/json"}


class File(NamedTuple):
    """A file as it is sent."""

    content: bytes
    media_type: str


def _files() -> dict[str, File]:
    own = Path(str(files(__package__).joinpath("static")))
    leaflet = Path(str(distribution("XStatic-Leaflet").locate_file("xstatic/pkg/leaflet/data")))
    contents = {
        "page.js": bundle(own, "main"),
        "page.css": (leaflet / "leaflet.css").read_text() + (own / "style.css").read_text(),
        "leaflet-src.esm.js": (leaflet / "leaflet-src.esm.js").read_text(),
        "land.json": (own / "land.json").read_text(),
    }
    return {name: File(text.encode(), _TYPES[Path(name).suffix]) for name, text in contents.items()}


def _policy(settings: Settings) -> str:
    """A browser runs no script, and asks no host, but those of the service itself and what settings name.

    Leaflet sets styles by script, which no policy forbids.
    """
    api = settings.api
    services = [name for url in (api.receiver_url, api.auth_url) if url for name in twins(url)]
    tiles = [origin(api.map_tiles)] if api.map_tiles else []
    images = " ".join(["'self'", "data:", *tiles])
    hosts = " ".join(["'self'", *services])
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; connect-src {hosts}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _index(settings: Settings) -> bytes:
    """The page, with the settings that it needs."""
    api = settings.api
    told = {
        "receiver": api.receiver_url,
        "auth": api.auth_url if settings.auth.enabled else None,
        "tiles": api.map_tiles,
        "attribution": api.map_attribution,
        "signin": "on" if settings.auth.enabled else "",
    }
    text = files(__package__).joinpath("static", "index.html").read_text()
    return Template(text).substitute({name: escape(value or "") for name, value in told.items()}).encode()


def live_page(settings: Settings) -> list[HTTPRouteHandler]:
    """The routes of the page, and of its parts."""
    index, parts = _index(settings), _files()
    headers = {
        "content-security-policy": _policy(settings),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
    }

    @get("/", include_in_schema=False, sync_to_thread=False)
    def page() -> Response[bytes]:
        """The page."""
        return Response(index, media_type="text/html", headers=headers)

    @get("/page/{name:str}", include_in_schema=False, sync_to_thread=False)
    def part(name: Annotated[str, PathParameter()]) -> Response[bytes]:
        """A script, a style, or the outline of land. Raises NotFoundError."""
        file = parts.get(name)
        if file is None:
            raise NotFoundError("the live page has no such part")
        return Response(file.content, media_type=file.media_type, headers=_FILE_HEADERS)

    return [page, part]
