"""The live page in a real browser: check-ins are seen as they come, places are found, outages are got over."""

from typing import Any

from playwright.sync_api import expect

from browser import drawn, opened, wait_until_live
from processes import Api, Receiver
from servers import wait_until


def test_a_check_in_is_seen_on_the_map_in_the_feed_and_on_the_card_of_its_place(
    browser: Any, receiver: Receiver, api: Api
) -> None:
    with opened(browser, f"{api.url}/#/location/13") as page:
        wait_until_live(page)
        expect(page.locator("#places")).to_have_text("215")
        wait_until(lambda: drawn(page, "land") and drawn(page, "dots"), "the map is drawn")
        count = page.locator("#view .count").inner_text()
        assert not drawn(page, "glow")
        assert receiver.post(180, 13, 4).status_code == 202
        wait_until(lambda: drawn(page, "glow"), "the place lights up")
        wait_until(lambda: drawn(page, "heat"), "the ground glows")
        line = page.locator("#feed li[data-entry]").first
        expect(line).to_contain_text("Sophia Marshall")
        expect(line).to_contain_text("Clover Almond Patisserie")
        expect(line).to_contain_text("★★★★☆")
        line.get_by_role("link").click()
        before = int(count.split()[0].replace(",", ""))
        page.goto(f"{api.url}/#/location/14")
        page.goto(f"{api.url}/#/location/13")
        expect(page.locator("#view .count")).to_have_text(f"{before + 1} check-ins")


def test_a_place_is_found_by_its_name_and_the_address_names_it(browser: Any, api: Api) -> None:
    with opened(browser, f"{api.url}/") as page:
        wait_until_live(page)
        page.get_by_label("Find a place").fill("clover almond")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{api.url}/#/location/13")
        expect(page.locator("#view h2")).to_have_text("Clover Almond Patisserie")
        page.get_by_role("link", name="Close").click()
        expect(page.locator("#view")).to_be_hidden()
        page.go_back()
        expect(page.locator("#view h2")).to_have_text("Clover Almond Patisserie")


def test_a_place_that_is_not_there_is_said_to_be(browser: Any, api: Api) -> None:
    with opened(browser, f"{api.url}/#/location/999999", tolerates_outages=True) as page:
        expect(page.locator("#view")).to_contain_text("There is no place 999999.")


def test_after_an_outage_nothing_is_missed(browser: Any, receiver: Receiver, api: Api) -> None:
    with opened(browser, f"{api.url}/", tolerates_outages=True) as page:
        wait_until_live(page)
        receiver.post(1, 13, 1)
        expect(page.locator("#seen")).to_have_text("1")
        api.kill()
        expect(page.locator("#state")).to_contain_text("away")
        for _ in range(5):
            receiver.post(2, 14, 5)
        api.start()
        wait_until_live(page)
        expect(page.locator("#seen")).to_have_text("6")


def test_it_is_dark_where_the_viewer_wants_it(browser: Any, api: Api) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        with opened(browser, f"{api.url}/", color_scheme=scheme) as page:
            wait_until_live(page)
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(246, 245, 242)", "rgb(20, 23, 26)"]


def test_on_a_phone_nothing_is_cut_off(browser: Any, api: Api) -> None:
    with opened(browser, f"{api.url}/#/location/13", viewport={"width": 360, "height": 740}) as page:
        wait_until_live(page)
        expect(page.locator("#view h2")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_opening_it_takes_few_questions(browser: Any, api: Api) -> None:
    asked: list[str] = []
    with opened(browser, f"{api.url}/", asked=asked) as page:
        wait_until_live(page)
        expect(page.locator("#trending li")).not_to_have_count(0)
        expect(page.locator("#health")).to_have_text("All well")
        page.wait_for_load_state("load")
    assert sorted(url.removeprefix(api.url) for url in asked if not url.startswith("data:")) == [
        "/",
        "/api/checkins/live",
        "/api/locations/map",
        "/api/locations/trending?limit=5",
        "/api/status",
        "/page/land.json",
        "/page/leaflet-src.esm.js",
        "/page/page.css",
        "/page/page.js",
    ]
