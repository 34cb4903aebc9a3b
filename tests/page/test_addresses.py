"""Addresses as browsers have them."""

import pytest

from footfall.page.addresses import origin, twins


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://take.example.com/some/path", "https://take.example.com"),
        ("http://me:secret@10.0.0.1:8082", "http://10.0.0.1:8082"),
        ("https://tiles.example.com/{z}/{x}/{y}.png", "https://tiles.example.com"),
        ("http://[::1]:8082/", "http://[::1]:8082"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, expected: str) -> None:
    assert origin(url) == expected
    assert twins(url) == [expected]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_has_two_names(host: str) -> None:
    assert twins(f"http://{host}:8082/") == ["http://127.0.0.1:8082", "http://localhost:8082"]
    assert twins(f"http://{host}") == ["http://127.0.0.1", "http://localhost"]
