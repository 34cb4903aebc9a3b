"""The docs page: whole, our own, and in need of nothing from elsewhere."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from processes import Api
from servers import Server


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[httpx.Client]:
    shared_server.reset()
    with Api(shared_server.url) as process:
        yield process.client


@pytest.fixture(scope="module")
def page(api: httpx.Client) -> str:
    return api.get("/docs").text


class _Tags(HTMLParser):
    """Every tag with its attributes, and the tags that were left open."""

    _VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_where_people_look_for_it(api: httpx.Client, page: str) -> None:
    for path in ("/docs", "/docs/", "/schema", "/schema/"):
        response = api.get(path)
        assert response.status_code == 200, path
        assert response.headers["content-type"] == "text/html; charset=utf-8", path
        assert response.text == page, path
    assert page.startswith("<!doctype html>")


def test_the_document_that_the_page_shows_is_there(api: httpx.Client, page: str) -> None:
    (path,) = re.findall(r'^const DOCUMENT = "(.*)";$', page, re.MULTILINE)
    assert api.get(path).json()["openapi"] == "3.1.0"


def test_the_collection_that_the_page_offers_is_there(api: httpx.Client, page: str) -> None:
    (path,) = re.findall(r'^const COLLECTION = "(.*)";$', page, re.MULTILINE)
    assert api.get(path).json()["item"]


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    for tag, attributes in _Tags(page).tags:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            address = attributes.get(name) or ""
            assert address in ("", "data:,") or re.match(r"/\w", address), (tag, address)
    assert not re.search(r"https?:|//\w+\.\w|@import|url\(|import\(|\.write\(", page)


def test_the_browser_is_told_to_load_nothing_from_elsewhere(page: str) -> None:
    (policy,) = (
        attributes["content"]
        for tag, attributes in _Tags(page).tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "connect-src 'self';" in policy


def test_no_text_of_the_document_is_taken_for_html(page: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|new Function|createContextual", page)


def test_the_page_is_complete(page: str) -> None:
    assert _Tags(page).open == []
    assert "prefers-color-scheme: dark" in page
