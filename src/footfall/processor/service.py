"""Running a processor: signals and the event loop."""

import asyncio
import signal

import uvloop

from footfall.config import Settings
from footfall.logs import log
from footfall.processor.loop import Processor


def run(settings: Settings, url: str) -> None:
    """Process until SIGINT or SIGTERM (a second one stops at once; nothing is lost by it), then return."""
    uvloop.run(_run(settings, url))


async def _run(settings: Settings, url: str) -> None:
    processor = Processor(settings, url)
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        processor.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    await processor.run()
    log.info("The processor has stopped.")
