"""The processor's loop: connect, wait for the lease, work; and all of it again after whatever ends the work."""

import contextlib
import logging
from typing import TYPE_CHECKING, Literal

from footfall.config import Settings
from footfall.errors import ConnectionLostError, FootfallError
from footfall.keys import Keys
from footfall.logs import Outage, log
from footfall.processor.lease import Lease, LeaseLostError
from footfall.processor.report import Report
from footfall.processor.stopping import Stopping
from footfall.processor.work import Work
from footfall.store import permissions
from footfall.store.calls.reply import FencedError
from footfall.store.metadata import Metadata, open_pipeline
from footfall.store.pipeline import Connection

if TYPE_CHECKING:
    from footfall.processor.metrics import Metrics

State = Literal["connecting", "standing by", "working"]

#: seconds before another try when the server is there but the batch cannot be applied
_RETRY_S = 0.25


class Processor:
    """Applies the entries of one stream, for ever or (`processor_once`) until it is drained.

    Any number may run on one stream: the one with the lease works, and process.lua lets only one of them apply a batch
    whatever the lease says. A batch is applied over the connection that it was read on; when that is lost, the batch is
    dropped and read again from the checkpoint.
    """

    def __init__(self, settings: Settings, url: str, metrics: "Metrics") -> None:
        keys = Keys(settings.server.prefix)
        self._ends = settings.processor.once
        self._stopping = Stopping()
        self._lease = Lease(keys, settings.processor.lease_s)
        self._metadata = Metadata(keys)
        self._pipeline = open_pipeline(url, settings.server, metadata=self._metadata, commands=permissions.PROCESSOR)
        self._report = Report(keys, settings.processor)
        #: why nothing is applied at the moment
        self.outage = Outage("Nothing is processed: %s. Retrying until it is fixed.", "Processing goes on")
        self._work = Work(
            keys,
            settings,
            lease=self._lease,
            metadata=self._metadata,
            report=self._report,
            metrics=metrics,
            stopping=self._stopping,
            on_progress=self.outage.end,
        )
        self.state: State = "connecting"

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Finish the batches under way and give the lease back; then `run` returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Process until `stop` is called, through every outage."""
        self._pipeline.start()
        try:
            with self._report:
                await self._run()
            with contextlib.suppress(FootfallError):  # it ends by itself
                await self._lease.release(self._pipeline.connection)
        finally:
            await self._pipeline.close()

    # --- private

    async def _run(self) -> None:
        while not self._stopping.is_set():
            connection = await self._stopping.unless_set(self._pipeline.connected())
            if connection is None:
                return
            try:
                if await self._stand_by(connection):
                    async with self._lease.renewed_over(connection):
                        await self._process(connection)
                return
            except FencedError as error:
                log.debug("A batch was dropped: %s.", error)
            except LeaseLostError as error:
                log.debug("The lease was lost: %s.", error)
            except ConnectionLostError:
                self.state = "connecting"  # the pipeline says so
            except FootfallError as error:
                self.outage.begin(str(error))
                await self._stopping.pause(_RETRY_S)

    async def _stand_by(self, connection: Connection) -> bool:
        """Wait for the lease; whether it is ours.

        It is not when told to stop, or (`processor_once`) when its holder has drained the stream.
        """
        while not self._stopping.is_set():
            holder = await self._lease.take(connection)
            if holder is None:
                return True
            self.outage.end()
            if self.state != "standing by":
                self.state = "standing by"
                log.info("Another processor works on the stream (%s); standing by.", holder)
            if self._ends:
                position = await self._metadata.open(connection)
                if not await self._work.read(connection, position.checkpoint, most=1):
                    return False
            await self._stopping.pause(self._lease.poll_interval_s)
        return False

    async def _process(self, connection: Connection) -> None:
        position = await self._metadata.open(connection)
        self.state = "working"
        level = logging.INFO if self.outage.reason is None else logging.DEBUG  # tried four times a second meanwhile
        log.log(level, "Reading stream from last ID %s.", position.checkpoint.decode())
        await self._work.run(connection, position)
