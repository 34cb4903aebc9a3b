"""Where clients see a service: links, documents and collections follow what a trusted proxy says, and nobody else."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api_scene import store_locations, store_users, user_answer
from auth_scene import new_token
from footfall.http.forwarded import MAX_PREFIX
from processes import Api, Auth, Processor, Receiver, Service
from raw_http import Answer, RawConnection
from receiver_scene import open_metadata
from servers import Server

#: who is trusted, and somebody else
PROXY, OTHER = "127.0.0.3", "127.0.0.1"
PAGE = "/api/users/bycheckins?limit=1"
LINK = '</api/users/bycheckins?limit=1&after=3-1>; rel="next"'
_VARY = "X-Forwarded-Host, X-Forwarded-Prefix, X-Forwarded-Proto"


@pytest.fixture(scope="module")
def api(shared_server: Server) -> Iterator[Api]:
    shared_server.reset()
    client = open_metadata(shared_server)
    store_users(client, [user_answer(1, numCheckins=3), user_answer(2, numCheckins=2)])
    store_locations(client, [])
    with Api(shared_server.url, trusted_proxies=f"{PROXY}/32") as api:
        yield api


def ask(
    service: Service,
    path: str,
    *headers: tuple[str, bytes],
    source: str = PROXY,
    method: str = "GET",
    body: bytes = b"",
) -> Answer:
    """The answer to a request with these headers, as they are."""
    lines = [b"%s %s HTTP/1.1" % (method.encode(), path.encode()), b"Host: api.internal:8081"]
    lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    lines += [name.encode() + b": " + value for name, value in headers]
    with RawConnection(service.port, source) as connection:
        connection.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        return connection.read(to_head=method == "HEAD")


def seen(service: Service, *headers: tuple[str, bytes], source: str = PROXY) -> tuple[str, str]:
    """What the OpenAPI document and the Postman collection say of where the service is."""
    document = ask(service, "/schema/openapi.json", *headers, source=source).json()
    collection = ask(service, "/schema/postman.json", *headers, source=source).json()
    [server], [base, *_] = document["servers"], collection["variable"]
    return server["url"], base["value"]


def prefix(value: bytes) -> tuple[str, bytes]:
    return "X-Forwarded-Prefix", value


def is_good(value: bytes) -> bool:
    """Whether it can be put in front of a path, whatever that is written into."""
    text = value.decode("latin-1")
    plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    segments = text.removesuffix("/").split("/")[1:]
    return (
        text.startswith("/")
        and 1 < len(text) <= MAX_PREFIX
        and all(segment not in ("", ".", "..") and set(segment) <= set(plain) for segment in segments)
    )


_PIECES = st.sampled_from(
    [
        *(bytes([byte]) for byte in b"/a.~\\\"'<>&?#;, \t@\xff\x7f"),
        *(b"//", b"footfall", b"..", b"-_", b"%2e", b"%2F", b"%0d%0a", b"evil.example", b"http:", b"\xc3\xa9"),
    ]
)
_PREFIXES = st.one_of(
    st.lists(_PIECES, max_size=8).map(b"".join),
    st.lists(_PIECES, max_size=8).map(lambda pieces: b"/" + b"".join(pieces)),
    st.lists(st.sampled_from([b"a", b"v1", b"foot-fall", b"x.y", b"~me"]), max_size=4).map(
        lambda s: b"/" + b"/".join(s)
    ),
    st.integers(MAX_PREFIX - 2, MAX_PREFIX + 2).map(lambda size: b"/" + b"a" * (size - 1)),
    st.binary(max_size=20).map(lambda raw: b"/" + bytes(byte for byte in raw if byte >= 32 or byte == 9)),
)


@given(value=_PREFIXES)
@settings(max_examples=150, deadline=None)
@example(value=b"/footfall")
@example(value=b"/footfall/")
@example(value=b"/")
@example(value=b"//evil.example")
@example(value=b"/footfall/..")
@example(value=b'/"><script>')
@example(value=b"/a>; rel=next, <http://evil.example")
def test_any_prefix_is_either_taken_as_it_is_or_as_if_it_was_not_there(api: Api, value: bytes) -> None:
    sent = value.strip(b" \t")
    taken = sent.decode().removesuffix("/") if is_good(sent) else ""
    answer = ask(api, PAGE, prefix(value))
    if answer.status == 400:  # the parser refuses such a header
        assert any(byte < 32 or byte == 127 for byte in value)
        return
    assert answer.headers["link"] == LINK.replace("/api", f"{taken}/api")
    assert answer.body == ask(api, PAGE).body
    assert ask(api, PAGE, prefix(value), source=OTHER).headers["link"] == LINK
    assert ask(api, "/schema/openapi.json", prefix(value)).json()["servers"] == [{"url": taken or "/"}]


@pytest.mark.parametrize("value", [b"/a\x00b", b"/a\rb", b"/a\r\nSet-Cookie: a=b", b"/a\nSet-Cookie: a=b", b"/a\x0bb"])
def test_control_characters_are_no_prefix(api: Api, value: bytes) -> None:
    answer = ask(api, PAGE, prefix(value))
    assert "set-cookie" not in answer.headers
    # a line break begins another header
    assert answer.status == 400 or answer.headers["link"] in (LINK, LINK.replace("/api", "/a/api"))


@pytest.mark.parametrize(
    ("headers", "server", "base"),
    [
        ({}, "/", "http://api.internal:8081"),
        ({"X-Forwarded-Prefix": "/footfall"}, "/footfall", "http://api.internal:8081/footfall"),
        ({"X-Forwarded-Proto": "https"}, "https://api.internal:8081", "https://api.internal:8081"),
        ({"X-Forwarded-Host": "example.com"}, "http://example.com", "http://example.com"),
        ({"X-Forwarded-Host": "[::1]:8443", "X-Forwarded-Proto": "HTTPS"}, "https://[::1]:8443", "https://[::1]:8443"),
        (
            {"X-Forwarded-Host": "example.com", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/a/b/"},
            "https://example.com/a/b",
            "https://example.com/a/b",
        ),
        # what is not good is as if it was not there
        ({"X-Forwarded-Proto": "javascript"}, "/", "http://api.internal:8081"),
        ({"X-Forwarded-Proto": "https, http"}, "/", "http://api.internal:8081"),
        ({"X-Forwarded-Host": "a.example, b.example"}, "/", "http://api.internal:8081"),
        ({"X-Forwarded-Host": 'a"b'}, "/", "http://api.internal:8081"),
        ({"X-Forwarded-Host": "user@example.com"}, "/", "http://api.internal:8081"),
        ({"X-Forwarded-Host": "example.com/path"}, "/", "http://api.internal:8081"),
        ({"X-Forwarded-Host": "a" * 254, "X-Forwarded-Prefix": "/a"}, "/a", "http://api.internal:8081/a"),
    ],
)
def test_documents_name_the_address_that_a_trusted_proxy_names(
    api: Api, headers: Mapping[str, str], server: str, base: str
) -> None:
    said = [(name, value.encode()) for name, value in headers.items()]
    assert seen(api, *said) == (server, base)
    assert seen(api, *said, source=OTHER) == ("/", "http://api.internal:8081")


@pytest.mark.parametrize("name", ["X-Forwarded-Prefix", "X-Forwarded-Host", "X-Forwarded-Proto"])
def test_what_is_said_twice_does_not_count(api: Api, name: str) -> None:
    values = {"X-Forwarded-Prefix": b"/a", "X-Forwarded-Host": b"a.example", "X-Forwarded-Proto": b"https"}
    assert seen(api, (name, values[name]), (name, values[name])) == ("/", "http://api.internal:8081")


def test_all_pages_are_reached_below_the_prefix(api: Api) -> None:
    path, found = PAGE, []
    while path:
        answer = ask(api, path, prefix(b"/footfall"))
        found += [user["id"] for user in answer.json()]
        link = re.fullmatch('</footfall(/api/.*)>; rel="next"', answer.headers.get("link", ""))
        assert bool(link) == ("link" in answer.headers)
        path = link[1] if link else ""
    assert found == [1, 2]


def test_answers_of_different_prefixes_are_not_mixed(api: Api) -> None:
    """The body of a page is the same, and so is its tag; what is said of the next one is that of the asker."""
    first = ask(api, PAGE, prefix(b"/a"))
    for source, value, start in ((PROXY, b"/b", "/b"), (PROXY, b"/a", "/a"), (OTHER, b"/a", ""), (PROXY, b"//", "")):
        for method in ("GET", "HEAD"):
            tag = ("If-None-Match", first.headers["etag"].encode())
            again = ask(api, PAGE, prefix(value), tag, source=source, method=method)
            assert again.status == 304
            assert again.headers["link"] == LINK.replace("/api", f"{start}/api")
            assert again.headers.get("vary") == (_VARY if source == PROXY else None)
    tags = set()
    for headers in ([], [prefix(b"/a")], [prefix(b"/b")], [prefix(b"/b"), ("X-Forwarded-Proto", b"https")]):
        for path in ("/schema/openapi.json", "/schema/postman.json"):
            answer = ask(api, path, *headers)
            tags.add(answer.headers["etag"])
            assert (_VARY in answer.headers["vary"]) == bool(headers)
            assert ask(api, path, *headers, ("If-None-Match", answer.headers["etag"].encode())).status == 304
            assert ask(api, path, ("If-None-Match", answer.headers["etag"].encode())).status == (
                200 if headers else 304
            )
    assert len(tags) == 8


def test_what_depends_on_no_address_is_the_same_for_all(api: Api) -> None:
    for path in ("/api/user/1", "/api/user/9", "/docs", "/api/users/bycheckins", "/healthz"):
        answers = [ask(api, path, *headers) for headers in ([], [prefix(b"/a")], [prefix(b"/b")])]
        assert len({answer.headers.get("etag") for answer in answers}) == 1
        assert not any("X-Forwarded" in answer.headers.get("vary", "") for answer in answers)


@pytest.mark.parametrize(("kind", "body"), [("users", b'"firstName":"Ada","lastName":"L"'), ("locations", b"")])
def test_where_a_new_record_is_follows_the_prefix(api: Api, shared_server: Server, kind: str, body: bytes) -> None:
    token = ("Authorization", new_token(shared_server, f"admin-{kind}", "admin").encode())
    body = body or b'"name":"Pier","category":"sight","location":"-122.4,37.7"'
    for number, (source, value, place) in enumerate(
        [(PROXY, b"/a", "/a"), (PROXY, b"//a", ""), (OTHER, b"/a", "")], 70
    ):
        record = b'{"id":%d,%b%b}' % (number, body, b',"email":"%d@e.com","password":"x"' % number * (kind == "users"))
        answer = ask(api, f"/api/{kind}", prefix(value), token, source=source, method="POST", body=record)
        assert answer.status == 201, answer
        assert answer.headers["location"] == f"{place}/api/{kind[:-1]}/{number}"


@pytest.mark.parametrize("kind", [Receiver, Auth, Processor])
def test_the_other_services_follow_alike(server: Server, kind: Any) -> None:
    open_metadata(server)
    with kind(server.url, trusted_proxies=f"{PROXY},fd00::/8") as service:
        said = [prefix(b"/footfall"), ("X-Forwarded-Proto", b"https"), ("X-Forwarded-Host", b"example.com")]
        assert seen(service, *said) == ("https://example.com/footfall",) * 2
        assert seen(service, *said, source=OTHER) == ("/", "http://api.internal:8081")


def test_without_the_setting_nobody_is_trusted(server: Server) -> None:
    store_users(open_metadata(server), [user_answer(1, numCheckins=3), user_answer(2, numCheckins=2)])
    with Api(server.url) as api:
        assert ask(api, PAGE, prefix(b"/footfall")).headers["link"] == LINK
        assert seen(api, prefix(b"/footfall")) == ("/", "http://api.internal:8081")
