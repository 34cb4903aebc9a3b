"""Running an HTTP service: the socket, the workers, the signals."""

import errno
import multiprocessing
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import uvicorn
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.supervisors import ChangeReload, Multiprocess

from footfall import config, logs
from footfall.config import Settings, env_name
from footfall.errors import PortTakenError
from footfall.logs import log
from footfall.problems import MEDIA_TYPE, Problem, title
from footfall.store import launch

#: seconds that requests in progress get to finish when the service stops
_GRACE_S = 2
#: bytes that a request's first line and headers may take, roughly (they are counted by network reads)
_MAX_HEAD = 64 * 1024


@dataclass(frozen=True)
class Service:
    """One HTTP service: its name, the factory of its app, and the setting of its port."""

    name: str
    factory: str
    setting: str
    workers: int = 1
    reload: bool = False


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, mended where it would mislead a client.

    What is not HTTP gets a problem document, and never in place of the answer to a request before it. A client that
    ends its side of the connection still gets its answers. Headers cannot grow without end. A request that offers an
    upgrade is answered as if it did not: uvicorn loses its body, and Java's client offers h2c with every request that
    it sends in the clear.
    """

    #: bytes read since a message began whose headers are not complete yet
    _head_size: int | None = None

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._head_size is not None:
            self._head_size += len(data)
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._take_without_upgrade(data[upgrade.args[0] :])
        except HttpParserError:
            self._refuse(400, "the request is not valid HTTP")
        else:
            if self._head_size is not None and self._head_size > _MAX_HEAD:
                self._refuse(431, f"the headers take more than {_MAX_HEAD} bytes")

    def eof_received(self) -> bool:  # type: ignore[override]
        cycle = self._in_progress()
        if self._head_size is not None or (cycle is not None and cycle.more_body):
            self._refuse(400, "the request ends too early")
        elif cycle is not None:
            cycle.keep_alive = False
        return cycle is not None  # whether to keep the connection open until the answer is written

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._head_size = None
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _in_progress(self) -> RequestResponseCycle | None:
        """The newest request on this connection, while it is not answered."""
        newest = cast("RequestResponseCycle | None", self.cycle)
        return newest if newest is not None and not newest.response_complete else None

    def _take_without_upgrade(self, rest: bytes) -> None:
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "this is not a proxy")
            return
        head = b"%s %s HTTP/%s\r\n" % (method, self.url, self.parser.get_http_version().encode())
        head += b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade")
        self.parser = HttpRequestParser(self)
        self.data_received(head + b"\r\n" + rest)

    def _refuse(self, status: int, detail: str) -> None:
        """Answer what cannot be read on, and end the connection."""
        cycle = self._in_progress()
        if cycle is not None and not cycle.more_body:
            cycle.keep_alive = False  # this one is whole: its answer is the last
            return
        # with requests in the pipeline before this one there is no saying whose answer it would be
        if not self.pipeline and not self.transport.is_closing():
            body = msgspec.json.encode(Problem(title=title(status), status=status, detail=detail))
            headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "connection": "close"}
            lines = [*self.server_state.default_headers, *((k.encode(), v.encode()) for k, v in headers.items())]
            head = STATUS_LINE[status] + b"".join(b"%s: %s\r\n" % line for line in lines)
            self.transport.write(head + b"\r\n" + body)
        self.transport.close()


def run(service: Service, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, finish the requests in progress, return.

    Raises PortTakenError when another process listens there.
    """
    os.environ.update(settings.environment())
    listener = listen(service.setting, settings)
    log.info("The %s listens on %s", service.name, url(service.setting, settings))
    server = uvicorn.Config(
        service.factory,
        factory=True,
        workers=service.workers,
        reload=service.reload,
        reload_dirs=[str(Path(__file__).parent)] if service.reload else None,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_S,
    )
    # uvicorn raises the signal again when it has finished; by then it has done its work
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ignore)
    if service.reload:
        ChangeReload(server, target=uvicorn.Server(server).run, sockets=[listener]).run()
    elif service.workers > 1:
        Multiprocess(server, sockets=[listener]).run()
    else:
        uvicorn.Server(server).run(sockets=[listener])
    log.info("The %s has stopped.", service.name)


def worker_settings() -> Settings:
    """The settings of an app that uvicorn makes, maybe in a worker process: all of them are in its environment."""
    settings = config.load()
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        launch.end_with_parent(parent.pid)
        logs.configure(settings.log_level, settings.log_format)
    return settings


def _ignore(_signal: int, _frame: object) -> None:
    pass


def listen(setting: str, settings: Settings) -> socket.socket:
    """A socket that listens on the port that `setting` names. Raises PortTakenError."""
    host, port = settings.host, getattr(settings, setting)
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
    return f"http://{_authority(settings.host, getattr(settings, setting))}"


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
