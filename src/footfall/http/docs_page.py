"""The docs page of a service: renders its OpenAPI document, and needs nothing from anywhere else."""

from importlib import resources
from typing import Any

from litestar import MediaType, Request, Router, get
from litestar.openapi.plugins import OpenAPIRenderPlugin

#: the page, the same for every service: it fetches `/schema/openapi.json` from the one that sent it
_PAGE = resources.files("footfall.http").joinpath("docs_page.html").read_bytes()


class DocsPage(OpenAPIRenderPlugin):
    """The page at `/schema`, beside the document itself at `/schema/openapi.json`."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, _request: Request[Any, Any, Any], _openapi_schema: dict[str, Any]) -> bytes:
        return _PAGE

    def receive_router(self, router: Router) -> None:
        # the framework answers what is not there with a page of its own; here every error is a problem document
        router.routes = [route for route in router.routes if not route.path_parameters]


@get("/docs", media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def docs() -> bytes:
    """The page again, where people look first."""
    return _PAGE
