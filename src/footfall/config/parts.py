"""The parts of the settings: each with its defaults, units and bounds, and what follows from them.

The name of a setting, which its variable and its option have, is the field's alias where there is one.
"""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from footfall.errors import NotFoundError, UsageError
from footfall.logs import LogFormat, LogLevel

#: bits before an IPv4 address that is written as an IPv6 one (RFC 4291, 2.5.5.2)
_IPV4_IN_IPV6 = 96

#: a service as browsers reach it; it stands in a Content-Security-Policy, too
_URL = r"^https?://[^\s'\";,/?#]+(/[^\s'\";,?#]*)?$"

Port = Annotated[int, Field(ge=1, le=65535)]
Workers = Annotated[int, Field(ge=1, le=256)]
Appendfsync = Literal["everysec", "always"]


class Part(BaseModel):
    """Some settings that belong together; frozen once made."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _said(cls, value: object) -> object:
        """An empty text is no value: as an address it would be all of them, as a path the working directory."""
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty; leave it out to have the default")
        return value


class ServerSettings(Part):
    """The server behind everything, and what it must outlive."""

    redis_url: str | None = Field(
        None,
        description="Redis or Valkey to use: redis://, rediss:// or unix://. Without it: the embedded Valkey.",
    )
    data_dir: Path = Field(Path(".footfall"), description="Where the embedded Valkey keeps its data.")
    prefix: str = Field("ncc", pattern=r"^[A-Za-z0-9_.:-]{1,64}$", description="Prefix of every key.")
    timeout_s: float = Field(
        1.5, alias="server_timeout", gt=0, le=60, description="Seconds the server has to answer a command."
    )
    check_s: float = Field(
        5.0,
        alias="server_check_s",
        gt=0,
        le=3600,
        description="Seconds between two looks at a connection and at the metadata, also when idle.",
    )
    durability: str = Field(
        "memory",
        pattern=r"^(memory|disk|replicas:[1-9][0-9]?)$",
        description="What a 202 outlives: `memory`: the receiver; `disk`: the server; `replicas:N`: the primary.",
    )

    @property
    def url(self) -> str:
        """URL of the server, which is settled by the time a service is made. Raises UsageError when it is not."""
        if self.redis_url is None:
            raise UsageError("FOOTFALL_REDIS_URL is not set")
        return self.redis_url

    @property
    def appendfsync(self) -> Appendfsync:
        """How the embedded server has to write its append-only file."""
        return "always" if self.durability == "disk" else "everysec"

    @property
    def replicas(self) -> int:
        """How many replicas have to confirm a write."""
        return int(self.durability.partition(":")[2] or 0)


class CheckinSettings(Part):
    """Which check-ins are taken, how many may wait, and how long they are kept."""

    unknown_ids: Literal["reject", "create"] = Field(
        "reject",
        description="A check-in of a user or at a location never loaded: refuse it, or create the record.",
    )
    max_backlog: int = Field(1_000_000, ge=1, description="Unprocessed entries at which the receiver answers 503.")
    max_batch: int = Field(500, ge=1, le=500, description="Single check-ins per call of the receive script.")
    max_pending: int = Field(
        100_000,
        ge=1,
        description="Check-ins that may wait for the server in one receiver before it answers 503.",
    )
    idempotency_ttl_s: int = Field(86_400, ge=1, le=31_536_000, description="Seconds an Idempotency-Key is known for.")
    duplicate_window_s: int = Field(
        0,
        ge=0,
        le=86_400,
        description="Seconds in which a user's next check-in at the same location is refused; 0: never.",
    )
    retain: int = Field(500_000, ge=0, description="Processed entries kept in the stream for range queries.")
    retain_for_groups: int = Field(
        5_000_000,
        ge=0,
        description="Processed entries kept beyond `retain` while a consumer group needs them; 0: none.",
    )


class HttpSettings(Part):
    """What all HTTP services share."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    max_connections: int = Field(
        10_000,
        ge=1,
        description="Connections that one process of the receiver or API server keeps; those beyond get 503.",
    )
    keepalive_timeout_s: float = Field(
        75.0,
        gt=0,
        le=86_400,
        description="Seconds an idle connection is kept: more than a proxy keeps one, which else loses requests.",
    )
    request_timeout: float = Field(10.0, gt=0, le=3600, description="Seconds a client has to send a whole request.")
    cors_origins: str | None = Field(
        None,
        pattern=r"^(\*|https?://[^\s/,*]+(,https?://[^\s/,*]+)*)$",
        description="Origins of web pages that may use the services, with commas between, or `*`; without it: none.",
    )
    trusted_proxies: str | None = Field(
        None,
        description="Networks of proxies, with commas between, whose X-Forwarded-For, -Prefix, -Proto and -Host count.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str | None) -> str | None:
        if value is not None:
            _networks_in(value)
        return value

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        """The networks in `trusted_proxies`."""
        return _networks_in(self.trusted_proxies) if self.trusted_proxies is not None else []


class ReceiverSettings(Part):
    """The receiver's processes."""

    port: Port = Field(8082, alias="receiver_port", description="Port of the receiver.")
    workers: Workers = Field(1, alias="receiver_workers", description="Receiver processes.")


class ApiSettings(Part):
    """The API server's processes."""

    port: Port = Field(8081, alias="api_port", description="Port of the API server.")
    workers: Workers = Field(1, alias="api_workers", description="API server processes.")
    live_heartbeat_s: float = Field(
        15.0, gt=0, le=3600, description="Seconds between signs of life in a live feed that has nothing to say."
    )
    live_page: bool = Field(True, description="Serve the live page at `/`: a map on which places light up.")
    receiver_url: str | None = Field(
        None,
        pattern=_URL,
        description="Where browsers reach the receiver, for the live page; `footfall up` knows it.",
    )
    auth_url: str | None = Field(
        None, pattern=_URL, description="Where browsers reach the auth service, for the live page; as `receiver_url`."
    )
    map_tiles: str | None = Field(
        None,
        pattern=r"^https?://[^\s'\";,/]+/[^\s'\";,]*\{z\}[^\s'\";,]*$",
        description="Tiles to draw the live page's map with, such as https://tiles.example.com/{z}/{x}/{y}.png.",
    )
    map_attribution: str | None = Field(None, max_length=200, description="Who made the tiles: it stands on the map.")
    reload: bool = Field(
        False, alias="api_reload", description="Restart the API server when its code changes (for development)."
    )


class AuthSettings(Part):
    """Who may do what, and the auth service's processes."""

    enabled: bool = Field(
        False,
        alias="auth",
        description="A check-in, and asking for an e-mail, need a session or a token; `footfall up`: people sign in.",
    )
    session_ttl_s: int = Field(
        604_800, ge=1, le=31_536_000, description="Seconds after which a session that is not used ends."
    )
    session_secure: bool = Field(False, description="Browsers send the session's cookie over HTTPS only.")
    login_per_email: int = Field(
        10, ge=1, le=1_000_000, description="Failed attempts with one e-mail from one address within `login_window_s`."
    )
    login_per_address: int = Field(
        100, ge=1, le=1_000_000, description="Failed attempts to sign in from one address within `login_window_s`."
    )
    login_window_s: int = Field(
        900, ge=1, le=86_400, description="Seconds after its first failed attempt that a count of attempts ends."
    )
    bcrypt_cost: int = Field(12, ge=4, le=16, description="bcrypt cost for passwords that are given in clear.")
    port: Port = Field(8083, alias="auth_port", description="Port of the auth service.")
    workers: Workers = Field(1, alias="auth_workers", description="Auth service processes.")


class ProcessorSettings(Part):
    """How a processor works."""

    batch: int = Field(
        4000, alias="processor_batch", ge=1, le=10000, description="Most entries applied in one call of the script."
    )
    delay: bool = Field(
        False,
        alias="processor_delay",
        description="Pause at random after each check-in and log it, so that a person can watch.",
    )
    once: bool = Field(False, alias="processor_once", description="Stop when everything in the stream is processed.")
    lease_s: float = Field(
        2.0,
        alias="processor_lease_s",
        ge=0,
        le=3600,
        description="Seconds after which a standby takes over from a processor that was killed; 0: none stands by.",
    )
    port: Port | None = Field(
        None,
        alias="processor_port",
        description="Port of the processor's health and metrics. Without it: none, with `footfall up` 8084.",
    )


class ActivitySettings(Part):
    """Which kinds of activity are kept: of the newest check-ins."""

    history: int = Field(
        100, ge=0, le=1000, description="Newest check-ins kept of each user and of each location; 0: none."
    )
    presence: bool = Field(
        True, alias="now", description="Keep who checked in at each location within the last three hours."
    )
    hourly: bool = Field(True, description="Keep each location's check-ins per hour of the last week.")
    trending: bool = Field(True, description="Keep which locations have more check-ins than an hour ago.")

    @property
    def keeps_any(self) -> bool:
        """Whether anything is kept."""
        return bool(self.history or self.presence or self.hourly or self.trending)

    def require_history(self) -> None:
        """Raise NotFoundError, naming the setting, when no histories are kept."""
        _require("history", self.history)

    def require_presence(self) -> None:
        """The same of who is at a location."""
        _require("now", self.presence)

    def require_hourly(self) -> None:
        """The same of check-ins per hour."""
        _require("hourly", self.hourly)

    def require_trending(self) -> None:
        """The same of the locations that are rising."""
        _require("trending", self.trending)


#: none of it
NO_ACTIVITY = ActivitySettings(history=0, now=False, hourly=False, trending=False)


class LogSettings(Part):
    """What is logged, and how."""

    level: LogLevel = Field("info", alias="log_level", description="Least level to log.")
    format: LogFormat = Field("text", alias="log_format", description="`text` for a person, `json` for a machine.")


def _require(setting: str, value: object) -> None:
    if not value:
        raise NotFoundError(f"this is not kept: the setting {setting} is {'off' if value is False else value}")


def _networks_in(text: str) -> list[IPv4Network | IPv6Network]:
    """The networks in a text, with commas between. Raises ValueError."""
    return [_network(ip_network(part.strip())) for part in text.split(",")]


def _network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """IPv4 in IPv6 is IPv4, as it is with the addresses that are looked for: else it would have none of them."""
    address = network.network_address
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None and network.prefixlen >= _IPV4_IN_IPV6:
        return IPv4Network((address.ipv4_mapped, network.prefixlen - _IPV4_IN_IPV6))
    return network
