"""The docs page: whole, our own, and in need of nothing from elsewhere."""

import json
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from openapi_documents import DOCUMENTS
from processes import Api
from servers import Server, installed


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


#: runs the page's script with just enough of a browser: the page is at the first argument, and finds its document at
#: any address; prints what it asks for, with all its forms sent, and where its links lead
_BROWSER = """
const [address, page, found] = JSON.parse(require("fs").readFileSync(0));
const all = [], asked = [];
const element = tag => {
  const made = { childNodes: [], append(...more) { this.childNodes.push(...more); }, replaceChildren() {}, remove() {},
    matches: () => false, addEventListener(name, act) { this["on" + name] = act; } };
  if (tag === "select") Object.defineProperty(made, "value", { get() { return this.childNodes[0]?.value; } });
  all.push(made);
  return made;
};
const url = new URL(address);
const browser = { URL, URLSearchParams, AbortController, console, history: {}, window: { addEventListener() {} },
  location: { origin: url.origin, pathname: url.pathname, hash: "" },
  document: { createElement: element, getElementById: () => element("") },
  fetch: async (target, options) => {
    asked.push([options?.method ?? "GET", new URL(target, address).href]);
    return { ok: true, status: 204, json: async () => found, text: async () => "", headers: new Map() };
  } };
require("vm").runInNewContext(page.match(/<script>([^]*)<\\/script>/)[1], browser);
setTimeout(async () => {
  for (const form of all.filter(made => made.onsubmit)) await form.onsubmit({ preventDefault() {} });
  console.log(JSON.stringify([asked, all.filter(made => made.href).map(made => new URL(made.href, address).href)]));
});
"""


def browse(address: str, page: str, document: object) -> tuple[list[list[str]], list[str]]:
    """What a browser asks for that shows the page, found at this address: method and URL. And where its links lead."""
    node = installed("node")
    text = json.dumps([address, page, document])
    done = subprocess.run([node, "-e", _BROWSER], input=text, capture_output=True, text=True, timeout=60, check=True)
    asked, links = json.loads(done.stdout)
    return asked, links


@pytest.mark.parametrize(
    ("address", "server", "beside", "routes"),
    [
        ("http://a.example/docs", "/", "http://a.example", "http://a.example"),
        ("http://a.example/docs/", "/", "http://a.example", "http://a.example"),
        ("http://a.example/schema/", "/", "http://a.example", "http://a.example"),
        ("https://a.example/x/docs", "/x", "https://a.example/x", "https://a.example/x"),
        ("https://a.example/x/receiver/schema", "/x", "https://a.example/x/receiver", "https://a.example/x"),
        ("https://a.example/x/docs", "https://a.example/x", "https://a.example/x", "https://a.example/x"),
        # the host is that of the page, whatever the document says
        ("https://a.example/x/docs", "http://b.example/x", "https://a.example/x", "https://a.example/x"),
        ("https://a.example//b.example/docs", "//b.example", "https://a.example//b.example", "https://a.example"),
    ],
)
def test_the_page_works_wherever_a_proxy_puts_it(
    page: str, address: str, server: str, beside: str, routes: str
) -> None:
    document = DOCUMENTS["api"] | {"servers": [{"url": server}]}
    (first, *sent), links = browse(address, page, document)
    assert first == ["GET", f"{beside}/schema/openapi.json"]
    assert ["GET", f"{routes}/api/user/180"] in sent
    operations = sum(len(item) for item in DOCUMENTS["api"]["paths"].values())
    assert len(sent) == operations
    assert all(
        url.startswith(
            (f"{routes}/api/", f"{routes}/checkins/", f"{routes}/healthz", f"{routes}/readyz", f"{routes}/metrics")
        )
        for _, url in sent
    )
    assert links == [f"{beside}/schema/openapi.json", f"{beside}/schema/postman.json"]


def test_what_the_page_shows_and_offers_is_there(api: httpx.Client) -> None:
    assert api.get("/schema/openapi.json").json()["openapi"] == "3.1.0"
    assert api.get("/schema/postman.json").json()["item"]


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
