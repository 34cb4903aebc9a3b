"""Books on a server, as each service makes them when it begins."""

from typing import Any

from footfall.keys import Keys
from footfall.store.calls.metadata import open_books


def make_books(client: Any, keys: Keys) -> None:
    """Have the server hold books. `client` may answer bytes or text."""
    call = open_books(keys)
    assert call.script.run_sync(client, call.keys, call.arguments)[0] in (b"READY", "READY")
