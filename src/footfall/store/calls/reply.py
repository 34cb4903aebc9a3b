"""Reading what scripts answer. All of them have one grammar: a list that begins with a word, `{WORD, ...}`.

The word is OK when there is one way to succeed, else one for each way. A word that says why nothing was done stands for
an error: which one, a script's family says in a table, and what comes after the word are the error's arguments.
"""

from collections.abc import Callable, Mapping
from typing import Any

from footfall.errors import BrokenKeyError, FootfallError, LoadingError, TornError
from footfall.store.pipeline import Reply

#: a word -> the error that it stands for, made of what comes after it
Errors = Mapping[bytes, Callable[..., Exception]]

NO_ERRORS: Errors = {}


class FencedError(FootfallError):
    """Checkpoint, generation or stream are not those that something was read with: it must be dropped."""


def after_ok(reply: Reply, errors: Errors = NO_ERRORS) -> list[Any]:
    """What comes after OK. Raises what another word stands for."""
    if reply[0] == b"OK":
        return reply[1:]  # type: ignore[no-any-return]
    raise _error(reply, errors)


def one_of(words: tuple[bytes, ...], reply: Reply, errors: Errors = NO_ERRORS) -> tuple[bytes, list[Any]]:
    """The word, which is one of these, and what comes after it. Raises what another word stands for."""
    if reply[0] in words:
        return reply[0], reply[1:]
    raise _error(reply, errors)


def nothing(errors: Errors) -> Callable[[Reply], None]:
    """A reader of a reply that has no more than OK. It raises what another word stands for."""

    def read(reply: Reply) -> None:
        after_ok(reply, errors)

    return read


def loading() -> LoadingError:
    """LOADING."""
    return LoadingError("data is being loaded")


def torn() -> TornError:
    """TORN."""
    return TornError()


def broken(what: str = "is missing or does not hold what it must") -> Callable[[bytes], BrokenKeyError]:
    """BROKEN, with the key: the error that names it, and goes on with `what`."""
    return lambda key: BrokenKeyError(f"{text(key)} {what}")


def text(value: bytes) -> str:
    """A key, or something else that is named in an error."""
    return value.decode(errors="replace")


def _error(reply: Reply, errors: Errors) -> Exception:
    word, *values = reply
    if word in errors:
        return errors[word](*values)
    return AssertionError(f"no script answers {reply!r:.100}")
