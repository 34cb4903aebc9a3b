"""From the body of a batch to its check-ins: JSON arrays, lines, gzip, and what is wrong with them."""

import asyncio
import gzip
import json
import time
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.errors import InvalidError, MalformedError, TooLargeError, UnsupportedTypeError
from footfall.receiver import batch_body as batches
from footfall.receiver.batch_body import MAX_BODY, MAX_ITEMS, TOLD, ParsedBatch, expand
from receiver_scene import CHECK_IN, GOOD

JSON, LINES = "application/json", "application/x-ndjson"
#: GOOD as a person would write it
_PRETTY = json.dumps(json.loads(GOOD), indent=1).encode()


def read(body: bytes, content_type: str | None) -> ParsedBatch:
    return asyncio.run(batches.read(body, content_type))


def statuses(batch: ParsedBatch) -> dict[int, int]:
    """The status of each item that is refused."""
    return {place: error.status for place, error in batch.errors.items()}


# --- arrays


@pytest.mark.parametrize("body", [b"[]", b" [ ] \n"])
def test_an_empty_array_is_an_empty_batch(body: bytes) -> None:
    assert read(body, JSON) == ParsedBatch([], [], {})


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON; charset=utf-8"])
def test_an_array_is_read(content_type: str) -> None:
    assert read(b"[%b,%b]" % (GOOD, _PRETTY), content_type) == ParsedBatch([0, 1], [CHECK_IN] * 2, {})


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_a_byte_order_mark_before_it_is_passed_over(kind: str) -> None:
    body = b"[%b]" % GOOD if kind == JSON else GOOD
    assert read(b"\xef\xbb\xbf" + body, kind) == ParsedBatch([0], [CHECK_IN], {})


@pytest.mark.parametrize("kind", [JSON, LINES])
def test_what_some_fields_lack_and_others_have_twice_is_refused_one_by_one(kind: str) -> None:
    items = [GOOD, GOOD.replace(b"}", b',"starRating":5}'), GOOD]
    body = b"[%b]" % b",".join(items) if kind == JSON else b"\n".join(items)
    batch = read(body, kind)
    assert [str(error) for error in batch.errors.values()] == ["starRating: is there more than once"]
    assert (batch.places, batch.check_ins) == ([0, 2], [CHECK_IN] * 2)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "item",
    [
        *(b"1", b"null", b'"x"', b"[]", b"{}", b'{"userId":1,"locationId":2}', b"[" + GOOD + b"]"),
        *(GOOD.replace(b":3", value) for value in (b":6", b":-1", b":null", b':"3"', b":3.0", b":true", b":3e0")),
        *(GOOD.replace(b":1,", value) for value in (b":0,", b":9007199254740992,", b":%d," % 10**30)),
        GOOD.replace(b"}", b',"more":1}'),
        GOOD.replace(b"}", b',"userId":1}'),
    ],
)
def test_an_item_that_is_no_check_in_spoils_no_other(item: bytes, place: int) -> None:
    items = [GOOD, GOOD]
    items.insert(place, item)
    for body, kind in ((b"[" + b",".join(items) + b"]", JSON), (b"\n".join(items), LINES)):
        batch = read(body, kind)
        assert statuses(batch) == {place: 422}
        assert batch.places == [number for number in range(3) if number != place]
        assert batch.check_ins == [CHECK_IN] * 2


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"nope", b"[", b"]", b"[1", b"[1,]", b"[1]]", b"[1 2]", b"{", b'{"a":', b"{]", b'"x', b"[,]"),
        *(b"[" + GOOD, b"[" + GOOD + b",]", b"[" + GOOD + b"]x", b"[" + GOOD[:-1] + b"]", GOOD + b"\n" + GOOD),
        *(b'["\xff"]', b'"\xff"', b"[" * 5000, b'{"a":' * 5000, b"[" * 5000 + b"]" * 5000, b"\xef\xbb[]"),
    ],
    ids=lambda body: repr(body[:50]),
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read(body, JSON)


@pytest.mark.parametrize("body", [GOOD, b"{}", b"null", b"1", b'"[]"', b"true", b"1.5"])
def test_what_is_no_array_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidError, match="must be an array"):
        read(body, JSON)


# --- lines


@pytest.mark.parametrize(
    "body",
    [
        GOOD + b"\n" + GOOD,
        GOOD + b"\n" + GOOD + b"\n",
        GOOD + b"\r\n" + GOOD + b"\r\n",
        b"\n\r\n \t \n" + GOOD + b"\n\n\n " + GOOD + b" \n\n",
    ],
)
def test_lines_are_read_and_blank_ones_passed_over(body: bytes) -> None:
    assert read(body, LINES) == ParsedBatch([0, 1], [CHECK_IN] * 2, {})


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n"])
def test_no_lines_are_an_empty_batch(body: bytes) -> None:
    assert read(body, LINES) == ParsedBatch([], [], {})


@pytest.mark.parametrize("line", [b"x", b"{", GOOD[:-1], GOOD + GOOD, GOOD + b",", b"\xff", b"[" * 5000, b"\x0c"])
def test_a_line_that_is_not_json_spoils_no_other(line: bytes) -> None:
    batch = read(b"\n".join([b"", GOOD, line, b"", GOOD]), LINES)
    assert statuses(batch) == {1: 400}, "places are counted without blank lines"
    assert batch.places == [0, 2]


@pytest.mark.parametrize("others", [[], [b"{}"]], ids=["alone", "with a bad one"])
def test_a_line_is_a_check_in_or_not_whatever_the_others_are(others: list[bytes]) -> None:
    body = b"\n".join([GOOD, _PRETTY, GOOD + b" " + GOOD, *others])
    lines = len(body.split(b"\n"))
    batch = read(body, LINES)
    assert batch.places == [0]
    assert len(batch.errors) == lines - 1


@pytest.mark.parametrize("body", [b"nope", b"x\ny\n", b"\xff", b"[\n]"])
def test_lines_none_of_which_is_json_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read(body, LINES)


# --- limits and types

#: of items that take long to refuse: all of a size that a check-in may have, and as many as a batch may have
_SLOW = {
    "many": [b'{"userId":0,"locationId":0,"starRating":9}'] * MAX_ITEMS,
    "large": [b'{"a":{%b"a":0}}' % (b'"b":0,' * 2700)] * 125,
    "no JSON": [b"{"] * (MAX_ITEMS - 1) + [GOOD],
}


@pytest.mark.parametrize("name", _SLOW)
def test_others_get_their_turn_while_items_are_looked_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SLICE_S", 0.001)

    async def longest() -> float:
        """The most time of the processor between two turns."""
        reading = asyncio.create_task(batches.read(b"\n".join(_SLOW[name]), LINES))
        await asyncio.sleep(0)  # it begins with what is done for all at once
        most, turn = 0.0, time.process_time()
        while not reading.done():
            await asyncio.sleep(0)
            most, turn = max(most, time.process_time() - turn), time.process_time()
        assert len((await reading).errors) >= len(_SLOW[name]) - 1
        return most

    assert 0 < asyncio.run(longest()) < 0.02


def test_what_is_wrong_is_told_of_the_first_ones_alone() -> None:
    for kind in (JSON, LINES):
        items = [b"{}", GOOD] * (TOLD + 50)
        body = b"[" + b",".join(items) + b"]" if kind == JSON else b"\n".join(items)
        batch = read(body, kind)
        assert statuses(batch) == dict.fromkeys(range(0, len(items), 2), 422)
        assert [bool(str(error)) for error in batch.errors.values()] == [True] * TOLD + [False] * 50
    batch = read(b"\n".join([b"{}", b"{", GOOD] * TOLD), LINES)
    assert [batch.errors[3 * n + 1].status for n in range(TOLD)] == [400] * TOLD
    assert [batch.errors[3 * n].status for n in range(TOLD)] == [422] * TOLD


def test_an_item_that_no_check_in_is_as_large_as_is_not_looked_at() -> None:
    large = b'{"userId":1,"x":"%b"}' % (b"x" * 16_384)
    for body, kind in ((b"[%b,%b]" % (large, GOOD), JSON), (large + b"\n" + GOOD, LINES)):
        batch = read(body, kind)
        assert (statuses(batch), batch.places) == ({0: 413}, [1])


def test_a_body_of_values_without_end_is_not_taken_apart() -> None:
    values = MAX_BODY // 2 - 1
    for body, kind in (
        (b"[" + b"1," * (values - 1) + b"1]", JSON),
        (b"[[" + b"1," * (values - 2) + b"1]]", JSON),
        (b"1\n" * values, LINES),
        (b"\n" * MAX_BODY, LINES),
    ):
        with pytest.raises(TooLargeError, match="many more values"):
            read(body, kind)
    assert statuses(read(b"[[" + b"1," * 50_000 + b"1]]", JSON)) == {0: 413}


@pytest.mark.parametrize("item", [GOOD, b"{}"])
def test_there_is_a_limit_of_items(item: bytes) -> None:
    most = [item] * MAX_ITEMS
    for body, kind in ((b"[" + b",".join(most) + b"]", JSON), (b"\n".join(most), LINES)):
        batch = read(body, kind)
        assert len(batch.check_ins) + len(batch.errors) == MAX_ITEMS
        longer = body.replace(item, item + (b"," if kind == JSON else b"\n") + item, 1)
        with pytest.raises(TooLargeError, match="10001"):
            read(longer, kind)


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonl", "text/json", "json"])
def test_other_content_types_are_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedTypeError):
        read(b"[]", content_type)


# --- gzip


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_a_body_that_is_not_encoded_is_taken_as_it_is(encoding: str | None) -> None:
    assert expand(GOOD, encoding) == GOOD


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_body_may_be_gzipped_in_several_members(encoding: str) -> None:
    assert expand(gzip.compress(GOOD), encoding) == GOOD
    members = [gzip.compress(part) for part in (b"[", b"", GOOD, b"]")]
    assert expand(b"".join(members), encoding) == b"[" + GOOD + b"]"
    padding = bytes(512)
    assert expand(padding.join([*members, b""]), encoding) == b"[" + GOOD + b"]", "zeros after a member are no more"


@pytest.mark.parametrize("encoding", ["deflate", "br", "gzip, gzip", "zstd", "gzip;q=1", "*"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedTypeError):
        expand(gzip.compress(GOOD), encoding)


def test_gzip_that_ends_early_is_malformed_wherever_it_ends() -> None:
    whole = gzip.compress(GOOD)
    for length in range(1, len(whole)):
        for before in (b"", whole):
            with pytest.raises(MalformedError):
                expand(before + whole[:length], "gzip")


@pytest.mark.parametrize("rest", [b"x", b"\x00x", b"\x1f\x8b", GOOD])
def test_what_follows_gzip_must_be_gzip_or_zeros(rest: bytes) -> None:
    with pytest.raises(MalformedError):
        expand(gzip.compress(GOOD) + rest, "gzip")


def test_what_is_not_gzip_is_malformed() -> None:
    flipped = bytearray(gzip.compress(GOOD))
    flipped[-5] ^= 1  # the checksum
    for body in (GOOD, zlib.compress(GOOD), bytes(flipped), b"\x1f\x8b\x08"):
        with pytest.raises(MalformedError):
            expand(body, "gzip")


def test_a_bomb_is_not_expanded_beyond_the_limit() -> None:
    assert len(expand(gzip.compress(bytes(MAX_BODY)), "gzip")) == MAX_BODY
    bomb = gzip.compress(bytes(100 * MAX_BODY))
    half = gzip.compress(bytes(MAX_BODY // 2))
    for body in (gzip.compress(bytes(MAX_BODY + 1)), bomb, half * 3, half * 2 + gzip.compress(b"x"), half * 2 + bomb):
        with pytest.raises(TooLargeError, match="expanded"):
            expand(body, "gzip")
    assert len(expand(half * 2 + gzip.compress(b""), "gzip")) == MAX_BODY


def test_a_great_many_members_are_refused() -> None:
    """Each costs time, and 2 MiB hold 100,000 of them."""
    member = gzip.compress(b"")
    assert expand(member * 100, "gzip") == b""
    with pytest.raises(TooLargeError, match="members"):
        expand(member * 100_000, "gzip")
    before = time.process_time()
    with pytest.raises(MalformedError):
        expand(member * 99 + b"\x1f" + bytes(MAX_BODY - 4000), "gzip")
    assert time.process_time() - before < 0.05, "what follows a member is not copied for each"


@given(st.binary(max_size=200), st.integers(0, 30), st.binary(max_size=3))
def test_whatever_is_sent_is_read_or_refused(data: bytes, place: int, inserted: bytes) -> None:
    damaged = gzip.compress(data, mtime=0)
    damaged = damaged[:place] + inserted + damaged[place:]
    for body, encoding in ((damaged, "gzip"), (data, None), (b"[" + data + b"]", None), (GOOD + data, None)):
        for kind in (JSON, LINES):
            try:
                batch = read(expand(body, encoding), kind)
            except (MalformedError, TooLargeError, InvalidError):
                continue
            assert len(batch.places) == len(batch.check_ins)
            assert sorted([*batch.places, *batch.errors]) == list(range(len(batch.check_ins) + len(batch.errors)))


_ITEMS: st.SearchStrategy[Any] = st.one_of(
    st.just({"userId": 1, "locationId": 2, "starRating": 3}),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["userId", "x"]), inner),
        max_leaves=3,
    ),
)


@given(st.lists(_ITEMS, max_size=6))
def test_an_array_and_lines_of_the_same_items_are_the_same_batch(items: list[Any]) -> None:
    array = read(json.dumps(items).encode(), JSON)
    lines = read("\n".join(map(json.dumps, items)).encode(), LINES)
    assert (array.places, array.check_ins, statuses(array)) == (lines.places, lines.check_ins, statuses(lines))
