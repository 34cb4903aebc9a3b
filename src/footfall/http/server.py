"""Running an HTTP service: the socket, the workers, the signals."""

import asyncio
import contextlib
import errno
import multiprocessing
import os
import resource
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.importer import import_from_string
from uvicorn.supervisors import ChangeReload, Multiprocess

from footfall import config, logs
from footfall.config import Settings, env_name
from footfall.errors import PortTakenError
from footfall.http.protocol import HttpProtocol
from footfall.logs import log
from footfall.process import launch, signals, streams

if TYPE_CHECKING:
    from uvicorn._types import ASGIApplication

#: seconds that requests in progress get to finish when the service stops, and beside other work that has stopped
_GRACE_S = 2
_GUEST_GRACE_S = 0.3

#: where workers keep what they count for each other; the metrics library reads it when it is imported
METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True)
class Service:
    """One HTTP service: its name, the factory of its app, and the setting of its port.

    The factory is `module:function`. It takes the settings; in a worker process none, and calls `worker_settings`.
    """

    name: str
    factory: str
    setting: str
    workers: int = 1
    reload: bool = False
    protocol: type[HttpProtocol] = HttpProtocol


def run(service: Service, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM (or SIGHUP), finish the requests in progress, return.

    Raises PortTakenError when another process listens there.
    """
    app: str | partial[ASGIApplication] = partial(_app, service.factory, settings)
    if service.reload or service.workers > 1:
        # another process makes it, and has nothing of ours but the environment
        app = service.factory
        os.environ.update(settings.environment())
    _allow_many_connections()
    listener = listen(service.setting, settings)
    log.info("The %s listens on %s", service.name, url(service.setting, settings))
    server = _config(
        app,
        service.protocol,
        factory=True,
        workers=service.workers,
        reload=service.reload,
        reload_dirs=[str(Path(__file__).parent.parent)] if service.reload else None,
    )
    os.environ.pop(METRICS_DIRECTORY, None)
    if service.reload:
        ChangeReload(server, target=uvicorn.Server(server).run, sockets=[listener]).run()
    elif service.workers > 1:
        with tempfile.TemporaryDirectory(prefix="footfall-metrics-") as directory:
            os.environ[METRICS_DIRECTORY] = directory
            hang_up = signal.getsignal(signal.SIGHUP)
            workers = _Workers(server, sockets=[listener])
            signal.signal(signal.SIGHUP, hang_up)  # uvicorn would restart the workers
            workers.run()
    else:
        alone = _Server(server)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, alone.handle_exit)
        alone.run(sockets=[listener])
    log.info("The %s has stopped.", service.name)


def _app(factory: str, settings: Settings) -> "ASGIApplication":
    """The app, made from the settings themselves. It is imported as late as here: its metrics look where to count."""
    app: ASGIApplication = import_from_string(factory)(settings)
    return app


class _Server(uvicorn.Server):
    """A server that leaves the signals to its host.

    uvicorn would lose one that comes before it listens for them, and raise it again when it has finished.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but who is connected is served, too, of whom the process has not taken notice yet.

        The system resets connections that wait at a socket which is closed, and proxies have sent a request by then.
        """
        waiting = [connection for listener in sockets or () for connection in _waiting_at(listener)]
        for server in self.servers:
            server.close()
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        return cast(
            "asyncio.Protocol",
            kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state),
        )


def _waiting_at(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that nobody has accepted yet."""
    listener.setblocking(False)
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


class _Workers(Multiprocess):
    """Processes that listen on the same sockets."""

    def terminate_all(self) -> None:
        """Stop them, and before that listen no more: else the system takes connections that nobody serves."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


@contextlib.asynccontextmanager
async def serving(app: "ASGIApplication", listener: socket.socket) -> AsyncIterator[None]:
    """Serve an app beside other work of the event loop. It ends soon: what is in progress then may be cut off."""
    server = _Server(_config(app, HttpProtocol))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({task}, timeout=_GUEST_GRACE_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _config(
    app: "ASGIApplication | Callable[[], ASGIApplication] | str", protocol: type[HttpProtocol], **options: Any
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        # the address of a client is worked out where it matters, from proxies that the settings name
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_S,
        **options,
    )


def worker_settings() -> Settings:
    """The settings of an app that is made in a worker process: all of them are in its environment."""
    settings = config.load()
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        launch.end_with_parent(parent.pid)
        signals.take_hang_up()
        streams.watch(stdout_is_log=True)
        logs.configure(settings.logs.level, settings.logs.format)
    return settings


def _allow_many_connections() -> None:
    """Raise the limit of open files, often 1,024, as far as the system lets this process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS names a limit that it does not accept
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def listen(setting: str, settings: Settings) -> socket.socket:
    """A socket that listens on the port that `setting` names. Raises PortTakenError."""
    host, port = settings.http.host, settings.value(setting)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        remedy = f"{env_name('host')} sets another address"
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            remedy = f"{env_name(setting)} sets another port"
        reason = str(error.strerror).partition(" (while")[0]  # the address follows, again
        raise PortTakenError(f"cannot listen on {_authority(host, port)}: {reason}; {remedy}") from None


def url(setting: str, settings: Settings) -> str:
    """Where the service listens whose port `setting` names."""
    return f"http://{_authority(settings.http.host, settings.value(setting))}"


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
