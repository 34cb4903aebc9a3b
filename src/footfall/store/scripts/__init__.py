"""The Lua scripts: one `.lua` file each, loaded once, run by name. `footfall.store.calls` has a function for each.

Each file's header is the contract: KEYS, ARGV, result. A script changes everything that it is about, or nothing.
A line `--@include <part>` stands for the text of `parts/<part>.lua`; a part's header says what it defines and reads.
`{{NAME}}` in a part stands for the number of this name in `footfall.domain.activity`.
Before it does anything, a script asks whether its commands are there and allowed (see `commands`).
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from footfall.domain import activity
from footfall.store.scripts.script import Call, Key, Script

__all__ = ["Call", "Key", "Script", "all_scripts"]

_INCLUDE = re.compile(rb"^--@include (.*)\n", re.MULTILINE)
_SPAN = re.compile(rb"\{\{([A-Z_]+)\}\}")


def put_together(source: bytes, parts: Mapping[str, bytes]) -> bytes:
    """The script with its parts in it, which have none themselves. Raises KeyError when there is no such part."""
    return _INCLUDE.sub(lambda line: parts[line[1].decode()], source)


def with_spans(part: bytes) -> bytes:
    """The part with numbers where it names spans of activity. Raises KeyError when there is no such span."""
    return _SPAN.sub(lambda name: b"%d" % vars(activity)[name[1].decode()], part)


def _read(folder: Traversable) -> dict[str, bytes]:
    scripts = (item for item in folder.iterdir() if item.name.endswith(".lua"))
    return {item.name.removesuffix(".lua"): item.read_bytes() for item in scripts}


def _load() -> dict[str, Script]:
    folder = files(__package__)
    parts = {name: with_spans(part) for name, part in _read(folder / "parts").items()}
    return {name: Script(name, put_together(source, parts).decode()) for name, source in _read(folder).items()}


_scripts = _load()


def all_scripts() -> list[Script]:
    """Every script, by name."""
    return [script for _, script in sorted(_scripts.items())]


CHECK_COMMANDS = _scripts["check_commands"]
OPEN = _scripts["open"]
RECEIVE = _scripts["receive"]
PROCESS = _scripts["process"]
ROLL_TRENDING = _scripts["roll_trending"]
READ_HISTORY = _scripts["read_history"]
READ_PRESENCE = _scripts["read_presence"]
READ_HOURLY = _scripts["read_hourly"]
READ_TRENDING = _scripts["read_trending"]
TRIM = _scripts["trim"]
COUNT_LOST = _scripts["count_lost"]
NOTE_GONE = _scripts["note_gone"]
RETRY_DEAD_LETTERS = _scripts["retry_dead_letters"]
DISCARD_DEAD_LETTERS = _scripts["discard_dead_letters"]
FORGET_DISCARDED = _scripts["forget_discarded"]
BACKLOG = _scripts["backlog"]
HOLD_LEASE = _scripts["hold_lease"]
RELEASE_LEASE = _scripts["release_lease"]
LOAD_USERS = _scripts["load_users"]
LOAD_LOCATIONS = _scripts["load_locations"]
BEGIN_LOAD = _scripts["begin_load"]
STAGE_CHECKINS = _scripts["stage_checkins"]
RESET_USERS = _scripts["reset_users"]
RESET_LOCATIONS = _scripts["reset_locations"]
RESET_REMOVED = _scripts["reset_removed"]
MARK_SAMPLE = _scripts["mark_sample"]
SWITCH_LOAD = _scripts["switch_load"]
APPEND_STAGED = _scripts["append_staged"]
ABORT_LOAD = _scripts["abort_load"]
FINISH_LOAD = _scripts["finish_load"]
READ_SNAPSHOT = _scripts["read_snapshot"]
READ_USERS = _scripts["read_users"]
READ_LOCATIONS = _scripts["read_locations"]
READ_INDEX = _scripts["read_index"]
REBUILD_PAGE = _scripts["rebuild_page"]
SETTLE_TORN = _scripts["settle_torn"]
DROP_INDEX_ENTRIES = _scripts["drop_index_entries"]
READ_RECORDS = _scripts["read_records"]
READ_RANKED = _scripts["read_ranked"]
ADD_USER = _scripts["add_user"]
CHANGE_USER = _scripts["change_user"]
REMOVE_USER = _scripts["remove_user"]
ADD_LOCATION = _scripts["add_location"]
CHANGE_LOCATION = _scripts["change_location"]
REMOVE_LOCATION = _scripts["remove_location"]
ADD_TOKEN = _scripts["add_token"]
BEGIN_SESSION = _scripts["begin_session"]
RENEW_SESSION = _scripts["renew_session"]
TAKE_ATTEMPT = _scripts["take_attempt"]
GIVE_BACK_ATTEMPT = _scripts["give_back_attempt"]
RESERVE_QUOTA = _scripts["reserve_quota"]
