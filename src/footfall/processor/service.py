"""Running a processor: signals, the event loop, and the port that it is watched at."""

import asyncio
import contextlib
import os
import signal
import socket

import uvloop

from footfall.config import Settings
from footfall.http.server import METRICS_DIRECTORY, listen, serving, url
from footfall.logs import log
from footfall.process import signals
from footfall.processor.loop import Processor

#: seconds that the batches under way get when it is told to stop: a server that hangs may take longer
_STOP_S = 0.6


def run(settings: Settings) -> None:
    """Process until SIGINT, SIGTERM or SIGHUP, then return. A second SIGINT or SIGTERM stops at once; nothing is lost.

    Raises PortTakenError when another process listens on `processor_port`.
    """
    listener = None
    if settings.processor.port is not None:
        listener = listen("processor_port", settings)
        log.info("The processor listens on %s", url("processor_port", settings))
    uvloop.run(_run(settings, listener))
    log.info("The processor has stopped.")


async def _run(settings: Settings, listener: socket.socket | None) -> None:
    os.environ.pop(METRICS_DIRECTORY, None)  # the metrics library reads it when it is imported
    from footfall.processor.metrics import Metrics  # noqa: PLC0415

    metrics = Metrics()
    processor = Processor(settings, settings.server.url, metrics)
    loop = asyncio.get_running_loop()
    work = loop.create_task(processor.run())

    def on_signal() -> None:
        processor.stop()
        signals.ignore_hang_up()
        loop.call_later(_STOP_S, work.cancel)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    async with contextlib.AsyncExitStack() as stack:
        if listener is not None:
            from footfall.processor.health import Health, create  # noqa: PLC0415 - a third of the time to start

            health = Health(processor, metrics, settings)
            await stack.enter_async_context(serving(create(settings, health), listener))
            await stack.enter_async_context(health)
        await asyncio.wait({work})
    if work.cancelled():
        log.warning("The server has not answered in time; the checkpoint will tell what became of the last batches.")
    else:
        work.result()
