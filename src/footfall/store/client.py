"""redis-py clients, for commands and all else that is not hot."""

import contextlib

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from footfall.config import ServerSettings
from footfall.errors import ClusterNodeError, DeniedError, reply_error
from footfall.keys import Keys
from footfall.store.address import parse

#: seconds that a script over many keys may take
_PATIENCE_S = 30.0


def with_plain_entries(client: Redis) -> Redis:
    """The client with all fields of an entry as they are: in a dict, a name that comes twice would hide the first."""
    plain = Redis(connection_pool=client.connection_pool)
    for command in ("XRANGE", "XREVRANGE"):
        plain.set_response_callback(command, lambda reply, **_: reply)
    return plain


def connect(url: str, settings: ServerSettings, *, is_patient: bool = True) -> Redis:
    """A client for the server at `url`, answering bytes. It connects with its first command.

    `is_patient`: a command may be a script over many keys; else it has as long as on the data path.
    """
    address = parse(url)

    def sign_in(connection: AbstractConnection) -> None:
        # a server that takes connections but does not answer is away, too
        connection.update_current_socket_timeout(settings.timeout_s)
        connection.on_connect()  # type: ignore[no-untyped-call]
        connection.update_current_socket_timeout(connection.socket_timeout)

    common = {
        "username": address.username,
        "password": address.password,
        "db": address.database,
        "socket_timeout": max(_PATIENCE_S, settings.timeout_s) if is_patient else settings.timeout_s,
        "socket_connect_timeout": settings.timeout_s,
        "redis_connect_func": sign_in,
        # a server that is away is said to be away at once; nothing here is worth a second try in silence
        "retry": Retry(NoBackoff(), 0),
    }
    if address.path is not None:
        return Redis(unix_socket_path=address.path, **common)  # type: ignore[arg-type]
    return Redis(host=address.host, port=address.port, ssl=address.tls, **common)  # type: ignore[arg-type]


def raise_if_told(client: Redis, error: RedisError) -> None:
    """Raise DeniedError or ClusterNodeError when that is what redis-py's error says: neither is an outage."""
    code = getattr(error, "status_code", None)  # redis-py cuts the codes that it knows off the message
    text = str(error).rpartition(" of pipeline caused error: ")[2]  # and says which of several commands it was
    if text == "EXEC without MULTI":  # redis-py does not look at what became of the MULTI
        code, text = None, "DENIED MULTI refused"
    told = reply_error(f"{code} {text}" if code else text, client.connection_pool.connection_kwargs.get("username"))
    if isinstance(told, DeniedError | ClusterNodeError):
        raise told from error


def refuse_cluster(settings: ServerSettings) -> None:
    """Raise ClusterNodeError when the server is a node of a cluster: there no command may name keys of two slots."""
    keys = Keys(settings.prefix)
    with contextlib.closing(connect(settings.url, settings)) as client:
        try:
            client.eval_ro("return 1", 2, keys.meta.decode(), keys.stream.decode())
        except ResponseError as error:
            with contextlib.suppress(DeniedError):  # what needs scripts says so
                raise_if_told(client, error)
