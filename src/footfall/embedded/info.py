"""What a running embedded server says of itself: whose it is, whether it serves, and how far it is until then."""

import time
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from footfall.embedded.datadir import DataDir
from footfall.logs import log
from footfall.process.terminal import duration

#: seconds a server has to say who it is
REPLY_TIMEOUT_S = 2.0
#: seconds that it loads its data before that is said, and until it is said again
_WORTH_A_LINE, _LINE = 1.0, 5.0
_NO_RETRY = Retry(NoBackoff(), 0)


@dataclass(frozen=True)
class Info:
    """What it says."""

    pid: int
    loading: bool
    #: how much of the data is loaded, and how long the rest will take, while it loads
    percent: float
    left_s: float


class Loading:
    """Says that a server loads its data, and how far it is: with millions of check-ins that takes seconds."""

    def __init__(self) -> None:
        self._next_line = time.monotonic() + _WORTH_A_LINE

    def say_when_due(self, info: Info) -> None:
        """Say it when it is worth a line, or another one."""
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE
            left = f"{info.percent:.0f} %, about {duration(info.left_s)} left"
            log.info("The embedded Valkey loads its data: %s.", left)


def inspect(directory: DataDir, port: int) -> Info | None:
    """What the server on `port` says of itself, if it is the one of `directory` and not somebody else's."""
    url = url_of(port, directory.password())
    with redis.Redis.from_url(url, decode_responses=True, socket_timeout=REPLY_TIMEOUT_S, retry=_NO_RETRY) as client:
        try:
            its_directory = client.config_get("dir").get("dir", "")
            info = client.info()
        except redis.RedisError:
            return None
    try:
        if not directory.path.samefile(its_directory):
            return None
    except OSError:
        return None
    percent, left_s = (float(info.get(f"loading_{name}", 0)) for name in ("loaded_perc", "eta_seconds"))
    return Info(info["process_id"], bool(info["loading"]), percent, left_s)


def is_open(port: int) -> bool:
    """Whether the server answers without a password."""
    with redis.Redis(host="127.0.0.1", port=port, socket_timeout=REPLY_TIMEOUT_S, retry=_NO_RETRY) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def url_of(port: int, password: str | None = None) -> str:
    """Where it is, and how to get in."""
    # with the user's name, a server without a password takes any
    return f"redis://{f'default:{password}@' if password else ''}127.0.0.1:{port}"
