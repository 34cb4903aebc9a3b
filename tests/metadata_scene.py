"""Books on a server, as each service makes them when it begins."""

from typing import Any

from footfall.keys import Keys
from footfall.store.calls.metadata import open_metadata


def make_metadata(client: Any, keys: Keys) -> None:
    """Have the server hold metadata. `client` may answer bytes or text."""
    call = open_metadata(keys)
    assert call.script.run_sync(client, call.keys, call.arguments)[0] in (b"READY", "READY")
