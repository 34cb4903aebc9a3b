"""Photographs the live page for the documentation: `python tools/make_screenshots.py [FOLDER]`, else docs/images.

Everything is started in a directory of its own, with the sample and some check-ins a second, and stopped again. It
needs Chromium, and the ports of `footfall up`, which `FOOTFALL_...` variables set.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

_ROOT = Path(__file__).parent.parent
_FOOTFALL = [sys.executable, "-m", "footfall"]
#: check-ins a second; seconds until the numbers have a line; seconds that all of it takes to start
_RATE = 40
_LINES_S = 30
_START_S = 60
_NAMES = ("chromium", "chromium-browser", "google-chrome")


class Picture(NamedTuple):
    """What is photographed, and how."""

    name: str
    address: str
    width: int = 1280
    height: int = 800
    scheme: str = "light"


PICTURES = [
    Picture("live", ""),
    Picture("live-dark", "#/location/13", scheme="dark"),
    Picture("live-user", "#/user/180"),
    Picture("live-status", "#/status", height=900),
    Picture("live-phone", "#/checkin/13", 390, 780),
]


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """`footfall up` with check-ins that come; the address of the page."""
    api = f"http://127.0.0.1:{os.environ.get('FOOTFALL_API_PORT', '8081')}/"
    with (directory / "log").open("wb") as log:
        commands = (["up"], ["generate", "--rate", str(_RATE), "--seed", "7"])
        started: list[subprocess.Popen[bytes]] = []
        try:
            for words in commands:
                started.append(subprocess.Popen([*_FOOTFALL, *words], cwd=directory, stdout=log, stderr=log))
                _wait_until_ready(f"{api}readyz", started[-1])
            yield api
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("footfall up did not start; is a port taken?")


def photograph(browser: Browser, page_url: str, picture: Picture, folder: Path) -> None:
    """Take one picture, once there is something to see."""
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme="dark" if picture.scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(f"{page_url}{picture.address}")
    page.wait_for_selector("#feed li[data-entry]")
    page.wait_for_timeout(1000 * (_LINES_S if "status" in picture.address else 4))
    page.screenshot(path=folder / f"{picture.name}.png")
    context.close()


def main() -> None:
    """Take all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise SystemExit("there is no Chromium (Debian: chromium)")
    with (
        tempfile.TemporaryDirectory() as directory,
        running(Path(directory)) as page_url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for picture in PICTURES:
            photograph(browser, page_url, picture, folder)
            print(folder / f"{picture.name}.png")
        browser.close()


if __name__ == "__main__":
    main()
