"""Every error, with the HTTP status it is answered with, and every exit code."""

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a `footfall` command ends with."""

    OK = 0
    #: the reason is the last line on the screen
    FAILURE = 1
    #: unknown command, option or setting, or a value that a setting does not take
    USAGE = 2
    #: the server cannot be reached
    UNAVAILABLE = 3
    #: the server holds something that Footfall does not understand; the message says how to repair it
    BROKEN = 4
    #: rows of the input are bad; nothing was loaded
    BAD_ROWS = 5
    #: what was asked for needs `--reset` or a confirmation
    REFUSED = 6
    #: the address to listen on is taken
    PORT_TAKEN = 7
    #: the server refuses or lacks a command; the message says which, and what grants it
    DENIED = 8


def clause(said: object) -> str:
    """What somebody says, to go on with in a sentence: without a full stop of its own. Ours have none."""
    text = str(said)
    return text[:-1] if text.endswith(".") and not text.endswith("..") else text


class FootfallError(Exception):
    """Base of all errors that Footfall raises on purpose. The message is a `clause`: who shows it ends the sentence."""

    status: ClassVar[int] = 500
    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE
    #: seconds after which another try makes sense (the Retry-After header); None when it does not
    retry_after: ClassVar[int | None] = None
    #: other headers of the answer
    headers: ClassVar[Mapping[str, str]] = {}
    #: what metrics call it: `backlog-full` for a BacklogFullError
    reason: ClassVar[str] = "failed"

    def __init__(self, message: str = "") -> None:
        super().__init__(clause(message))

    def __init_subclass__(cls) -> None:
        cls.reason = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__.removesuffix("Error")).lower()


class UsageError(FootfallError):
    """An unknown setting, or a value that a setting does not take."""

    exit_code = ExitCode.USAGE


class OutputError(FootfallError):
    """Standard output cannot be written: the disk is full, or nobody reads it any more."""


class PortTakenError(FootfallError):
    """Another process listens where this one was told to."""

    exit_code = ExitCode.PORT_TAKEN


class RefusedError(FootfallError):
    """The operation would lose something and was not confirmed."""

    exit_code = ExitCode.REFUSED


class UnavailableError(FootfallError):
    """The server cannot be reached or cannot serve now."""

    status = 503
    exit_code = ExitCode.UNAVAILABLE
    retry_after = 1


class ConnectionLostError(UnavailableError):
    """The connection ended before the reply: whether the command was executed is not known."""


class UnconfirmedError(UnavailableError):
    """Too few replicas have confirmed the write in time: it may have been stored, and may be lost."""


class LoadingError(UnavailableError):
    """Data is being loaded: receivers refuse and processors stand by until it is done."""

    retry_after = 2


class BacklogFullError(UnavailableError):
    """The backlog has reached `max_backlog`: nothing is dropped, nothing new is taken."""

    retry_after = 5


class OverloadedError(UnavailableError):
    """More check-ins wait for the server than `max_pending` allows, or they have waited for too long."""


class BrokenKeyError(FootfallError):
    """A key is missing or does not hold what Footfall keeps there; nothing was changed."""

    status = 503
    exit_code = ExitCode.BROKEN
    retry_after = 10


class TornError(BrokenKeyError):
    """A script was ended in the middle of its writes: nothing may follow before a rebuild."""

    def __init__(self) -> None:
        super().__init__(
            "the server has refused a command in the middle of a batch, which is applied in part; "
            "`footfall rebuild` undoes it"
        )


class ReplyError(FootfallError):
    """The server answered a command with an error; `code` is its first word."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message.partition(" ")[0]


class NoScriptError(ReplyError):
    """The server does not have the script; it was not run."""


class WrongTypeError(ReplyError):
    """A key holds another type than the command works on."""


class DurabilityError(UnavailableError):
    """The server does not keep what the setting `durability` promises."""

    exit_code = ExitCode.USAGE
    retry_after = 10


class MalformedError(FootfallError):
    """The body is not what its content type says (JSON that cannot be parsed)."""

    status = 400


class UnauthorizedError(FootfallError):
    """The request does not say who sends it, or what it says is not known (any more)."""

    status = 401
    headers: ClassVar[Mapping[str, str]] = {"www-authenticate": "Bearer"}


class ForbiddenError(FootfallError):
    """Who sends the request may not do this."""

    status = 403


class RateLimitedError(FootfallError):
    """Too many in too short a time; after `retry_after` seconds there may be more."""

    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # type: ignore[misc]


class TooLargeError(FootfallError):
    """The body is larger than the route takes."""

    status = 413


class UnsupportedTypeError(FootfallError):
    """The content type is missing or not one that the route takes."""

    status = 415


class InvalidError(FootfallError):
    """Values of the request are not valid; `errors` has (field, message) for each."""

    status = 422

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" if field else message for field, message in errors))
        self.errors = errors


class BadCursorError(InvalidError):
    """A page is asked for with a cursor that no link has."""

    status = 400


class KeyReusedError(FootfallError):
    """The Idempotency-Key belongs to a request with another body."""

    status = 422


class DuplicateError(FootfallError):
    """The same user has checked in at the same location within `duplicate_window_s`."""

    status = 409


class ConflictError(FootfallError):
    """What is to be added is there already, or was removed for good; or what is to be unique is another one's."""

    status = 409


class NotFoundError(FootfallError):
    """What the request names does not exist."""

    status = 404


class UnknownUserError(NotFoundError):
    """The check-in names a user who is not loaded."""


class UnknownLocationError(NotFoundError):
    """The check-in names a location that is not loaded."""


def _refused_command(text: str) -> str:
    """The command that a NOPERM names: `User till has no permissions to run the 'xinfo|stream' command`."""
    found = re.search(r"to run the '([a-z|_]+)' command", text)
    return found[1] if found else ""


class DeniedError(ReplyError):
    """The server refuses a command or a key, or does not have the command; nothing was done."""

    exit_code = ExitCode.DENIED

    def __init__(self, message: str, user: str | None) -> None:
        """`message`: the server's own (NOPERM), or that of a script: `DENIED <command> <refused | missing>`."""
        code, _, text = message.partition(" ")
        if refused := _refused_command(text):
            text = f"{refused.upper()} refused"
        command, _, why = text.partition(" ")
        user, name = user or "default", command.replace("|", " ")
        if code != "DENIED" and not refused:
            message += f"; `ACL GETUSER {user}` shows what this user may do"
        elif why == "missing":
            message = (
                f"the server has no command {name}; take its rename-command out of the server's configuration file"
            )
        else:
            message = (
                f"the server refuses {name} to the user {user}; this grants it: ACL SETUSER {user} +{command.lower()}"
            )
        super().__init__(message)
        self.code = code


class ClusterNodeError(ReplyError):
    """The server is a node of a cluster; nothing was done."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str) -> None:
        code = message.partition(" ")[0]
        super().__init__(
            f"the server is a node of a cluster ({code}): Footfall needs one server that holds all keys, and does not "
            "work on a cluster yet"
        )
        self.code = code


#: codes that only a node of a cluster answers with
_OF_CLUSTERS = frozenset({"MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN", "TRYAGAIN"})
#: codes with which a server says that it cannot serve now, but may later
_TEMPORARY = frozenset({"LOADING", "BUSY", "MASTERDOWN", "READONLY", "OOM", "MISCONF", "NOREPLICAS"})


class TemporaryReplyError(ReplyError, UnavailableError):
    """The server says that it cannot serve now (starting, out of memory, a replica, ...)."""


def reply_error(message: str, user: str | None = None) -> ReplyError:
    """The error for an error reply of the server to a user (None: the default one), by its code, the first word."""
    code = message.partition(" ")[0]
    if code in ("DENIED", "NOPERM"):
        return DeniedError(message, user)
    if code == "NOSCRIPT":
        return NoScriptError(message)
    if code == "WRONGTYPE":
        return WrongTypeError(message)
    if code in _TEMPORARY:
        return TemporaryReplyError(message)
    if code in _OF_CLUSTERS:
        return ClusterNodeError(message)
    return ReplyError(message)
