"""The server's clock, as this process knows it."""

import time

from footfall.store.pipeline import Connection


class ServerClock:
    """The server's time, asked for now and then, and reckoned by this machine's in between."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    async def set(self, connection: Connection) -> None:
        """Ask for it."""
        seconds, microseconds = await connection.call("TIME")
        self._ahead_s = int(seconds) + int(microseconds) / 1e6 - time.time()

    @property
    def ms(self) -> int:
        """The server's time."""
        return int(1000 * (time.time() + self._ahead_s))
