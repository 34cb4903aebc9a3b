"""Replies in lines, as redis-cli prints them."""

from typing import Any

import pytest
from redis.exceptions import ResponseError

from footfall.store.replies import printed


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (None, "(nil)"),
        (0, "(integer) 0"),
        (-5, "(integer) -5"),
        (2**53, "(integer) 9007199254740992"),
        (b"", '""'),
        (b"2349.5", '"2349.5"'),
        (b'say "hi"\\\r\n\t\x07\x08', r'"say \"hi\"\\\r\n\t\a\b"'),
        (b"\x00\x1b[31m\x7f", r'"\x00\x1b[31m\x7f"'),
        (b"\xff\xfe", r'"\xff\xfe"'),
        ("Zoë 東京".encode(), '"Zoë 東京"'),
        ("\u202e".encode(), r'"\xe2\x80\xae"'),  # would turn the line round
        (ResponseError("ERR no"), "(error) ERR no"),
        ([], "(empty array)"),
    ],
)
def test_a_single_value(reply: Any, line: str) -> None:
    assert printed(reply) == line


def test_a_list_is_numbered() -> None:
    assert printed([b"a", None, 3]) == '1) "a"\n2) (nil)\n3) (integer) 3'


def test_numbers_are_aligned() -> None:
    lines = printed([b"x"] * 100).splitlines()
    assert (lines[0], lines[9], lines[99]) == ('  1) "x"', ' 10) "x"', '100) "x"')


def test_a_list_in_a_list_begins_on_the_line_of_its_number() -> None:
    assert printed([[b"1-0", [b"userId", b"180"]], [], [b"2-0", [b"userId", b"181"]]]) == (
        '1) 1) "1-0"\n'
        '   2) 1) "userId"\n'
        '      2) "180"\n'
        "2) (empty array)\n"
        '3) 1) "2-0"\n'
        '   2) 1) "userId"\n'
        '      2) "181"'
    )


def test_a_list_in_a_long_list_is_as_far_in_as_the_numbers_are_wide() -> None:
    lines = printed([*[b"x"] * 9, [b"a", [b"b", b"c"]]]).splitlines()
    assert lines[8:] == [' 9) "x"', '10) 1) "a"', '    2) 1) "b"', '       2) "c"']
