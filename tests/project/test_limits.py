"""The page of limits says what the code has."""

import inspect
import re
from pathlib import Path

import pytest

from footfall import config
from footfall.api import feed
from footfall.api.parameters import LimitParameter
from footfall.auth import check_passwords, limits
from footfall.cli import access
from footfall.http import bodies, forwarded
from footfall.http import head as http_head
from footfall.http import reading as http_reading
from footfall.identity import sessions
from footfall.operations.manage import hash_passwords
from footfall.receiver import batch_body, check_in

_PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
_UNITS = {"": 1, " KiB": 1024, " MiB": 1024 * 1024}
#: what the code has, by the first words of the row
CONSTANTS: dict[str, float] = {
    "path and query": http_head.MAX_TARGET,
    "headers and trailers": http_head.MAX_HEAD,
    "characters of `X-Forwarded-Prefix`": forwarded.MAX_PREFIX,
    "what is looked at of a pipeline": http_reading._PART,
    "seconds for which more is read": http_reading.DROPPING_S,
    "what is read and dropped": http_reading._DROPPED,
    "seconds in which a client takes nothing": http_reading.READING_S,
    "body of a check-in": check_in.MAX_BODY,
    "body of a batch": batch_body.MAX_BODY,
    "check-ins of a batch that are told": batch_body.TOLD,
    "check-ins of a batch": batch_body.MAX_ITEMS,
    "commas, or lines": batch_body.MAX_ITEMS * batch_body._SEPARATORS_EACH,
    "gzip members": batch_body._MAX_MEMBERS,
    "characters of an `Idempotency-Key`": next(n for n in range(1, 999) if not check_in._is_key("k" * (n + 1))),
    "records of a page": LimitParameter.most,
    "body of a request that adds": bodies.MAX_BODY,
    "passwords that wait to be hashed": hash_passwords._MOST,
    "what waits for a reader": feed.MAX_WAITING,
    "seconds in which a reader takes nothing": feed.STALLED_S,
    "body of a sign-in": bodies.MAX_BODY,
    "limits of one address": limits.SPREAD,
    "seconds that a check of a password": check_passwords._MAX_WAIT_S,
    "checks that wait for each": check_passwords._WAITING_EACH,
    "sessions of a user": sessions._MAX_SESSIONS,
}


def rows() -> list[tuple[str, str, str]]:
    """Limit, value and setting of each row."""
    return re.findall(r"^\| ([^|]+) \| ([\w ]+) \| (?:`(\w+)`)? ?\| [^|]+ \|$", _PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("limit", "value", "setting"), rows(), ids=lambda text: text[:30])
def test_a_limit_is_what_the_page_says(limit: str, value: str, setting: str) -> None:
    if value == "none":
        assert "`--rate`" in limit
        assert inspect.signature(access.tokens).parameters["rate"].default == 0
        return
    found = re.fullmatch(r"(\d+)( KiB| MiB|)", value)
    assert found, value
    amount = int(found[1]) * _UNITS[found[2]]
    if setting:
        assert amount == config.load().value(setting)
    else:
        [*_, name] = sorted((name for name in CONSTANTS if limit.startswith(name)), key=len)
        assert amount == CONSTANTS[name]


def test_no_limit_is_left_out() -> None:
    limits_on_page, page = [limit for limit, _, _ in rows()], _PAGE.read_text()
    assert len(limits_on_page) == page.count("\n| ") - 2 * page.count("\n| --- |"), "each row is read"
    for name in CONSTANTS:
        assert any(limit.startswith(name) for limit in limits_on_page), name
