"""Checking in on the live page: taken and counted, refused in words, unanswered and then counted once, signed in."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser import opened, wait_until_live
from processes import Api, Auth, Processor, Receiver
from proxy import Proxy
from servers import Server, free_port

SAID = "#view .said"


class Services:
    """All that a page needs that people check in on; `page` is where it is."""

    def __init__(self, sample: Server, *, host: str = "127.0.0.1", **settings: Any) -> None:
        port = free_port()
        self.page = f"http://{host}:{port}/"
        settings = {"cors_origins": self.page.rstrip("/"), **settings}
        self.receiver = Receiver(sample.url, **settings)
        self.processor = Processor(sample.url)
        self.proxy = Proxy(self.receiver.port)
        self.receiver_url = f"http://{host}:{self.proxy.port}"
        self.auth = Auth(sample.url, **settings)
        known: Any = {"receiver_url": self.receiver_url, "auth_url": self.auth.url, "api_port": port}
        self.api = Api(sample.url, **settings, **known)

    def count(self, location: int) -> int:
        """How many check-ins it has."""
        return int(self.api.client.get(f"/api/location/{location}").json()["numCheckins"])

    def close(self) -> None:
        for one in (self.api, self.auth, self.proxy, self.processor, self.receiver):
            one.close()


@pytest.fixture
def services(sample: Server) -> Iterator[Services]:
    services = Services(sample)
    yield services
    services.close()


@pytest.fixture
def guarded(sample: Server) -> Iterator[Services]:
    services = Services(sample, host="localhost", auth=True)
    yield services
    services.close()


def check_in(page: Page, stars: int, user: str | None = None) -> None:
    """Fill in and send."""
    if user is not None:
        page.get_by_label("As user").fill(user)
    page.get_by_label(f"{stars} star").check()
    page.get_by_role("button", name="Check in").click()


def test_a_check_in_is_taken_and_seen_to_be_counted(browser: Any, services: Services) -> None:
    before = services.count(13)
    with opened(browser, f"{services.page}#/location/13", also=[services.receiver_url]) as page:
        wait_until_live(page)
        page.get_by_role("link", name="Check in here").click()
        expect(page).to_have_url(f"{services.page}#/checkin/13")
        check_in(page, 5, "180")
        expect(page.locator(SAID)).to_have_text(f"Taken and counted: {before + 1} check-ins here now.")
        line = page.locator("#feed li[data-entry]").first
        expect(line).to_contain_text("Sophia Marshall")
        expect(line).to_contain_text("★★★★★")
        check_in(page, 1)
        expect(page.locator(SAID)).to_have_text(f"Taken and counted: {before + 2} check-ins here now.")
    assert services.count(13) == before + 2


@pytest.mark.parametrize(
    ("user", "said"), [("999999", "Not taken: there is no such user."), ("0", "Not taken: userId")]
)
def test_a_refusal_is_said_in_words(browser: Any, services: Services, user: str, said: str) -> None:
    also = [services.receiver_url]
    with opened(browser, f"{services.page}#/checkin/13", also=also, tolerates_outages=True) as page:
        wait_until_live(page)
        check_in(page, 3, user)
        expect(page.locator(SAID)).to_contain_text(said)


def test_without_an_answer_nobody_knows_and_sent_again_it_counts_once(browser: Any, services: Services) -> None:
    before = services.count(13)
    also = [services.receiver_url]
    with opened(browser, f"{services.page}#/checkin/13", also=also, tolerates_outages=True) as page:
        wait_until_live(page)
        services.proxy.hold_replies(to=b"POST ")
        check_in(page, 3, "180")
        expect(page.locator("#feed li[data-entry]")).to_have_count(1)  # it was taken
        services.proxy.cut()
        expect(page.locator(SAID)).to_have_text(
            "No answer came: it may have been taken. Check in again: it counts only once."
        )
        page.get_by_role("button", name="Check in").click()
        expect(page.locator(SAID)).to_contain_text("Taken")
        check_in(page, 4)
        expect(page.locator(SAID)).to_have_text(f"Taken and counted: {before + 2} check-ins here now.")


def test_who_signs_in_checks_in_as_that_user_and_signs_out(browser: Any, guarded: Services) -> None:
    before = guarded.count(13)
    also = [guarded.receiver_url, guarded.auth.url.replace("127.0.0.1", "localhost")]
    with opened(browser, f"{guarded.page}#/checkin/13", also=also, tolerates_outages=True) as page:
        wait_until_live(page)
        page.get_by_label("E-mail").fill("sophia.marshall@example.com")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(SAID)).to_have_text("E-mail or password is wrong.")
        page.get_by_label("Password").fill("secret")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#view")).to_contain_text("Signed in as Sophia Marshall")
        check_in(page, 2)
        expect(page.locator(SAID)).to_have_text(f"Taken and counted: {before + 1} check-ins here now.")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        assert not [one for one in page.context.cookies() if one["value"]]


def test_a_page_that_knows_no_receiver_says_so(browser: Any, api: Api) -> None:
    with opened(browser, f"{api.url}/#/location/13") as page:
        expect(page.locator("#view h2")).to_have_text("Clover Almond Patisserie")
        expect(page.get_by_role("link", name="Check in here")).to_have_count(0)
        page.goto(f"{api.url}/#/checkin/13")
        expect(page.locator("#view")).to_contain_text("the setting receiver_url says so")
