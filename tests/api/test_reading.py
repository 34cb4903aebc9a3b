"""Reading records for answers: many in one call, and column by column, as one by one."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from chaos.scene import seeded
from footfall.api.reading import Reader
from footfall.api.record_shapes import COUNT, NUMBER, TEXT, Shape, Value, id_in
from footfall.errors import BrokenKeyError, NotFoundError
from footfall.keys import Keys
from pipelines import pipeline_to
from servers import Server


class _Thing(NamedTuple):
    id: int
    name: str | None
    times: int
    last: int | None


_SHAPE = Shape(_Thing, {"id": COUNT, "name": TEXT, "times": COUNT, "last": NUMBER})
_GOOD: list[list[Value]] = [
    [None, b"1", b"9007199254740991", b"9999999999999999"],
    [None, b"", b"Zo\xc3\xab", b"\xf0\x9f\x98\x80"],
    [None, b"0", b"007", b"42"],
    [None, b"0", b"1609602085397"],
]
_BAD: list[list[Value]] = [
    [b"", b"x", b"-1", b"1.0"],
    [b"\xff", b"\xc3"],
    [b"", b" 1", b"1_0", b"+1", b"1e3", b"9" * 17, "\u0661".encode()],
    [b"", b"x", b"1\n"],
]


def _outcome(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except BrokenKeyError as error:
        return str(error)


def _records(rng: random.Random, bad: float) -> list[list[Value]]:
    def field(i: int) -> Value:
        return rng.choice(_BAD[i] if rng.random() < bad else _GOOD[i])

    return [[None] * 4 if rng.random() < 0.1 else [field(i) for i in range(4)] for _ in range(rng.randrange(12))]


@pytest.mark.parametrize("bad", [0, 0.02, 0.3])
def test_many_records_are_read_as_each_of_them_by_itself(bad: float) -> None:
    rng = seeded()
    for _ in range(300):
        records = _records(rng, bad)
        keys = [b"thing:%d" % n for n in range(len(records))]

        def each(keys: list[bytes] = keys, records: list[list[Value]] = records) -> list[_Thing]:
            found = (_SHAPE.one(key, values) for key, values in zip(keys, records, strict=True))
            return [thing for thing in found if thing is not None]

        expected = _outcome(each)
        assert _outcome(lambda keys=keys, records=records: _SHAPE.many(keys, records)) == expected, records  # type: ignore[misc]


def test_a_broken_field_is_named_with_its_key() -> None:
    records: list[list[Value]] = [[b"1", b"a", None, None], [None] * 4, [b"3", b"c", b"x", None]]
    with pytest.raises(BrokenKeyError, match="thing:3: times is not a number"):
        _SHAPE.many([b"thing:1", b"thing:2", b"thing:3"], records)
    with pytest.raises(BrokenKeyError, match="thing:1: name is not UTF-8"):
        _SHAPE.one(b"thing:1", [b"1", b"\xff", None, None])


@pytest.mark.parametrize("value", [b"", b"0", b"-1", b"05", b"x", b"1.0", b"9" * 17, b"\xff"])
def test_what_is_no_id_in_an_index_is_named(value: bytes) -> None:
    with pytest.raises(BrokenKeyError, match="ncc:index has an entry that is about no record"):
        id_in(b"ncc:index", value)
    assert id_in(b"ncc:index", b"9007199254740991") == b"9007199254740991"


async def test_records_come_in_the_order_of_their_keys_without_those_that_are_not_there(server: Server) -> None:
    client = server.client()
    for n in (1, 3, 4):
        client.hset(f"thing:{n}", mapping={"id": n, "name": f"n{n}"})
    client.hset("thing:5", "name", "without an id")
    async with pipeline_to(server.url) as pipeline:
        await pipeline.connected()
        reader = Reader(pipeline, Keys("ncc"))
        keys = [b"thing:%d" % n for n in (4, 2, 1, 5, 3, 1)]
        assert [thing.id for thing in await reader.many(_SHAPE, keys)] == [4, 1, 3, 1]
        assert await reader.many(_SHAPE, []) == []
        client.script_flush()
        assert [thing.id for thing in await reader.many(_SHAPE, keys)] == [4, 1, 3, 1]
        many = [b"thing:1"] * 1000
        assert len(await reader.many(_SHAPE, many)) == 1000


async def test_a_record_of_another_type_is_named(server: Server) -> None:
    client = server.client()
    client.hset("thing:1", "id", 1)
    client.set("thing:2", "x")
    async with pipeline_to(server.url) as pipeline:
        await pipeline.connected()
        reader = Reader(pipeline, Keys("ncc"))
        with pytest.raises(BrokenKeyError, match="thing:2 holds another type than it must"):
            await reader.many(_SHAPE, [b"thing:1", b"thing:2"])
        with pytest.raises(BrokenKeyError, match="thing:2 holds another type than it must"):
            await reader.one(_SHAPE, b"thing:2", "thing")
        with pytest.raises(NotFoundError, match="there is no such thing"):
            await reader.one(_SHAPE, b"thing:3", "thing")
