"""The live page while much happens: 20,000 places, 500 check-ins a second, for a minute, and somebody moves the map."""

import json
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, expect

from browser import opened, wait_until_live
from processes import Api
from receiver_scene import open_metadata
from servers import Server

PLACES = 20_000
RATE = 500
SECONDS = 60
#: ms of CPU that the page may be busy at a stretch. On a machine that others use the clock would tell of them.
_LONGEST_MS = 200
#: what it may grow by in the second half, of what it has then
_GROWTH = 0.1

_COUNT_FRAMES = """() => {
    window.frames_ = 0;
    const count = () => { window.frames_++; requestAnimationFrame(count); };
    requestAnimationFrame(count);
}"""


def longest_ms(trace: bytes) -> float:
    """CPU of the longest task of the page's main thread, of a trace with the category `toplevel`."""
    events = json.loads(trace)["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event["tdur"] / 1000
        for event in events
        if "tdur" in event and event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in threads
    ]
    assert len(tasks) > 100, "it has seen them"
    return float(max(tasks))


def add_places(server: Server) -> None:
    """Places all over the world, as a load leaves them."""
    client = open_metadata(server)
    numbers = random.Random(13)
    with client.pipeline(transaction=False) as pipe:
        for number in range(1, PLACES + 1):
            east, north = numbers.uniform(-180, 180), numbers.uniform(-70, 70)
            record = {"id": number, "name": f"Place {number}", "category": f"kind {number % 12}"}
            record |= {"location": f"{east:.6f},{north:.6f}", "numCheckins": number, "numStars": number}
            pipe.hset(f"ncc:locations:{number}", mapping=record | {"averageStars": 1})
            pipe.zadd("ncc:locations:bycheckins", {str(number): number})
            if number % 1000 == 0:
                pipe.execute()


@contextmanager
def checking_in(server: Server) -> Iterator[None]:
    """Entries in the stream at a rate, as long as this lasts."""
    client, stopping = server.client(), threading.Event()
    numbers = random.Random(14)

    def add() -> None:
        begun, added = time.monotonic(), 0
        while not stopping.wait(0.02):
            due = int((time.monotonic() - begun) * RATE) - added
            with client.pipeline(transaction=False) as pipe:
                for _ in range(due):
                    place = 1 + int(PLACES * numbers.random() ** 2)
                    entry: Any = {"locationId": place, "userId": numbers.randrange(1, 1000), "starRating": 4}
                    pipe.xadd("ncc:checkins", entry, maxlen=10_000, approximate=True)
                pipe.execute()
            added += due

    thread = threading.Thread(target=add)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def move_map(page: Page) -> None:
    """Zoom in and out, and drag it to and fro."""
    page.mouse.move(400, 400)
    for turn in (-120, -120, 120, 120):
        page.mouse.wheel(0, turn)
        page.wait_for_timeout(200)
    page.mouse.down()
    for step in range(400):
        page.mouse.move(400 + 150 * math.sin(step / 20), 400 + 100 * math.sin(step / 15))
    page.mouse.up()


def test_it_stays_smooth_and_does_not_grow(browser: Any, server: Server) -> None:
    add_places(server)
    with Api(server.url) as api, opened(browser, f"{api.url}/") as page, checking_in(server):
        wait_until_live(page)
        expect(page.locator("#places")).to_have_text(f"{PLACES:,}")
        devtools = page.context.new_cdp_session(page)

        def heap() -> float:
            devtools.send("HeapProfiler.collectGarbage")
            return float(devtools.send("Runtime.getHeapUsage")["usedSize"])

        page.evaluate(_COUNT_FRAMES)
        sizes, frames, longest = [], [], []
        for quarter in range(4):
            before, began = page.evaluate("frames_"), time.monotonic()
            if quarter >= 2:
                browser.start_tracing(page=page, categories=["toplevel"])
            if quarter == 2:
                move_map(page)
            page.wait_for_timeout(1000 * max(0.0, SECONDS / 4 - (time.monotonic() - began)))
            frames.append((page.evaluate("frames_") - before) / (time.monotonic() - began))
            if quarter >= 2:
                longest.append(longest_ms(browser.stop_tracing()))
            sizes.append(heap() / 1e6)
        seen = int(page.locator("#seen").inner_text().replace(",", ""))
    print(f"frames a second {[round(rate) for rate in frames]}, MB {[round(size, 1) for size in sizes]}")
    print(f"{seen} seen; the longest tasks, moved and still, {[round(task) for task in longest]} ms of CPU")
    assert seen > 0.9 * RATE * SECONDS
    assert max(longest) < _LONGEST_MS
    assert sizes[3] < (1 + _GROWTH) * sizes[1]
