"""The fast path: what is plain, and that it answers and stores exactly what the other path does."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from footfall.domain.model import CheckIn
from footfall.identity.credentials import Credential, digest
from footfall.identity.tokens import MAX_RATE, Token
from footfall.receiver.plain import PlainReader
from processes import AsgiReceiver, Receiver
from raw_http import RawConnection, request
from receiver_scene import GOOD, open_metadata
from servers import Server

#: what differs between two runs of the same, and whether the connection ended with the last answer: that depends on
#: whether the client's end came before or after it
_VARIABLE = re.compile(
    rb"(date: [^\r]*|connection: close|ratelimit: [^\r]*|x-request-id: [0-9a-f]{16})\r\n"
    rb'|(?<="id":)"\d+-\d+"|(?<="requestId":)"[0-9a-f]{16}"|(?<=entry )\d+-\d+'
)
READ = msgspec.json.decode(GOOD, type=CheckIn)
PHONE = {
    "User-Agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36",
    "Accept": "application/json, text/plain, */*",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-US,en;q=0.9",
    "Connection": "keep-alive",
    "Cache-Control": "no-cache",
    "Referer": "https://app.example.com/places/13",
    "X-App-Version": "4.12.0",
    "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


# --- what is plain


def plain(data: bytes) -> tuple[CheckIn, str | None, str | None] | None:
    """What the fast path reads in these bytes while sign-in is off."""
    found = PlainReader(auth=False).read(data)
    return found and found[:3]


def test_what_real_clients_send_is_plain() -> None:
    assert plain(request(GOOD)) == (READ, None, None)
    assert plain(request(GOOD, headers=PHONE)) == (READ, None, None)
    assert plain(request(GOOD, headers={"connection": "Keep-Alive"})) == (READ, None, None)
    assert plain(request(GOOD, headers={"Content-Type": "Application/JSON; charset=utf-8"})) == (READ, None, None)
    assert plain(request(GOOD, headers={"Idempotency-Key": "k-1", "X-Request-Id": "r 1"})) == (READ, "k-1", "r 1")


def test_while_sign_in_is_on_the_sender_is_read_too() -> None:
    def sender(**headers: str) -> Credential | None:
        found = PlainReader(auth=True).read(request(GOOD, headers={**PHONE, **headers}))
        assert found is not None
        assert found[:3] == (READ, None, None)
        return found[3]

    assert sender() is None
    assert sender(Cookie=f"theme=dark; footfall_session={SESSION}") == Credential("session", digest(SESSION))
    assert sender(Authorization=f"Bearer {TOKEN}") == Credential("token", digest(TOKEN))
    assert sender(Cookie=f"theme={'x' * 5000}; footfall_session={SESSION}") == Credential("session", digest(SESSION))
    twice = request(GOOD, headers={"Cookie": f"footfall_session={SESSION}", "cookie": "a=b"})
    assert PlainReader(auth=True).read(twice) is None
    assert plain(twice) == (READ, None, None)


@pytest.mark.parametrize(
    "data",
    [
        request(GOOD)[:-1],
        request(GOOD) + b"?",
        request(GOOD) * 2,
        request(GOOD, chunks=5),
        request(b""),
        request(b" " * 20_000),
        *(
            request(GOOD, headers={name: value})
            for name, value in {
                "Connection": "close",
                "connection": "keep-alive, upgrade",
                "CONTENT-ENCODING": "gzip",
                "Content-Type": "text/plain",
                "Expect": "100-continue",
                "Upgrade": "h2c",
                "Idempotency-Key": "a b",
                "idempotency-key": "k" * 65,
            }.items()
        ),
        request(GOOD, headers={"content-type": "application/json"}),
        request(GOOD, headers={"Idempotency-Key": "a", "idempotency-key": "b"}),
        request(GOOD, headers={"content-length": str(len(GOOD))}),
        request(GOOD, headers={"Transfer-Encoding": "chunked"}),
        request(GOOD, headers={"host": "test"}),
        request(GOOD, headers={"Host": "a b"}),
        request(GOOD).replace(b"Host: test\r\n", b""),
        request(GOOD).replace(b"Host: test", b"Host : test"),
    ],
    ids=lambda data: repr(data[-60:]) if len(data) < 1000 else str(len(data)),
)
def test_everything_else_is_not(data: bytes) -> None:
    reader = PlainReader(auth=False)
    assert reader.read(data) is None
    assert reader.read(request(GOOD)) == (READ, None, None, None), "and it leaves nothing behind"


_IDS = st.sampled_from(
    [name * 43 for name in "abc"] + ["a" * 42, "a" * 44, "a" * 42 + ";", "a" * 42 + " ", "\u00e9" * 43]
)
_COOKIES = st.one_of(
    st.builds("footfall_session={}".format, _IDS),
    st.builds("theme={}; footfall_session={}".format, _IDS, _IDS),
    st.builds("footfall_session={}; footfall_session={}".format, _IDS, _IDS),
    st.builds("xfootfall_session={}; theme=1".format, _IDS),
)


@settings(max_examples=500, deadline=None)
@example(
    cookies=[f"theme={'a' * 43}; footfall_session={'a' * 43}", f"theme={'b' * 43}; footfall_session={'a' * 43}"],
    stars=[1, 1],
)
@given(cookies=st.lists(_COOKIES, min_size=2, max_size=5), stars=st.lists(st.integers(0, 9), min_size=5, max_size=5))
def test_who_sends_a_request_with_a_remembered_head_is_read_as_if_it_were_the_first(
    cookies: list[str], stars: list[int]
) -> None:
    reader = PlainReader(auth=True)
    for cookie, star in zip(cookies, stars, strict=False):
        for rest in (b"", b"\r\n"):
            body = GOOD[:-2] + b"%d}" % star
            data = request(body, headers={**PHONE, "Cookie": cookie}) + rest
            assert reader.read(data) == PlainReader(auth=True).read(data)


def test_uvicorn_still_has_what_the_fast_path_relies_on() -> None:
    """uvicorn's protocol is not a public interface: when it changes, this names what did."""
    loop = asyncio.new_event_loop()
    protocol = httptools_impl.HttpToolsProtocol(Config(app=print), ServerState(), {}, loop)
    loop.close()
    attributes = "app_state config connections cycle flow headers loop parser pipeline server_state transport"
    attributes += " timeout_keep_alive timeout_keep_alive_task expect_100_continue"
    methods = "connection_made connection_lost data_received eof_received on_message_begin on_headers_complete"
    methods += " on_message_complete on_response_complete shutdown timeout_keep_alive_handler"
    methods += " _unset_keepalive_if_required _start_asgi_task on_header on_body"
    cycle = "disconnected keep_alive more_body response_complete"
    missing = [name for name in [*attributes.split(), *methods.split()] if not hasattr(protocol, name)]
    names = httptools_impl.RequestResponseCycle.__init__.__code__.co_names
    missing += [f"RequestResponseCycle.{name}" for name in cycle.split() if name not in names]
    missing += [
        f"ServerState.{name}" for name in ("default_headers", "total_requests") if not hasattr(ServerState(), name)
    ]
    missing += [f"FlowControl.{n}" for n in ("pause_reading", "resume_reading") if not hasattr(FlowControl, n)]
    assert not missing
    assert httptools_impl.STATUS_LINE[202] == b"HTTP/1.1 202 Accepted\r\n"


# --- the same as the other path


class Pair:
    """A receiver with the fast path and one without, each with a stream of its own on one server."""

    PREFIXES = ("fast", "slow")

    def __init__(self, server: Server, **settings: Any) -> None:
        self.client: Any = server.client()
        for prefix in self.PREFIXES:
            open_metadata(server, prefix)
        self.receivers = [
            Receiver(server.url, prefix="fast", request_timeout=20, **settings),
            AsgiReceiver(server.url, prefix="slow", request_timeout=20, **settings),
        ]

    def close(self) -> None:
        for receiver in self.receivers:
            receiver.close()

    def compare(self, parts: Sequence[bytes]) -> bytes:
        """Send the parts, each to be read by itself; all that is answered, which must be alike, and what is stored."""
        answers = [_VARIABLE.sub(b"", exchange(receiver, parts)) for receiver in self.receivers]
        stored = [[fields for _, fields in self.client.xrange(f"{prefix}:checkins")] for prefix in self.PREFIXES]
        assert answers[0] == answers[1]
        assert stored[0] == stored[1]
        self.client.xtrim("fast:checkins", maxlen=0, approximate=False)
        self.client.xtrim("slow:checkins", maxlen=0, approximate=False)
        return answers[0]


def exchange(receiver: Receiver, parts: Sequence[bytes]) -> bytes:
    """Everything that the receiver answers to these parts until it ends the connection."""
    with RawConnection(receiver.port) as connection, RawConnection(receiver.port) as other:
        try:
            for part in parts:
                connection.send(part)
                other.send(request(method="GET", path="/healthz"))
                other.read()  # by now, the part has been read
            connection.end()
        except OSError:  # it has ended the connection already
            pass
        return connection.read_all()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Server() as server:
        pair = Pair(server)
        yield pair
        pair.close()


#: the session of user 1, a token, and one with a rate that is never reached
SESSION, TOKEN, LIMITED = "s" * 43, "ff_" + "t" * 43, "ff_" + "l" * 43


@pytest.fixture(scope="module")
def pair_with_auth() -> Iterator[Pair]:
    with Server() as server:
        pair = Pair(server, auth="true")
        for prefix in Pair.PREFIXES:
            pair.client.set(f"{prefix}:session:{digest(SESSION)}", '{"userId":1}')
            for token, rate in ((TOKEN, 0), (LIMITED, MAX_RATE)):
                known = msgspec.json.encode(Token(name=token[-1], role="checkin", created=0, rate=rate))
                pair.client.hset(f"{prefix}:tokens", digest(token), known)
        yield pair
        pair.close()


_HEADERS = st.dictionaries(
    st.sampled_from(["Accept", "User-Agent", "X-Trace", "accept", "Cookie", "Origin", "TE", "Cache-Control"]),
    st.sampled_from(["", "x", "a, b", "\u00e9", "a\tb", "x" * 300, "chunked", "keep-alive"]),
    max_size=3,
)
_HOSTS = st.dictionaries(
    st.sampled_from(["Host", "Host", "host"]),
    st.one_of(
        st.sampled_from(["test:80", "[::1]", "", "a b", "a/b", "<", "a?", "a#", "\u00e9", "a@b", "[", "a:b", "test "]),
        st.characters(min_codepoint=33, max_codepoint=126),
    ),
    max_size=1,
)
_NAMES = "Connection Expect Content-Encoding Content-Type content-type Transfer-Encoding Upgrade Content-Length"
_DECISIVE = st.dictionaries(
    st.sampled_from([*_NAMES.split(), "Idempotency-Key", "idempotency-KEY", "X-Request-Id"]),
    st.sampled_from(
        [
            *("keep-alive", "Keep-Alive", "close", "gzip", "identity", "100-continue", "h2c", "chunked"),
            *("100-Continue, ", "100-continue, x"),
            *("application/json", "application/json; charset=utf-8", "text/plain", ""),
            *("k1", "k2", "a b", "5", "42", "0"),
        ]
    ),
    max_size=1,
)
_VALUES = st.sampled_from(
    [*b"1 2 3 9".split(), b"0", b"-1", b"5.0", b'"1"', b"true", b"null", b"9007199254740992", b"1e2"]
)
_BODIES = st.one_of(
    st.just(GOOD),
    st.builds(lambda *values: b'{"userId":%b,"locationId":%b,"starRating":%b}' % values, _VALUES, _VALUES, _VALUES),
    st.builds(
        lambda first, again: GOOD[:-1].replace(b":1", b":" + first, 1) + b',"userId":%b}' % again, _VALUES, _VALUES
    ),
    st.sampled_from([b"\xef\xbb\xbf" + GOOD, b"\xef\xbb\xbf", b"\xef\xbb" + GOOD, GOOD[:-1] + b',"us\\u0065rId":2}']),
    st.sampled_from([b"", b"{}", b"[]", b"nope", b"\xff", b"{" * 3000, b" " * 17_000, GOOD + b" " * 16_343, GOOD[:-1]]),
)
_REQUESTS = st.one_of(
    st.builds(lambda body: request(body, headers=PHONE), _BODIES),
    st.builds(lambda host: request(GOOD, headers={**PHONE, **host}), _HOSTS),
    st.builds(
        lambda body, host, harmless, decisive, chunks, version: request(
            body, headers={**host, **harmless, **decisive}, chunks=chunks, version=version
        ),
        _BODIES,
        _HOSTS,
        _HEADERS,
        _DECISIVE,
        st.sampled_from([None, None, None, 7]),
        st.sampled_from([*["1.1"] * 6, "1.0", "1.0", "0.9", "1.2", "2.0", "9.9", "1.10", "1"]),
    ),
    st.builds(
        lambda version: request(GOOD, version=version).replace(b"Host: test\r\n", b""), st.sampled_from(["1.1", "1.0"])
    ),
    st.builds(lambda path: request(GOOD, path=path), st.sampled_from(["/api/checkin?", "/nope", "*", "/api/checkin "])),
    st.builds(lambda path: request(method="GET", path=path), st.sampled_from(["/healthz", "/api/checkin"])),
)


_SENDERS = st.sampled_from(
    [
        *[{"Cookie": f"footfall_session={SESSION}"}] * 3,
        *[{"Authorization": f"Bearer {TOKEN}"}] * 2,
        {"authorization": f"bearer {LIMITED}"},
        {},
        {"Cookie": f"a=b;footfall_session={SESSION};"},
        {"Cookie": f"footfall_session={SESSION}", "cookie": f"footfall_session={'x' * 43}"},
        {"cookie": f"footfall_session={'x' * 43}"},
        {"Cookie": f"footfall_session=é{SESSION}"},
        {"Cookie": f"footfall_session={SESSION}", "Authorization": "Basic eDp5"},
        {"Authorization": f"Bearer {TOKEN}", "AUTHORIZATION": f"Bearer {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}x"},
        {"Authorization": f"Bearer {TOKEN} "},
        {"Authorization": ""},
    ]
)
_SENT = st.one_of(
    st.builds(lambda body, sender: request(body, headers={**PHONE, **sender}), _BODIES, _SENDERS),
    st.builds(
        lambda body, harmless, decisive, sender: request(body, headers={**harmless, **decisive, **sender}),
        _BODIES,
        _HEADERS,
        _DECISIVE,
        _SENDERS,
    ),
)


def cut(data: bytes, places: list[float]) -> list[bytes]:
    """The data in parts, cut at these fractions of its length."""
    ends = sorted({int(place * len(data)) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


@settings(max_examples=250, deadline=None)
@given(
    requests=st.lists(_REQUESTS, min_size=1, max_size=4),
    places=st.lists(st.floats(0, 1), max_size=3),
    pipelined=st.booleans(),
    rest=st.sampled_from([b"", b"", b"", b"\r\n", b"?", b"POST /api/checkin HTTP/1.1\r\nHost"]),
)
def test_any_requests_are_answered_and_stored_as_on_the_other_path(
    pair: Pair, requests: list[bytes], places: list[float], pipelined: bool, rest: bytes
) -> None:
    parts = cut(b"".join(requests) + rest, places) if pipelined else [*requests, *([rest] if rest else [])]
    pair.compare(parts)


@settings(max_examples=250, deadline=None)
@given(
    requests=st.lists(_SENT, min_size=1, max_size=4),
    places=st.lists(st.floats(0, 1), max_size=3),
    pipelined=st.booleans(),
)
def test_any_sender_is_answered_as_on_the_other_path(
    pair_with_auth: Pair, requests: list[bytes], places: list[float], pipelined: bool
) -> None:
    pair_with_auth.compare(cut(b"".join(requests), places) if pipelined else requests)


def test_a_head_that_is_not_taken_is_refused_for_what_it_is_also_after_a_sender_who_is_not_known(
    pair_with_auth: Pair,
) -> None:
    stranger = request(GOOD, headers={"Authorization": f"Bearer {TOKEN[:-1]}x"})
    for second, status in (
        (request(GOOD, headers={"Expect": "x"}), 417),
        (request(GOOD, headers={"Host": "a b"}), 400),
        (request(GOOD, version="2.0"), 505),
    ):
        for receiver in pair_with_auth.receivers:
            with RawConnection(receiver.port) as connection:
                connection.send(stranger, second)  # what comes second waits until the server has said who that is
                assert connection.read().status == 401
                answer = connection.read()
                assert (answer.status, "not valid HTTP" in answer.body.decode()) == (status, False)


@pytest.mark.parametrize("second", [GOOD, GOOD.replace(b":3", b":4")], ids=["the same", "another"])
def test_a_key_that_is_used_again_is_answered_as_on_the_other_path(pair: Pair, second: bytes) -> None:
    headers = {"Idempotency-Key": f"again-{second[-2]}"}
    for body in (GOOD, second, b"x", second):
        pair.compare([request(body, headers=headers)])


_HEAD = b"POST /api/checkin HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
_LENGTH = b"Content-Length: %d\r\n" % len(GOOD)
#: one of each kind that servers have been fooled with, and the statuses that it is answered with
CORPUS: dict[str, tuple[bytes, list[int]]] = {
    "plain": (_HEAD + _LENGTH + b"\r\n" + GOOD, [202]),
    "names in any case": (_HEAD.upper().replace(b"/API/CHECKIN", b"/api/checkin") + _LENGTH + b"\r\n" + GOOD, [202]),
    "a folded header": (_HEAD + b"X-A: b\r\n c\r\n" + _LENGTH + b"\r\n" + GOOD, [400]),
    "a folded content type": (
        _HEAD.replace(b"application/json", b"application/json;\r\n charset=utf-8") + _LENGTH + b"\r\n" + GOOD,
        [400],
    ),
    "the same length twice": (_HEAD + _LENGTH * 2 + b"\r\n" + GOOD, [400]),
    "two lengths": (_HEAD + _LENGTH + b"Content-Length: 5\r\n\r\n" + GOOD, [400]),
    "a list of lengths": (_HEAD + b"Content-Length: %d, 5\r\n\r\n" % len(GOOD) + GOOD, [400]),
    "a length with a sign": (_HEAD + b"Content-Length: +%d\r\n\r\n" % len(GOOD) + GOOD, [400]),
    "a length beyond 64 bits": (_HEAD + b"Content-Length: 99999999999999999999\r\n\r\n" + GOOD, [400]),
    "length and chunks": (_HEAD + _LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + GOOD, [400]),
    "chunks and length": (_HEAD + b"Transfer-Encoding: chunked\r\n" + _LENGTH + b"\r\n" + GOOD, [400]),
    "no length": (_HEAD + b"\r\n" + GOOD, [400, 400]),
    "an absolute target": (
        _HEAD.replace(b"/api/checkin", b"http://test/api/checkin") + _LENGTH + b"\r\n" + GOOD,
        [202],
    ),
    "a query": (_HEAD.replace(b"/api/checkin", b"/api/checkin?a=b") + _LENGTH + b"\r\n" + GOOD, [202]),
    "another spelling of the path": (_HEAD.replace(b"/checkin", b"/%63heckin") + _LENGTH + b"\r\n" + GOOD, [404]),
    "a doubled slash": (_HEAD.replace(b"/api", b"//api") + _LENGTH + b"\r\n" + GOOD, [404]),
    "HTTP/1.0": (_HEAD.replace(b"1.1", b"1.0") + _LENGTH + b"\r\n" + GOOD, [202]),
    **{
        f"HTTP/{version}": (_HEAD.replace(b"1.1", version.encode()) + _LENGTH + b"\r\n" + GOOD, [505])
        for version in ("0.9", "1.2", "2.0", "3.0", "9.9")
    },
    "HTTP/2.0 after HTTP/1.1": (
        _HEAD + _LENGTH + b"\r\n" + GOOD + _HEAD.replace(b"1.1", b"2.0") + _LENGTH + b"\r\n" + GOOD,
        [202, 505],
    ),
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
    "no version": (b"GET /healthz\r\n\r\n", [505]),
    **{
        f"version {version}": (_HEAD.replace(b"HTTP/1.1", version.encode()) + _LENGTH + b"\r\n" + GOOD, [400])
        for version in ("HTTP/1.10", "HTTP/11", "HTP/1.1", "http/1.1", "HTTP/x.y")
    },
    "it expects what is not done": (_HEAD + b"Expect: a-beer\r\n" + _LENGTH + b"\r\n" + GOOD, [417]),
    "it expects more than 100": (_HEAD + b"Expect: 100-continue, x\r\n" + _LENGTH + b"\r\n" + GOOD, [417]),
    "it expects nothing": (_HEAD + b"Expect: \r\n" + _LENGTH + b"\r\n" + GOOD, [202]),
    "it expects 100 in HTTP/1.0": (
        _HEAD.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\n" + _LENGTH + b"\r\n" + GOOD,
        [202],
    ),
    "a byte order mark": (_HEAD + b"Content-Length: %d\r\n\r\n\xef\xbb\xbf" % (len(GOOD) + 3) + GOOD, [202]),
    "a field twice": (_HEAD + b"Content-Length: %d\r\n\r\n" % (len(GOOD) + 11) + GOOD[:-1] + b',"userId":1}', [422]),
    "it waits for 100": (_HEAD + b"Expect: 100-continue\r\n" + _LENGTH + b"\r\n" + GOOD, [100, 202]),
    "bare line feeds": ((_HEAD + _LENGTH + b"\r\n").replace(b"\r\n", b"\n") + GOOD, [400]),
    "one bare line feed": (_HEAD + b"X-A: b\n" + _LENGTH + b"\r\n" + GOOD, [400]),
    "a bare carriage return": (_HEAD + b"X-A: b\rc\r\n" + _LENGTH + b"\r\n" + GOOD, [400]),
    "a null byte in a value": (_HEAD + b"X-A: b\x00c\r\n" + _LENGTH + b"\r\n" + GOOD, [400]),
    "a null byte in a name": (_HEAD + b"X-\x00A: b\r\n" + _LENGTH + b"\r\n" + GOOD, [400]),
    "white space before a colon": (_HEAD + b"X-A : b\r\n" + _LENGTH + b"\r\n" + GOOD, [400]),
    "a header without a name": (_HEAD + b": b\r\n" + _LENGTH + b"\r\n" + GOOD, [400]),
    "long headers": (_HEAD + b"X-A: %b\r\n" % (b"b" * 60_000) + _LENGTH + b"\r\n" + GOOD, [202]),
    "headers that are too long": (_HEAD + b"X-A: %b\r\n" % (b"b" * 700_000) + _LENGTH + b"\r\n" + GOOD, [431]),
    "a shorter body": (_HEAD + b"Content-Length: %d\r\n\r\n" % (len(GOOD) + 1) + GOOD, [400]),
    "a longer body": (_HEAD + _LENGTH + b"\r\n" + GOOD + b"}", [202, 400]),
    "garbage after it": (_HEAD + _LENGTH + b"\r\n" + GOOD + b"\x16\x03\x01\x02", [202, 400]),
    "line breaks before and after it": (b"\r\n" + _HEAD + _LENGTH + b"\r\n" + GOOD + b"\r\n\r\n", [202]),
    "another after it": ((_HEAD + _LENGTH + b"\r\n" + GOOD) * 2, [202, 202]),
    "it closes, and another follows": (
        _HEAD + b"Connection: close\r\n" + _LENGTH + b"\r\n" + GOOD + _HEAD + _LENGTH + b"\r\n" + GOOD,
        [202],
    ),
}


@pytest.mark.parametrize("name", CORPUS)
def test_bytes_that_servers_have_been_fooled_with(pair: Pair, name: str) -> None:
    data, statuses = CORPUS[name]
    answered = pair.compare([data])
    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answered)] == statuses
    # and split where it hurts
    for place in {1, 26, len(_HEAD), len(data) - len(GOOD), len(data) - 1}:
        pair.compare([data[:place], data[place:]])
