"""`footfall up`: every part on one machine, started together and stopped together."""

import asyncio
import contextlib
import signal
import sys
import time
import webbrowser
from asyncio.subprocess import PIPE, STDOUT, Process

import msgspec

from footfall.config import Settings
from footfall.embedded import server as embedded
from footfall.embedded.server import EmbeddedServer
from footfall.errors import ExitCode, FootfallError
from footfall.http.server import listen, url
from footfall.identity import admin_token
from footfall.logs import log
from footfall.page.addresses import LOOPBACK, twins
from footfall.process import launch
from footfall.store.address import parse
from footfall.up.greeting import greeting

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: seconds that the parts get to finish their work, and then the server to write its data
_PARTS_STOP_S = 3.5
_SERVER_STOP_S = 1.0
#: seconds in which every part must listen
_START_S = 30.0
#: port of the processor's health and metrics when none is set
_PROCESSOR_PORT = 8084
#: seconds between two looks at the embedded server
_INTERVAL_S = 0.1
#: bytes of a line in a part's log
_LONGEST_LINE = 1 << 20


class PartDiedError(FootfallError):
    """A part ended by itself; the others have been stopped."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        known = exit_code in set(ExitCode) and exit_code != ExitCode.OK
        self.exit_code = ExitCode(exit_code) if known else ExitCode.FAILURE  # type: ignore[misc]


class _LogLine(msgspec.Struct):
    """What matters in a line of a part's JSON log."""

    message: str


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
            limit=_LONGEST_LINE,
            env=settings.environment(),
            # not in the terminal's foreground: Ctrl-C reaches the supervisor alone, which stops things in order
            start_new_session=True,
        )
        return cls(name, process, named_lines=settings.logs.format == "text")

    async def ended(self) -> str:
        """Wait for its end; why it came to it."""
        code = await self.process.wait()
        await self._copying
        if code < 0:
            return f"the {self.name} was killed by signal {-code}"
        why = _message(self._last_line)
        return f"the {self.name} has ended with exit code {code}" + (f": {why}" if code and why else "")

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
            self._last_line = raw.decode(errors="replace").rstrip("\n")
            print(f"{self._label}{self._last_line}", flush=True)


def run(settings: Settings, *, opens_page: bool = False) -> None:
    """Start all parts, wait for SIGINT or SIGTERM (or SIGHUP), stop them; the server last. `opens_page`: in a browser.

    Raises PortTakenError before anything is started, and PartDiedError, once everything has stopped, when a part
    ended by itself.
    """
    server = None
    if settings.processor.port is None:
        settings = settings.with_values(processor_port=_PROCESSOR_PORT)
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.default_int_handler)
        _require_free_ports(settings)
        settings = _with_page(settings)
        if settings.server.redis_url is None:
            server = embedded.start(
                settings.server.data_dir, appendfsync=settings.server.appendfsync, with_password=settings.auth.enabled
            )
            settings = settings.with_values(redis_url=server.url)
            log.info(
                "The embedded Valkey listens on %s and keeps its data in %s.", server.address, settings.server.data_dir
            )
            if server.owned:
                from footfall.operations.loader.when_empty import load_sample_when_empty  # noqa: PLC0415

                load_sample_when_empty(settings)
            if settings.auth.enabled:
                admin_token.ensure(settings.server)
        asyncio.run(_supervise(settings, server, opens_page=opens_page))
    except KeyboardInterrupt:
        log.info("Stopped before everything was up.")
    finally:
        _ignore_signals()
        if server is not None:
            server.stop(_SERVER_STOP_S)


def _with_page(settings: Settings) -> Settings:
    """Let the live page check in and sign in: on this machine alone, unless settings say where and to whom."""
    if not settings.api.live_page or settings.http.host not in LOOPBACK:
        return settings
    known = {"receiver_url": "receiver_port", "auth_url": "auth_port"}
    if not settings.auth.enabled:
        del known["auth_url"]
    values = {name: url(port, settings) for name, port in known.items() if settings.value(name) is None}
    if settings.http.cors_origins is None:
        values["cors_origins"] = ",".join(twins(url("api_port", settings)))
    return settings.with_values(**values)


def _require_free_ports(settings: Settings) -> None:
    """Say that a port is taken before anything is started; a part that finds it so later ends with the same error."""
    with contextlib.ExitStack() as listeners:
        for setting in _ports(settings):
            listeners.enter_context(listen(setting, settings))


def _ports(settings: Settings) -> list[str]:
    """The settings of the ports that the parts listen on."""
    return ["receiver_port", "api_port", "processor_port", *(["auth_port"] if settings.auth.enabled else [])]


async def _supervise(settings: Settings, server: EmbeddedServer | None, *, opens_page: bool) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(_signal: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stopping.set)

    # the loop's own handlers would be in the way while it is closed: it drops them after the pipe that they write to
    for number in _SIGNALS:
        signal.signal(number, on_signal)
    names = ["receiver", "processor", "api", *(["auth"] if settings.auth.enabled else [])]
    parts = [await Part.start(name, settings) for name in names]
    watches = [asyncio.create_task(part.ended()) for part in parts]
    if server is not None:
        watches.append(asyncio.create_task(_server_ended(server)))
    stop = asyncio.create_task(stopping.wait())
    greeting = asyncio.create_task(_greet(settings, opens_page=opens_page))
    await asyncio.wait([stop, *watches], return_when=asyncio.FIRST_COMPLETED)
    reason = next((watch.result() for watch in watches if watch.done()), None)
    code = next((part.process.returncode for part in parts if part.process.returncode is not None), 1)
    greeting.cancel()
    log.info("Stopping ...")
    await asyncio.gather(*(part.stop(_PARTS_STOP_S) for part in parts))
    for watch in watches:
        watch.cancel()
    stop.cancel()
    _ignore_signals()
    if not stopping.is_set() and reason is not None:
        raise PartDiedError(reason, code)


def _ignore_signals() -> None:
    """An impatient second one changes nothing."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


async def _server_ended(server: EmbeddedServer) -> str:
    while server.running:
        await asyncio.sleep(_INTERVAL_S)
    return f"the embedded Valkey has ended; the end of its log:\n{server.log_tail()}"


async def _greet(settings: Settings, *, opens_page: bool) -> None:
    """Say where everything is, as soon as it is there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.http.host, settings.http.host)
    deadline = time.monotonic() + _START_S
    for setting in _ports(settings):
        while not await _listens(host, settings.value(setting)):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.02)
    local = settings.with_values(host=host)
    receiver, api, processor, auth = (url(f"{name}_port", local) for name in ("receiver", "api", "processor", "auth"))
    if settings.logs.format == "json":
        services = f"receiver {receiver}, API server {api}, processor {processor}"
        services += f", auth service {auth}" if settings.auth.enabled else ""
        log.info("Footfall is up: %s, server %s", services, parse(settings.server.url))
    else:
        print(await asyncio.to_thread(greeting, settings, receiver, api, processor, auth), flush=True)
    if opens_page and not await asyncio.to_thread(webbrowser.open, f"{api}/"):
        log.warning("There is no browser to open the live page in.")


async def _listens(host: str, port: int | None) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _message(line: str) -> str:
    """The message in a line of a part's log."""
    try:
        return msgspec.json.decode(line, type=_LogLine).message
    except msgspec.DecodeError:
        return line.removeprefix("error: ")
