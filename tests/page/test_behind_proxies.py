"""The live page behind nginx and HAProxy, with a prefix: one origin for all services."""

from typing import Any

import pytest
from playwright.sync_api import expect

from browser import opened, wait_until_live
from processes import Api, Auth, Processor, Receiver
from servers import Server
from web_proxies import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_somebody_signs_in_and_checks_in(browser: Any, sample: Server, kind: str) -> None:
    settings: Any = {"auth": True, "trusted_proxies": "127.0.0.1"}
    with Receiver(sample.url, **settings) as receiver, Auth(sample.url, **settings) as auth, Processor(sample.url):
        api = Api(sample.url, **settings)
        with KINDS[kind]({"receiver": receiver.port, "auth": auth.port, "api": api.port}) as proxy, api:
            api.terminate()
            api.settings |= {"receiver_url": proxy.url, "auth_url": proxy.url}
            api.start()
            with opened(browser, f"{proxy.url}/#/checkin/13", tolerates_outages=True) as page:
                wait_until_live(page)
                page.get_by_label("E-mail").fill("sophia.marshall@example.com")
                page.get_by_label("Password").fill("secret")
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("button", name="Check in").click()
                expect(page.locator("#view .said")).to_contain_text("Taken and counted")
