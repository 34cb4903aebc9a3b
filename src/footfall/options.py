"""Command-line options, made from the settings: name, variable, default and help text come from there.

A command's parameters bear the settings' names, so `settings_from` can read them off the context.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from footfall import config
from footfall.config import Settings, env_name


def option(setting: str, *flags: str) -> Any:
    """The typer option for a setting. Its value is None when it is not given, so that the environment counts."""
    field = Settings.model_fields[setting]
    default = "" if field.default in (None, False) else f", default {field.default}"
    return typer.Option(
        *flags,
        help=f"{field.description} [{env_name(setting)}{default}]",
        show_default=False,
    )


def settings_from(context: typer.Context) -> Settings:
    """The settings that the command line and the environment give. Raises UsageError."""
    return config.load({name: value for name, value in context.params.items() if name in Settings.model_fields})


RedisUrl = Annotated[str | None, option("redis_url", "--redis-url")]
DataDir = Annotated[Path | None, option("data_dir", "--data-dir")]
Prefix = Annotated[str | None, option("prefix", "--prefix")]
ServerTimeout = Annotated[float | None, option("server_timeout", "--server-timeout")]
LogLevel = Annotated[str | None, option("log_level", "--log-level")]
LogFormat = Annotated[str | None, option("log_format", "--log-format")]

Host = Annotated[str | None, option("host", "--host")]
ReceiverPort = Annotated[int | None, option("receiver_port", "--port")]
ReceiverWorkers = Annotated[int | None, option("receiver_workers", "--workers")]
ApiPort = Annotated[int | None, option("api_port", "--port")]
ApiWorkers = Annotated[int | None, option("api_workers", "--workers")]
ApiReload = Annotated[bool | None, option("api_reload", "--reload")]
UpReceiverPort = Annotated[int | None, option("receiver_port", "--receiver-port")]
UpReceiverWorkers = Annotated[int | None, option("receiver_workers", "--receiver-workers")]
UpApiPort = Annotated[int | None, option("api_port", "--api-port")]
UpApiWorkers = Annotated[int | None, option("api_workers", "--api-workers")]

UnknownIds = Annotated[str | None, option("unknown_ids", "--unknown-ids")]
MaxBacklog = Annotated[int | None, option("max_backlog", "--max-backlog")]
MaxBatch = Annotated[int | None, option("max_batch", "--max-batch")]
MaxPending = Annotated[int | None, option("max_pending", "--max-pending")]
Durability = Annotated[str | None, option("durability", "--durability")]
IdempotencyTtl = Annotated[int | None, option("idempotency_ttl_s", "--idempotency-ttl-s")]
DuplicateWindow = Annotated[int | None, option("duplicate_window_s", "--duplicate-window-s")]
MaxConnections = Annotated[int | None, option("max_connections", "--max-connections")]
RequestTimeout = Annotated[float | None, option("request_timeout", "--request-timeout")]
Retain = Annotated[int | None, option("retain", "--retain")]
RetainForGroups = Annotated[int | None, option("retain_for_groups", "--retain-for-groups")]
Delay = Annotated[bool | None, option("processor_delay", "--delay")]
Once = Annotated[bool | None, option("processor_once", "--once")]
ProcessorLease = Annotated[float | None, option("processor_lease_s", "--lease-s")]
ProcessorPort = Annotated[int | None, option("processor_port", "--port")]
UpProcessorPort = Annotated[int | None, option("processor_port", "--processor-port")]
ProcessorBatch = Annotated[int | None, option("processor_batch", "--batch")]

LoadFrom = Annotated[Path | None, option("load_from", "--from")]
Reset = Annotated[bool | None, option("load_reset", "--reset")]
Yes = Annotated[bool | None, option("load_yes", "--yes")]
BcryptCost = Annotated[int | None, option("bcrypt_cost", "--bcrypt-cost")]
Rate = Annotated[float | None, option("generate_rate", "--rate")]
Count = Annotated[int | None, option("generate_count", "--count")]
Url = Annotated[str | None, option("generate_url", "--url")]
Seed = Annotated[int | None, option("generate_seed", "--seed")]
Json = Annotated[bool | None, option("status_json", "--json")]
Watch = Annotated[bool | None, option("status_watch", "--watch")]
DeadLettersReason = Annotated[str | None, option("dead_letters_reason", "--reason")]
DeadLettersJson = Annotated[bool | None, option("dead_letters_json", "--json")]
DeadLettersYes = Annotated[bool | None, option("dead_letters_yes", "--yes")]
VerifyJson = Annotated[bool | None, option("verify_json", "--json")]
RebuildYes = Annotated[bool | None, option("rebuild_yes", "--yes")]
