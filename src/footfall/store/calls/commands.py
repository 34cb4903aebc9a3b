"""check_commands.lua."""

from collections.abc import Sequence

from footfall.keys import Keys
from footfall.store.calls.reply import NO_ERRORS, nothing
from footfall.store.scripts import CHECK_COMMANDS, Call


def check_commands(keys: Keys, commands: Sequence[str]) -> Call[None]:
    """Ask whether all of these commands are there and allowed. Raises DeniedError. Changes nothing."""
    return Call(CHECK_COMMANDS, keys.examples, commands, nothing(NO_ERRORS))
