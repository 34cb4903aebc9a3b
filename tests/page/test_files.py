"""The files of the live page, as the API server sends them."""

from typing import Any

import pytest

from footfall.errors import ExitCode
from processes import Api, Footfall
from receiver_scene import open_metadata
from servers import Server


def test_the_page_may_use_nothing_but_what_the_service_has(server: Server) -> None:
    open_metadata(server)
    with Api(server.url) as api:
        page = api.client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert "<script>" not in page.text
        assert " style=" not in page.text
        for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
            assert api.client.get(f"/page/{name}").headers["content-type"] == f"{kind}; charset=utf-8"
        for name in ("page.js", "land.json"):
            part = api.client.get(f"/page/{name}")
            again = api.client.get(f"/page/{name}", headers={"If-None-Match": part.headers["etag"]})
            assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/page/nothing.js", "/page/index.html", "/page/main.js", "/page/..%2ffiles.py", "/page/"]
)
def test_there_is_nothing_else(server: Server, path: str) -> None:
    open_metadata(server)
    with Api(server.url) as api:
        assert api.client.get(path).status_code == 404


def test_a_setting_turns_it_off(server: Server) -> None:
    open_metadata(server)
    with Api(server.url, live_page=False) as api:
        assert api.client.get("/").status_code == 404
        assert api.client.get("/page/page.js").status_code == 404


def test_the_policy_names_what_settings_name(server: Server) -> None:
    open_metadata(server)
    known: Any = {"receiver_url": "https://take.example.com/in", "auth_url": "http://127.0.0.1:8083"}
    tiles: Any = {
        "map_tiles": "https://tiles.example.com/{z}/{x}/{y}.png",
        "map_attribution": '<b>"Example" & sons</b>',
    }
    with Api(server.url, auth=True, **known, **tiles) as api:
        page = api.client.get("/")
        policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
        reached = "https://take.example.com http://127.0.0.1:8083 http://localhost:8083"
        assert policy["connect-src"] == f"'self' {reached}"
        assert policy["img-src"] == "'self' data: https://tiles.example.com"
        assert '<meta name="footfall-receiver" content="https://take.example.com/in">' in page.text
        assert 'content="&lt;b&gt;&quot;Example&quot; &amp; sons&lt;/b&gt;"' in page.text


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("receiver_url", "take.example.com"),
        ("receiver_url", "https://take.example.com; script-src *"),
        ("auth_url", "javascript:alert(1)"),
        ("map_tiles", "https://tiles.example.com/tile.png"),
        ("map_tiles", "https://*/{z}/{x}/{y}.png; script-src 'unsafe-inline'"),
    ],
)
def test_what_would_be_no_address_is_refused(server: Server, setting: str, value: str) -> None:
    with Footfall("api", settings={"redis_url": server.url, setting: value}) as api:
        assert api.wait() == ExitCode.USAGE
        assert f"FOOTFALL_{setting.upper()}" in api.log
