"""The work of `footfall users` and `footfall locations`: what was typed, as a record; what was asked for, done."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from redis import Redis

from footfall.config import Settings
from footfall.domain.documents import LocationChange, UserChange, decode
from footfall.domain.json_text import MORE_THAN_ONCE, repeated, unmarked
from footfall.domain.model import MAX_ID, NewLocation, NewUser, Record
from footfall.errors import InvalidError, MalformedError, RefusedError, UsageError
from footfall.keys import Keys
from footfall.operations.manage.hash_passwords import PasswordHasher
from footfall.operations.manage.locations import Locations
from footfall.operations.manage.users import Users
from footfall.store.metadata import open_pipeline, position
from footfall.store.pipeline import Pipeline

Action = Literal["add", "set", "remove"]
Fields = dict[str, Any]
RecordT = TypeVar("RecordT", bound=Record)
ResultT = TypeVar("ResultT")

#: bytes of a document that are read
_MOST = 1024 * 1024


def fields(options: Fields, source: Path | None) -> dict[str, Any]:
    """What was given: in a JSON file (`-`: on standard input), and as options, which win. Raises UsageError."""
    given: dict[str, Any] = {}
    if source is not None:
        try:
            text = unmarked(sys.stdin.buffer.read(_MOST) if str(source) == "-" else source.read_bytes())
        except OSError as error:
            raise UsageError(f"cannot read {source}: {error.strerror}") from None
        try:
            given = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UsageError(f"{source} is not a JSON object: {error}") from None
        if twice := repeated(text):
            raise UsageError(f"{source}: {twice[0]:.100} {MORE_THAN_ONCE}")
    return given | {name: value for name, value in options.items() if value is not None}


def password(*, from_stdin: bool) -> str:
    """The password, from the first line of standard input, or typed twice. Raises UsageError."""
    if from_stdin:
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password; give it with --password-stdin")
    typed = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != typed:
        raise UsageError("these are two different passwords; nothing was changed")
    return typed


def users(action: Action, user_id: int, given: Fields, settings: Settings, client: Redis) -> str:
    """Add, change or remove a user; a line that says what was done. Raises as `Users`, and UsageError."""

    async def work(pipeline: Pipeline, keys: Keys) -> str:
        hasher = PasswordHasher(settings.auth.bcrypt_cost)
        changed = Users(pipeline, keys, hasher)
        try:
            if action == "add":
                await changed.add(_record(NewUser, given | {"id": user_id}))
                return f"Added user {user_id}."
            if action == "set":
                await changed.change(user_id, _record(UserChange, given))
                return f"Changed user {user_id}."
            counted = await changed.remove(user_id)
            return f"Removed user {user_id}; what its check-ins counted at locations stays ({counted:,})."
        finally:
            hasher.close()

    return _run(work, settings, client)


def locations(action: Action, location_id: int, given: Fields, settings: Settings, client: Redis) -> str:
    """The same for a location."""

    async def work(pipeline: Pipeline, keys: Keys) -> str:
        changed = Locations(pipeline, keys)
        if action == "add":
            await changed.add(_record(NewLocation, given | {"id": location_id}))
            return f"Added location {location_id}."
        if action == "set":
            await changed.change(location_id, _record(LocationChange, given))
            return f"Changed location {location_id}."
        counted = await changed.remove(location_id)
        return f"Removed location {location_id}; what its check-ins counted for users stays ({counted:,})."

    return _run(work, settings, client)


def require_id(typed: int | None, given: dict[str, Any]) -> int:
    """The id that was typed, or is in the document, which it leaves. Raises UsageError."""
    written = given.pop("id", typed)
    if typed not in (None, written):
        raise UsageError(f"the document is about {written!r:.40}, not {typed}")
    if not isinstance(written, int) or isinstance(written, bool) or not 1 <= written <= MAX_ID:
        raise UsageError(f"an id is needed: a whole number from 1 to {MAX_ID}")
    return written


def require_confirmed(kind: str, record: int, confirm: Callable[[str], bool]) -> None:
    """Raise RefusedError unless `confirm(prompt)` says yes."""
    what = f"{kind} {record} and all that is kept of it will be removed for good; the id is not given out again."
    if not confirm(what.capitalize()):
        raise RefusedError("not confirmed; nothing was removed")


def _record(kind: type[RecordT], given: Fields) -> RecordT:
    if not given:
        raise UsageError("nothing is given that would change")
    try:
        return decode(msgspec.json.encode(given), kind)
    except (InvalidError, MalformedError) as error:
        raise UsageError(str(error)) from None


def _run(work: Callable[[Pipeline, Keys], Awaitable[ResultT]], settings: Settings, client: Redis) -> ResultT:
    keys = Keys(settings.server.prefix)
    position(client, keys)

    async def run() -> ResultT:
        pipeline = open_pipeline(settings.server.url, settings.server, is_quiet=True)
        pipeline.start()
        try:
            await pipeline.settle()
            return await work(pipeline, keys)
        except InvalidError as error:
            raise UsageError(str(error)) from None
        finally:
            await pipeline.close()

    return asyncio.run(run())
