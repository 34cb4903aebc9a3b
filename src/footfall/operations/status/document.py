"""What `footfall status` gathers: the document that `--json` prints."""

from typing import Literal

import msgspec

State = Literal["empty", "new", "loading", "ready", "broken"]


class ServerStatus(msgspec.Struct, rename="camel", kw_only=True):
    """The server, as its INFO has it; None is what it does not tell."""

    kind: str
    version: str
    #: bytes
    used_memory: int | None
    used_memory_human: str | None
    #: bytes; 0 is no limit
    max_memory: int | None
    max_memory_policy: str | None
    append_only: bool | None


class LeaseStatus(msgspec.Struct, rename="camel", kw_only=True):
    """Which processor works; the others stand by."""

    held: bool
    holder: str | None = None
    #: how long it is held unless it is renewed
    ttl_ms: int | None = None


class Status(msgspec.Struct, rename="camel", kw_only=True):
    """Everything that `footfall status` shows; None is what is not there or cannot be read."""

    server: ServerStatus
    #: `empty`: no key is there. `new`: keys, but no metadata yet. `broken`: nothing is taken or processed until the
    #: first of `problems` is repaired.
    state: State
    generation: int | None
    stream_length: int
    newest_entry: str | None
    checkpoint: str | None
    #: how many entries the checkpoint has passed
    processed: int | None
    #: entries added, less those processed
    backlog: int | None
    #: how long the oldest unprocessed entry has waited, by the server's clock; None without one
    oldest_unprocessed_ms: int | None
    lease: LeaseStatus
    #: entries that others have removed from the stream before they were processed
    lost_entries: int
    #: reason -> how many
    dead_letters: dict[str, int]
    users: int
    locations: int
    #: what is not as it must be, each with the key and the repair
    problems: list[str]
    #: what works, but maybe not as wanted
    warnings: list[str]
