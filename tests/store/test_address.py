"""Where the server is: what URLs say, and that nobody gets to read their passwords."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.errors import UsageError
from footfall.store.address import Address, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address()),
        ("redis://localhost", Address(host="localhost")),
        ("redis://host.example:7000", Address(host="host.example", port=7000)),
        ("redis://host/3", Address(host="host", database=3)),
        ("redis://host/", Address(host="host")),
        ("redis://host:", Address(host="host")),
        ("redis:///5", Address(database=5)),
        ("REDIS://Host", Address(host="host")),
        ("redis://10.0.0.1:65535/0", Address(host="10.0.0.1", port=65535)),
        ("redis://[::1]:7000", Address(host="::1", port=7000)),
        ("redis://:secret@host", Address(host="host", password="secret")),
        ("redis://ann:secret@host:1/2", Address("host", 1, username="ann", password="secret", database=2)),
        ("redis://ann@host", Address(host="host", username="ann")),
        ("redis://ann:@host", Address(host="host", username="ann")),
        ("redis://a%40b:p%2Fw%3A%25@host", Address(host="host", username="a@b", password="p/w:%")),
        ("redis://:a:b@host", Address(host="host", password="a:b")),
        ("rediss://host:7000/1", Address(host="host", port=7000, database=1, tls=True)),
        ("unix:///run/redis.sock", Address(path="/run/redis.sock")),
        ("unix:///run/a%20b.sock?db=4", Address(path="/run/a b.sock", database=4)),
        ("unix://ann:secret@/run/redis.sock", Address(path="/run/redis.sock", username="ann", password="secret")),
    ],
)
def test_a_url_says_where_the_server_is(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "secret",
        "secret:6379",
        "//secret",
        "redis",
        "redis:secret",
        "redis:/secret",
        "redis:/0//",
        "redis:0//",
        "http://secret",
        "redis+tls://secret",
        "redis://secret:port",
        "redis://secret:0",
        "redis://secret:65536",
        "redis://secret:-1",
        "redis://[secret",
        "redis://[::1",
        "redis://host/secret",
        "redis://host/-1",
        "redis://host/1.5",
        "redis://host/1/2",
        "redis://host/\u0661",
        "redis://host/" + "9" * 5000,
        "redis://host?secret=1",
        "redis://host/0?db=secret",
        "redis://host#secret",
        "redis://:pass/secret@host",
        "redis://:pass#secret@host",
        "redis://:pass?secret@host",
        "redis://secret..example",
        "redis://" + "secret" * 20,
        "redis://:\u2100secret@host",
        "unix://",
        "unix:secret.sock",
        "unix:secret//sock",
        "unix://secret/run/redis.sock",
        "unix:///run/secret%00sock",
        "unix:///run/redis.sock?database=secret",
        "unix:///run/redis.sock?secret",
        "unix:///run/redis.sock?db=secret",
    ],
    ids=lambda url: url[:40],
)
def test_anything_else_is_refused_with_the_setting_and_without_the_url(url: str) -> None:
    with pytest.raises(UsageError, match=r"^FOOTFALL_REDIS_URL: ") as caught:
        parse(url)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "a trace would show it"


@given(st.one_of(st.text(), st.from_regex(r"(redis|rediss|unix):/?/?[^\n]*", fullmatch=True)))
def test_any_text_is_an_address_or_refused(url: str) -> None:
    try:
        address = parse(url)
    except UsageError:
        return
    assert address.path or (address.host and 1 <= address.port <= 65535)
    assert address.database >= 0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://", "redis://127.0.0.1:6379/0"),
        ("redis://ann:secret@host:7000/2", "redis://host:7000/2"),
        ("rediss://:secret@host", "rediss://host:6379/0"),
        ("redis://:secret@[::1]", "redis://[::1]:6379/0"),
        ("unix://ann:secret@/run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_what_is_shown_of_an_address_has_no_password(url: str, shown: str) -> None:
    address = parse(url)
    assert str(address) == f"{address}" == shown
    assert "secret" not in repr(address)


def test_tls_checks_certificate_and_name() -> None:
    context = parse("rediss://host").ssl_context()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert parse("redis://host").ssl_context() is None
    assert parse("unix:///run/redis.sock").ssl_context() is None
