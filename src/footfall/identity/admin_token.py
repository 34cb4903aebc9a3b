"""The token of role admin that `footfall up --auth` makes once, and keeps in the data directory."""

import os
from pathlib import Path

from footfall.config import ServerSettings
from footfall.identity import tokens
from footfall.identity.credentials import digest, is_token
from footfall.keys import Keys
from footfall.logs import log
from footfall.store.client import connect

_NAME = "admin"


def path_in(data_dir: Path) -> Path:
    """Where it is kept, readable for its owner alone."""
    return data_dir / "admin-token"


def read(data_dir: Path) -> str | None:
    """What is kept there; None when there is nothing that could be a token, or it may not be read."""
    try:
        text = path_in(data_dir).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if is_token(text) else None


def ensure(settings: ServerSettings) -> None:
    """Make it, unless it was made before, and say where it is. What it is, nothing but the file tells."""
    path, keys = path_in(settings.data_dir), Keys(settings.prefix)
    with connect(settings.url, settings) as client:
        if path.exists():
            known_by = digest(read(settings.data_dir) or "")
            if any(known_by == other for other, _ in tokens.all_tokens(client, keys)):
                log.info("The admin token is in %s.", path)
            else:
                log.warning("The token in %s was revoked; without the file, a new one is made.", path)
            return
        # nothing may hold it that others can read, not even for a moment; and a file without its token would mislead
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            try:
                print(tokens.create(client, keys, _NAME, "admin"), file=file)
            except tokens.TakenError:
                unfinished.unlink()
                log.warning(
                    "There is a token `%s` already, but it is not in %s; when it is revoked, a new one is made.",
                    _NAME,
                    path,
                )
                return
        unfinished.replace(path)
    log.info("An admin token was made: it is in %s.", path)
