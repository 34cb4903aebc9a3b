"""Every setting, with its default, its unit and its `FOOTFALL_...` environment variable."""

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from footfall.domain.activity import ActivitySettings
from footfall.errors import UsageError
from footfall.logs import LogFormat, LogLevel

ENV_PREFIX = "FOOTFALL_"
#: bits before an IPv4 address that is written as an IPv6 one (RFC 4291, 2.5.5.2)
_IPV4_IN_IPV6 = 96

Port = Annotated[int, Field(ge=1, le=65535)]
Appendfsync = Literal["everysec", "always"]
Workers = Annotated[int, Field(ge=1, le=256)]

#: variables of earlier versions -> the option that is given to one command instead
REMOVED = {
    "FOOTFALL_TOKENS_ROLE": "footfall tokens create --role",
    "FOOTFALL_TOKENS_RATE": "footfall tokens create --rate",
    "FOOTFALL_TOKENS_JSON": "footfall tokens --json",
    "FOOTFALL_LOAD_FROM": "footfall load --from",
    "FOOTFALL_LOAD_SAMPLE": "footfall load --sample",
    "FOOTFALL_LOAD_APPEND": "footfall load --append",
    "FOOTFALL_LOAD_REPLACE": "footfall load --replace",
    "FOOTFALL_LOAD_RESET": "footfall load --reset",
    "FOOTFALL_LOAD_UNKNOWN_BECOMES_DEAD_LETTERS": "footfall load --unknown-becomes-dead-letters",
    "FOOTFALL_LOAD_ABORT": "footfall load --abort",
    "FOOTFALL_LOAD_YES": "footfall load --yes",
    "FOOTFALL_GENERATE_RATE": "footfall generate --rate",
    "FOOTFALL_GENERATE_COUNT": "footfall generate --count",
    "FOOTFALL_GENERATE_URL": "footfall generate --url",
    "FOOTFALL_GENERATE_TOKEN": "footfall generate --token-file",
    "FOOTFALL_GENERATE_SEED": "footfall generate --seed",
    "FOOTFALL_STATUS_JSON": "footfall status --json",
    "FOOTFALL_STATUS_WATCH": "footfall status --watch",
    "FOOTFALL_DEAD_LETTERS_REASON": "footfall dead-letters --reason",
    "FOOTFALL_DEAD_LETTERS_JSON": "footfall dead-letters --json",
    "FOOTFALL_DEAD_LETTERS_YES": "footfall dead-letters --yes",
    "FOOTFALL_VERIFY_JSON": "footfall verify --json",
    "FOOTFALL_VERIFY_NOTE_GONE": "footfall verify --note-gone",
    "FOOTFALL_VERIFY_YES": "footfall verify --yes",
    "FOOTFALL_REBUILD_WITHOUT_GONE": "footfall rebuild --without-gone",
    "FOOTFALL_REBUILD_YES": "footfall rebuild --yes",
}


class Settings(BaseSettings):
    """All settings of all parts; frozen once made. An option on the command line wins over the environment."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    # --- the server behind everything
    redis_url: str | None = Field(
        None,
        description="Redis or Valkey to use: redis://, rediss:// or unix://. Without it: the embedded Valkey.",
    )
    data_dir: Path = Field(Path(".footfall"), description="Where the embedded Valkey keeps its data.")
    prefix: str = Field("ncc", pattern=r"^[A-Za-z0-9_.:-]{1,64}$", description="Prefix of every key.")
    server_timeout: float = Field(1.5, gt=0, le=60, description="Seconds the server has to answer a command.")
    server_check_s: float = Field(
        5.0, gt=0, le=3600, description="Seconds between two looks at a connection and at the books, also when idle."
    )

    # --- what is captured
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
    durability: str = Field(
        "memory",
        pattern=r"^(memory|disk|replicas:[1-9][0-9]?)$",
        description="What a 202 outlives: `memory`: the receiver; `disk`: the server; `replicas:N`: the primary.",
    )
    idempotency_ttl_s: int = Field(86_400, ge=1, le=31_536_000, description="Seconds an Idempotency-Key is known for.")
    duplicate_window_s: int = Field(
        0,
        ge=0,
        le=86_400,
        description="Seconds in which a user's next check-in at the same location is refused; 0: never.",
    )
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
    retain: int = Field(500_000, ge=0, description="Processed entries kept in the stream for range queries.")

    retain_for_groups: int = Field(
        5_000_000,
        ge=0,
        description="Processed entries kept beyond `retain` while a consumer group needs them; 0: none.",
    )

    # --- who may do what
    auth: bool = Field(
        False,
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

    # --- where the services listen
    host: str = Field("127.0.0.1", description="Address to listen on.")
    receiver_port: Port = Field(8082, description="Port of the receiver.")
    receiver_workers: Workers = Field(1, description="Receiver processes.")
    api_port: Port = Field(8081, description="Port of the API server.")
    api_workers: Workers = Field(1, description="API server processes.")
    auth_port: Port = Field(8083, description="Port of the auth service.")
    auth_workers: Workers = Field(1, description="Auth service processes.")
    processor_port: Port | None = Field(
        None, description="Port of the processor's health and metrics. Without it: none, with `footfall up` 8084."
    )
    cors_origins: str | None = Field(
        None,
        pattern=r"^(\*|https?://[^\s/,*]+(,https?://[^\s/,*]+)*)$",
        description="Origins of web pages that may use the services, with commas between, or `*`; without it: none.",
    )
    trusted_proxies: str | None = Field(
        None,
        description="Networks of proxies, with commas between, whose X-Forwarded-For, -Prefix, -Proto and -Host count.",
    )
    live_heartbeat_s: float = Field(
        15.0, gt=0, le=3600, description="Seconds between signs of life in a live feed that has nothing to say."
    )
    api_reload: bool = Field(False, description="Restart the API server when its code changes (for development).")

    # --- the processor
    processor_batch: int = Field(4000, ge=1, le=10000, description="Most entries applied in one call of the script.")
    processor_delay: bool = Field(
        False, description="Pause at random after each check-in and log it, so that a person can watch."
    )
    processor_once: bool = Field(False, description="Stop when everything in the stream is processed.")
    processor_lease_s: float = Field(
        2.0,
        ge=0,
        le=3600,
        description="Seconds after which a standby takes over from a processor that was killed; 0: none stands by.",
    )

    # --- activity: what is kept of the newest check-ins
    history: int = Field(
        100, ge=0, le=1000, description="Newest check-ins kept of each user and of each location; 0: none."
    )
    now: bool = Field(True, description="Keep who checked in at each location within the last three hours.")
    hourly: bool = Field(True, description="Keep each location's check-ins per hour of the last week.")
    trending: bool = Field(True, description="Keep which locations have more check-ins than an hour ago.")

    # --- passwords
    bcrypt_cost: int = Field(12, ge=4, le=16, description="bcrypt cost for passwords that are given in clear.")

    # --- logs
    log_level: LogLevel = Field("info", description="Least level to log.")
    log_format: LogFormat = Field("text", description="`text` for a person, `json` for a machine.")

    @field_validator("*", mode="before")
    @classmethod
    def _said(cls, value: object) -> object:
        """An empty text is no value: as an address it would be all of them, as a path the working directory."""
        if isinstance(value, str) and not value.strip():
            raise ValueError("it is empty; leave it out to have the default")
        return value

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

    @property
    def appendfsync(self) -> Appendfsync:
        """How the embedded server has to write its append-only file."""
        return "always" if self.durability == "disk" else "everysec"

    @property
    def replicas(self) -> int:
        """How many replicas have to confirm a write."""
        return int(self.durability.partition(":")[2] or 0)

    @property
    def server_url(self) -> str:
        """URL of the server, which is settled by the time a service is made. Raises UsageError when it is not."""
        if self.redis_url is None:
            raise UsageError(f"{env_name('redis_url')} is not set")
        return self.redis_url

    @property
    def activity(self) -> ActivitySettings:
        """Which kinds of activity are kept."""
        return ActivitySettings(self.history, self.now, self.hourly, self.trending)

    def with_server(self, url: str) -> "Settings":
        """These settings with the server's URL settled."""
        return self.model_copy(update={"redis_url": url})

    def environment(self) -> dict[str, str]:
        """The environment that gives a child process these settings."""
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}
        mine = {
            env_name(name): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self
            if value is not None
        }
        return inherited | mine


def _networks_in(text: str) -> list[IPv4Network | IPv6Network]:
    """The networks in a text, with commas between. Raises ValueError."""
    return [_network(ip_network(part.strip())) for part in text.split(",")]


def _network(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """IPv4 in IPv6 is IPv4, as it is with the addresses that are looked for: else it would have none of them."""
    address = network.network_address
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None and network.prefixlen >= _IPV4_IN_IPV6:
        return IPv4Network((address.ipv4_mapped, network.prefixlen - _IPV4_IN_IPV6))
    return network


def env_name(setting: str) -> str:
    """The environment variable of a setting: `receiver_port` -> `FOOTFALL_RECEIVER_PORT`."""
    return ENV_PREFIX + setting.upper()


def load(options: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment; `options` (None values are ignored) win over it.

    Raises UsageError, naming the setting, for an unknown `FOOTFALL_...` variable or a value it does not take.
    """
    _require_known_variables()
    given = {name: value for name, value in (options or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = "; ".join(f"{env_name(str(item['loc'][0]))}: {item['msg']}" for item in error.errors())
        raise UsageError(problems) from None


def _require_known_variables() -> None:
    known = {env_name(name) for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith(ENV_PREFIX) and name.upper() not in known)
    removed = [name for name in unknown if name.upper() in REMOVED]
    if removed:  # it may have answered a question, or chosen what is loaded: it must not count for nothing unsaid
        options = ", ".join(f"`{REMOVED[name.upper()]}` instead of {name}" for name in removed)
        raise UsageError(f"options of one command are not set in the environment: give {options}")
    if unknown:
        raise UsageError(f"unknown setting {', '.join(unknown)}; the help of each command lists its settings")
