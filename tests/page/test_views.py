"""The views of the live page: a user, the busiest, how it does, for whom; and how all of it is seen and reached."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import npm_tools
from auth_scene import new_token
from browser import drawn, opened, wait_until_live
from processes import Api, Processor, Receiver
from servers import Server, wait_until

#: what axe finds, a line for each rule that is broken
_FOUND = "async () => (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`)"
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c636060606000000005000157a9b8e70000000049454e44ae426082"
)
#: how wide the ring is that is drawn, and whether something is drawn in the accent's colour, as a path is
_WIDTH = """() => {
    const canvas = document.querySelector("canvas[data-layer=glow]");
    const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let [least, most] = [width, 0];
    for (let i = 3; i < data.length; i += 4) {
        const x = ((i - 3) / 4) % width;
        if (data[i] > 0) [least, most] = [Math.min(least, x), Math.max(most, x)];
    }
    return most - least;
}"""
_HAS_ACCENT = """() => {
    const canvas = document.querySelector("canvas[data-layer=dots]");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
        if (data[i] === 0xb3 && data[i + 1] === 0x40 && data[i + 2] === 0x0a) return true;
    }
    return false;
}"""
_VIEWS = ["", "location/13", "location/999999", "user/180", "busiest", "checkin/13", "status", "nonsense"]


def test_a_user_is_seen_with_the_newest_check_ins_as_a_path(browser: Any, api: Api) -> None:
    with opened(browser, f"{api.url}/#/busiest") as page:
        wait_until_live(page)
        wait_until(lambda: drawn(page, "dots"), "places are drawn")
        assert not page.evaluate(_HAS_ACCENT)
        page.get_by_label("Find a user by id").fill("180")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#view h2")).to_have_text("Sophia Marshall")
        expect(page.locator("#view")).to_contain_text("The line on the map joins the newest")
        wait_until(lambda: page.evaluate(_HAS_ACCENT), "the path is drawn")
        page.locator("#view ol a").first.click()
        expect(page.locator("#view h3").first).to_have_text("Here in the last three hours")
        page.go_back()
        expect(page.locator("#view h2")).to_have_text("Sophia Marshall")


def test_the_busiest_lead_to_the_map(browser: Any, api: Api) -> None:
    [place] = api.client.get("/api/locations/bycheckins?limit=1").json()
    [user] = api.client.get("/api/users/bycheckins?limit=1").json()
    with opened(browser, f"{api.url}/#/busiest") as page:
        wait_until_live(page)
        places, users = page.locator("#view ol").all()
        expect(places.locator("li")).to_have_count(10)
        expect(users.locator("li").first).to_contain_text(f"{user['firstName']} {user['lastName']}")
        expect(users.locator("li").first).to_contain_text(f"{user['numCheckins']:,}")
        places.locator("a").first.click()
        expect(page).to_have_url(f"{api.url}/#/location/{place['id']}")


def test_a_place_that_is_viewed_follows_what_happens_there(browser: Any, receiver: Receiver, api: Api) -> None:
    with opened(browser, f"{api.url}/#/location/13") as page:
        wait_until_live(page)
        before = int(page.locator("#view .count").inner_text().split()[0].replace(",", ""))
        receiver.post(180, 13, 5)
        expect(page.locator("#view .count")).to_have_text(f"{before + 1} check-ins")
        expect(page.locator("#view ol li").first).to_contain_text("Sophia Marshall")


def tile(page: Page, name: str) -> Any:
    """A number with its line."""
    return page.locator("figure", has_text=name)


def test_how_it_does_is_told_in_numbers_and_lines(browser: Any, sample: Server, receiver: Receiver) -> None:
    with Api(sample.url, receiver_url=receiver.url) as api, opened(browser, f"{api.url}/#/status") as page:
        wait_until_live(page)
        expect(page.locator("#view .well")).to_have_text("All is well.")
        expect(page.locator("#health")).to_have_text("All well")
        assert receiver.post(999999, 13, 5).status_code == 404
        expect(page.locator("#view table").first).to_contain_text("unknown-user")
        expect(tile(page, "Backlog").locator("strong")).to_have_text("0")
        for _ in range(20):
            receiver.post(180, 13, 5)
        expect(tile(page, "99 % of writes").locator("strong")).to_contain_text("ms")
        expect(tile(page, "Taken a second").locator("path")).to_have_attribute("d", re.compile("L"))


def test_what_is_wrong_is_said_with_what_to_do(browser: Any, sample: Server) -> None:
    with Api(sample.url) as api, opened(browser, f"{api.url}/") as page:
        wait_until_live(page)
        expect(page.locator("#health")).to_have_text("All well")
        sample.client().xadd("ncc:checkins", {"locationId": 13, "userId": 999_999_999, "starRating": 3})
        expect(page.locator("#health")).to_have_text("1 to look at")
        expect(page.locator("#health")).to_have_class("bad")
        page.locator("#health").click()
        expect(page.locator(".problems")).to_contain_text(
            "one check-in to be counted, and no processor works: start one"
        )
        with Processor(sample.url):
            expect(page.locator(".problems")).to_contain_text("footfall dead-letters list shows them")
            expect(tile(page, "Dead letters")).to_have_class("bad")


def test_with_sign_in_the_numbers_need_a_token(browser: Any, sample: Server) -> None:
    with (
        Api(sample.url, auth=True) as api,
        opened(browser, f"{api.url}/#/status", tolerates_outages=True) as page,
    ):
        wait_until_live(page)
        page.get_by_label("Token").fill("ff_wrong")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#view .said")).to_contain_text("Not taken")
        page.get_by_label("Token").fill(new_token(sample, role="admin").removeprefix("Bearer "))
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#view .well")).to_have_text("All is well.")


def test_a_page_that_nobody_sees_listens_no_more_and_has_the_counts_when_it_is_seen(
    browser: Any, receiver: Receiver, api: Api
) -> None:
    with opened(browser, f"{api.url}/", tolerates_outages=True) as page:  # what reloading cuts off
        page.clock.install()
        page.reload()
        wait_until_live(page)
        page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.isHidden, configurable: true })")
        see = "isHidden => { window.isHidden = isHidden; document.dispatchEvent(new Event('visibilitychange')); }"
        page.evaluate(see, True)
        page.clock.fast_forward(21_000)
        expect(page.locator("#state")).to_have_text("Paused")
        wait_until(lambda: "footfall_api_live_streams 0.0" in api.client.get("/metrics").text, "the feed has ended")
        receiver.post(180, 13, 5)
        page.evaluate(see, False)
        wait_until_live(page)
        expect(page.locator("#seen")).to_have_text("0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, sample: Server, receiver: Receiver, scheme: str) -> None:
    axe = (npm_tools.MODULES / "axe-core" / "axe.min.js").read_text()
    with Api(sample.url, receiver_url=receiver.url) as api:
        for view in _VIEWS:
            address = f"{api.url}/#/{view}"
            with opened(browser, address, color_scheme=scheme, tolerates_outages=True) as page:
                wait_until_live(page)
                if view:
                    expect(page.locator("#view")).to_be_visible()
                receiver.post(180, 13, 5)
                expect(page.locator("#feed li[data-entry]")).to_have_count(1)
                page.evaluate(axe)
                assert page.evaluate(_FOUND) == [], view


def test_axe_finds_nothing_where_one_signs_in(browser: Any, sample: Server) -> None:
    axe = (npm_tools.MODULES / "axe-core" / "axe.min.js").read_text()
    with Api(sample.url, auth=True, receiver_url="http://127.0.0.1:1", auth_url="http://127.0.0.1:2") as api:
        for view in ("status", "checkin/13"):
            with opened(browser, f"{api.url}/#/{view}", tolerates_outages=True) as page:
                expect(page.locator("#view form")).to_be_visible()
                page.evaluate(axe)
                assert page.evaluate(_FOUND) == [], view


def test_everything_can_be_reached_by_keys(browser: Any, api: Api) -> None:
    with opened(browser, f"{api.url}/") as page:
        wait_until_live(page)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip the map")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Find a place")).to_be_focused()
        page.keyboard.type("gym")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#view p").first).to_have_text("gym")
        expect(page.locator("#view h2")).to_be_focused()
        name = page.locator("#view h2").inner_text()
        expect(page).to_have_title(f"{name} - Footfall live")


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_where_motion_is_to_be_reduced(
    browser: Any, receiver: Receiver, api: Api, motion: str, moves: bool
) -> None:
    with opened(browser, f"{api.url}/", reduced_motion=motion) as page:
        wait_until_live(page)
        receiver.post(180, 13, 5)
        wait_until(lambda: drawn(page, "glow"), "it is seen")
        before = page.evaluate(_WIDTH)
        page.wait_for_timeout(500)
        assert (page.evaluate(_WIDTH) > before + 2) == moves


def test_two_fingers_zoom_the_map(browser: Any, api: Api) -> None:
    with opened(browser, f"{api.url}/", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True) as page:
        wait_until_live(page)
        zoom = "Number(document.querySelector('#map').dataset.zoom)"
        before = page.evaluate(zoom)
        devtools = page.context.new_cdp_session(page)
        devtools.send(
            "Input.synthesizePinchGesture", {"x": 180, "y": 250, "scaleFactor": 3, "gestureSourceType": "touch"}
        )
        wait_until(lambda: page.evaluate(zoom) >= before + 1, "it is nearer")


def test_a_team_has_its_own_map(browser: Any, sample: Server) -> None:
    tiles: list[str] = []
    settings: Any = {"map_tiles": "https://tiles.example.com/{z}/{x}/{y}.png", "map_attribution": "Example <Maps>"}

    def answer(route: Any) -> None:
        tiles.append(route.request.url)
        route.fulfill(status=200, content_type="image/png", body=_PNG)

    served: Any = {"also": ["https://tiles.example.com"], "answers": {"https://tiles.example.com/**": answer}}
    with Api(sample.url, **settings) as api, opened(browser, f"{api.url}/", **served) as page:
        wait_until_live(page)
        expect(page.locator(".leaflet-control-attribution")).to_have_text("Example <Maps>")
        wait_until(lambda: tiles, "tiles are asked for")
        assert not drawn(page, "land")


def test_a_place_is_chosen_on_the_map(browser: Any, api: Api) -> None:
    with opened(browser, f"{api.url}/#/location/13") as page:
        wait_until_live(page)
        expect(page.locator("#view h2")).to_have_text("Clover Almond Patisserie")
        wait_until(lambda: page.evaluate("Number(document.querySelector('#map').dataset.zoom)") >= 12, "it is near")
        page.get_by_role("link", name="Close").click()
        expect(page.locator("#view")).to_be_hidden()
        box = page.locator("#map").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page).to_have_url(f"{api.url}/#/location/13")


def test_who_is_there_is_told_by_name(browser: Any, sample: Server, receiver: Receiver, api: Api) -> None:
    for user in (180, 1, 2, 3, 4, 5, 6):
        receiver.post(user, 13, 4)
    wait_until(lambda: len(api.client.get("/api/location/13/now").json()) == 7, "they are there")
    present = api.client.get("/api/location/13/now").json()
    [first] = api.client.get(f"/api/users/names?ids={present[0]['userId']}").json()
    with opened(browser, f"{api.url}/#/location/13") as page:
        here = page.locator("#view h3", has_text="Here in the last").locator("+ p")
        expect(here).to_contain_text(first["fullName"])
        expect(here).to_contain_text(" and 2 more.")
        here.locator("a").first.click()
        expect(page.locator("#view h2")).to_have_text(first["fullName"])


def test_times_are_in_the_viewers_zone_and_numbers_as_the_viewer_writes_them(browser: Any, sample: Server) -> None:
    sample.client().hset("ncc:users:180", mapping={"numCheckins": 12345, "lastCheckin": 1_767_225_600_000})
    with Api(sample.url) as api:
        for zone, language, said in (
            ("Asia/Tokyo", "de-DE", ("12.345 check-ins", "01.01.2026, 09:00")),
            ("America/New_York", "en-US", ("12,345 check-ins", "Dec 31, 2025, 7:00")),
        ):
            with opened(browser, f"{api.url}/#/user/180", timezone_id=zone, locale=language) as page:
                for text in said:
                    expect(page.locator("#view")).to_contain_text(text)


def test_without_places_it_says_how_they_come(browser: Any, server: Server) -> None:
    with Api(server.url, ready=False) as api, opened(browser, f"{api.url}/") as page:
        wait_until_live(page)
        expect(page.locator("#hint")).to_contain_text("footfall load locations --from FILE")
