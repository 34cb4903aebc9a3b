"""A real browser, headless: pages that must ask nobody else, break no policy, and write no error to the console."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

#: environment variable with the folder in which a picture of each test is kept
PICTURES_VARIABLE = "TEST_PICTURES"
#: ms that something on a page may take
_PATIENCE_MS = 20_000
expect.set_options(timeout=_PATIENCE_MS)

#: Debian's package, or another build of the same
_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: without a sandbox, as root cannot have one; in memory, as /dev/shm is small in containers
_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]

#: whether something is drawn on a layer of the map
_IS_DRAWN = """layer => {
    const canvas = document.querySelector(`canvas[data-layer=${layer}]`);
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((value, place) => place % 4 === 3 && value > 0);
}"""


@contextmanager
def browser() -> Iterator[Any]:
    """A browser. Where there is none the test is left out, but not in continuous integration."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium (Debian: chromium)")
        pytest.skip("there is no Chromium (Debian: chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield started
        started.close()


@contextmanager
def opened(
    browser: Any,
    url: str,
    *,
    tolerates_outages: bool = False,
    asked: list[str] | None = None,
    also: Sequence[str] = (),
    answers: Mapping[str, Callable[[Any], None]] | None = None,
    **options: Any,
) -> Iterator[Page]:
    """A page in a context of its own; at the end it must have kept the rules.

    `tolerates_outages`: also answers that are refusals. `asked`: gets what it asks for. `also`: URLs of services that
    it may ask, too. `answers`: what is answered in the place of others, by pattern of their URLs.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    page: Page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    for pattern, handler in (answers or {}).items():
        page.route(pattern, handler)
    problems: list[str] = []
    asked = [] if asked is None else asked
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    try:
        yield page
    finally:
        _keep_picture(page)
        context.close()
    hosts = {urlsplit(one).netloc for one in asked if not one.startswith("data:")}
    assert hosts - {urlsplit(one).netloc for one in also} == {urlsplit(url).netloc}
    # the last is of tests that look at what is drawn
    allowed = [*(("Failed to load resource", "net::ERR_") if tolerates_outages else ()), "willReadFrequently"]
    assert [text for text in problems if not any(word in text for word in allowed)] == []


def wait_until_live(page: Page) -> None:
    """The live page hears of check-ins."""
    expect(page.locator("#state")).to_have_text("Live")


def _keep_picture(page: Page) -> None:
    """What was seen last, for whoever looks at the run."""
    folder = os.environ.get(PICTURES_VARIABLE)
    if folder is not None:
        name = re.sub(r"\W+", "-", os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0])
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


def drawn(page: Page, layer: str) -> bool:
    """Whether something is drawn on this layer of the map."""
    return bool(page.evaluate(_IS_DRAWN, layer))
