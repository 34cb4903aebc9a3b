"""The files of the live page, as the API server sends them."""

import pytest

from processes import Api
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
