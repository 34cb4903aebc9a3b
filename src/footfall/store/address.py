"""Where the server is: the parts of a redis://, rediss:// or unix:// URL."""

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from footfall.errors import UsageError

_SETTING = "FOOTFALL_REDIS_URL"
_NOT_A_URL = f"{_SETTING}: not a URL of a server (redis://host:port/database)"


@dataclass(frozen=True)
class Address:
    """One server; `str()` of it is safe to log (no password)."""

    host: str = "127.0.0.1"
    port: int = 6379
    #: path of a Unix socket; wins over host and port
    path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: bool = False

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"

    def ssl_context(self) -> ssl.SSLContext | None:
        """The context for a TLS connection: certificates and host name are checked."""
        return ssl.create_default_context() if self.tls else None


def parse(url: str) -> Address:
    """The address in `redis[s]://[user:password@]host[:port][/database]` or `unix://[user:password@]/path[?db=n]`.

    Raises UsageError for anything else; the message never holds the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        if "://" not in url:  # `redis:6379` would be a path
            raise UsageError(_NOT_A_URL)
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        if parts.scheme == "unix":
            path, database = _unix(parts)
            return Address(path=path, username=username, password=password, database=database)
        if parts.scheme not in ("redis", "rediss"):
            raise UsageError(f"{_SETTING}: the scheme must be redis, rediss or unix")
        if parts.query or parts.fragment:
            raise UsageError(f"{_SETTING}: takes no parameters")
        host = parts.hostname or "127.0.0.1"
        host.encode("idna")  # raises UnicodeError, as a look-up of the name would
        if parts.port == 0:
            raise UsageError(f"{_SETTING}: there is no port 0")
        return Address(
            host=host,
            port=parts.port or 6379,
            username=username,
            password=password,
            database=_database(parts.path.strip("/")),
            tls=parts.scheme == "rediss",
        )
    except ValueError:
        raise UsageError(_NOT_A_URL) from None


def _unix(parts: SplitResult) -> tuple[str, int]:
    if not parts.path or parts.hostname:
        raise UsageError(f"{_SETTING}: a Unix socket needs an absolute path (unix:///run/redis.sock)")
    path = unquote(parts.path)
    if "\0" in path:
        raise UsageError(f"{_SETTING}: a path cannot contain a null byte")
    query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    if set(query) - {"db"}:
        raise UsageError(f"{_SETTING}: takes no parameter but db")
    return path, _database(query.get("db", [""])[-1])


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{_SETTING}: the database must be a number")
    return int(text)
