"""What commands share: settings and log, a server, a client, a question to whoever typed the command."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from redis import Redis
from redis.exceptions import RedisError
from rich.progress import Progress

from footfall import logs
from footfall.cli.options import settings_from
from footfall.config import Settings
from footfall.embedded.server import server_url
from footfall.errors import UnavailableError
from footfall.process import streams
from footfall.store.address import parse
from footfall.store.client import connect, raise_if_told, refuse_cluster


def configured(context: typer.Context, *, service: bool) -> Settings:
    """The settings; the log goes to standard output for services and to standard error for the others."""
    settings = settings_from(context)
    streams.watch(stdout_is_log=service)
    logs.configure(settings.logs.level, settings.logs.format, "stdout" if service else "stderr")
    return settings


@contextmanager
def server(context: typer.Context, *, service: bool = False, signs_in: bool = False) -> Iterator[Settings]:
    """The settings with the server's URL settled; the embedded server runs meanwhile when it is needed.

    `signs_in`: people do, whatever the settings say.
    """
    settings = configured(context, service=service)
    with server_url(settings.server, signs_in=signs_in or settings.auth.enabled) as url:
        yield settings.with_values(redis_url=url)


@contextmanager
def client_of(settings: Settings) -> Iterator[Redis]:
    """A client for one command. A server that is away becomes an UnavailableError."""
    with contextlib.closing(connect(settings.server.url, settings.server)) as client:
        try:
            refuse_cluster(settings.server)
            yield client
        except RedisError as error:
            raise_if_told(client, error)
            address = parse(settings.server.url)
            raise UnavailableError(f"the server at {address} cannot be used: {error}") from error


def confirmed(bars: Progress, word: str, *, yes: bool = False) -> Callable[[str], bool]:
    """Asks for the word to be typed, unless `yes` says it already; no without a terminal."""

    def confirm(prompt: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            return False
        bars.stop()
        try:
            answer = input(f"{prompt} Type `{word}` to go on: ")
        except EOFError:  # Ctrl-D
            return False
        bars.start()
        return answer.strip() == word

    return confirm
