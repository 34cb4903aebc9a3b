"""`footfall up`: every part on one machine, started together and stopped together."""

import asyncio
import contextlib
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process

from footfall.config import Settings
from footfall.errors import ExitCode, FootfallError
from footfall.logs import log
from footfall.store import embedded, launch
from footfall.store.client import connect
from footfall.store.embedded import EmbeddedServer
from footfall.terminal import progress

#: seconds that the parts get to finish their work, and then the server to write its data
_PARTS_STOP_S = 3.5
_SERVER_STOP_S = 1.0
#: seconds in which every part must listen
_START_S = 30.0
#: seconds between two looks at the embedded server
_INTERVAL_S = 0.1
#: a sample that was loaded only in part when the loader was killed is loaded again
_UNFINISHED = "sample-unfinished"


class PartDiedError(FootfallError):
    """A part ended by itself; the others have been stopped."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        known = exit_code in set(ExitCode) and exit_code != ExitCode.OK
        self.exit_code = ExitCode(exit_code) if known else ExitCode.FAILURE  # type: ignore[misc]


class Part:
    """One child process. Its output goes to ours, each line with the part's name; the last line is kept."""

    def __init__(self, name: str, process: Process, *, named_lines: bool) -> None:
        self.name = name
        self.process = process
        self._label = f"{name:<9} | " if named_lines else ""
        self._last_line = ""
        self._copying = asyncio.create_task(self._copy())

    @classmethod
    async def start(cls, name: str, settings: Settings) -> "Part":
        """Start `footfall <name>`, which ends when this process does, even by kill -9."""
        process = await asyncio.create_subprocess_exec(
            *launch.command([sys.executable, "-m", "footfall", name]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=settings.environment(),
            # not in the terminal's foreground: Ctrl-C reaches the supervisor alone, which stops things in order
            start_new_session=True,
        )
        return cls(name, process, named_lines=settings.log_format == "text")

    async def ended(self) -> str:
        """Wait for its end; why it came to it."""
        code = await self.process.wait()
        await self._copying
        how = f"was killed by signal {-code}" if code < 0 else f"has ended with exit code {code}"
        return f"the {self.name} {how}" + (f": {self._last_line}" if self._last_line else "")

    async def stop(self, timeout: float) -> None:
        """SIGTERM, and SIGKILL when it has not ended after `timeout` seconds."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(timeout):
                await self.process.wait()
        except TimeoutError:
            log.warning("The %s has not stopped within %g s and is killed.", self.name, timeout)
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        await self._copying

    async def _copy(self) -> None:
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            self._last_line = line.removeprefix("error: ")
            print(f"{self._label}{line}", flush=True)


def run(settings: Settings) -> None:
    """Start all parts, wait for SIGINT or SIGTERM, stop them; the server last.

    Raises PartDiedError, once everything has stopped, when a part ended by itself.
    """
    if settings.redis_url is not None:
        asyncio.run(_supervise(settings, None))
        return
    server = embedded.start(settings.data_dir)
    try:
        settings = settings.with_server(server.url)
        log.info("The embedded Valkey listens on %s and keeps its data in %s.", server.url, settings.data_dir)
        if server.owned:
            load_sample_when_empty(settings)
        asyncio.run(_supervise(settings, server))
    finally:
        server.stop(_SERVER_STOP_S)


def load_sample_when_empty(settings: Settings) -> None:
    """Load the sample into an empty server, or again when that was cut short."""
    from footfall import loader  # noqa: PLC0415

    unfinished = settings.data_dir / _UNFINISHED
    with contextlib.closing(connect(settings.server_url, settings)) as client:
        if client.dbsize() and not unfinished.exists():
            return
        log.info("The data directory is empty: loading the sample.")
        unfinished.touch()
        with progress() as bars:
            loaded = loader.load("all", settings, client, confirm=lambda _: True, progress=bars)
        unfinished.unlink()
    log.info("Loaded %d users, %d locations and %d check-ins.", loaded.users, loaded.locations, loaded.checkins)


async def _supervise(settings: Settings, server: EmbeddedServer | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    names = ("receiver", "processor", "api")
    parts = [await Part.start(name, settings) for name in names]
    watches = [asyncio.create_task(part.ended()) for part in parts]
    if server is not None:
        watches.append(asyncio.create_task(_server_ended(server)))
    stop = asyncio.create_task(stopping.wait())
    greeting = asyncio.create_task(_greet(settings))
    await asyncio.wait([stop, *watches], return_when=asyncio.FIRST_COMPLETED)
    reason = next((watch.result() for watch in watches if watch.done()), None)
    code = next((part.process.returncode for part in parts if part.process.returncode is not None), 1)
    greeting.cancel()
    log.info("Stopping ...")
    await asyncio.gather(*(part.stop(_PARTS_STOP_S) for part in parts))
    for watch in watches:
        watch.cancel()
    stop.cancel()
    if not stopping.is_set() and reason is not None:
        raise PartDiedError(reason, code)


async def _server_ended(server: EmbeddedServer) -> str:
    while server.running:
        await asyncio.sleep(_INTERVAL_S)
    return f"the embedded Valkey has ended; the end of its log:\n{server.log_tail()}"


async def _greet(settings: Settings) -> None:
    """Say where everything is, as soon as it is there."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    deadline = time.monotonic() + _START_S
    for port in (settings.receiver_port, settings.api_port):
        while not await _listens(host, port):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.02)
    receiver, api = f"http://{host}:{settings.receiver_port}", f"http://{host}:{settings.api_port}"
    print(
        f"""
Footfall is up.
  receiver    {receiver}/api/checkin   (docs: {receiver}/docs)
  API server  {api}/api/checkins/latest   (docs: {api}/docs)
  server      {settings.server_url.rpartition("@")[2]}

Try it, then ask for the user:
  curl {receiver}/api/checkin -H 'Content-Type: application/json' \\
       -d '{{"userId": 180, "locationId": 13, "starRating": 4}}'
  curl {api}/api/user/180

Ctrl-C stops everything; the data stay.
""",
        flush=True,
    )


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
