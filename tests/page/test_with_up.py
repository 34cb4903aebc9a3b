"""The live page as a newcomer has it: `footfall up` lets it check in, with and without sign-in, by either name."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from browser import opened, wait_until_live
from up_process import Up, load_sample


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_newcomer_checks_in(browser: Any, tmp_path: Path, host: str) -> None:
    load_sample(tmp_path)
    with Up(tmp_path) as up:
        page_url, receiver = up.api.replace("127.0.0.1", host), up.receiver.replace("127.0.0.1", host)
        with opened(browser, f"{page_url}/#/checkin/13", also=[receiver]) as page:
            wait_until_live(page)
            page.get_by_role("button", name="Check in").click()
            expect(page.locator("#view .said")).to_contain_text("Taken and counted")
            page.goto(f"{page_url}/#/status")
            expect(page.locator("figure", has_text="99 % of writes")).to_be_visible()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_with_sign_in_somebody_of_the_sample_does(browser: Any, tmp_path: Path, host: str) -> None:
    load_sample(tmp_path)
    with Up(tmp_path, "--auth") as up:
        page_url = up.api.replace("127.0.0.1", host)
        also = [url.replace("127.0.0.1", host) for url in (up.receiver, up.auth)]
        with opened(browser, f"{page_url}/#/checkin/13", also=also, tolerates_outages=True) as page:
            wait_until_live(page)
            page.get_by_label("E-mail").fill("sophia.marshall@example.com")
            page.get_by_label("Password").fill("secret")
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("button", name="Check in").click()
            expect(page.locator("#view .said")).to_contain_text("Taken and counted")


def test_pages_of_others_may_not_and_settings_say_who_else(tmp_path: Path) -> None:
    load_sample(tmp_path)
    asked = {"Origin": "http://evil.example.com", "Access-Control-Request-Method": "POST"}
    with Up(tmp_path) as up:
        for origin, allowed in ((up.api, up.api), ("http://evil.example.com", None)):
            answer = httpx.options(f"{up.receiver}/api/checkin", headers=asked | {"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
    with Up(tmp_path, cors_origins="http://app.example.com") as up:
        answer = httpx.options(f"{up.receiver}/api/checkin", headers=asked | {"Origin": up.api})
        assert "access-control-allow-origin" not in answer.headers
