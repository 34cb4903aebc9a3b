"""The sample for who begins: loaded into an embedded server that has never held data."""

import contextlib

from footfall.config import Settings
from footfall.errors import RefusedError
from footfall.logs import log
from footfall.operations import loader
from footfall.process.terminal import progress
from footfall.store.client import connect

#: a sample that was loaded only in part when the loader was killed is loaded again
_UNFINISHED = "sample-unfinished"
#: there once the directory has held data: it does not start from scratch on an empty server unasked
_NOT_EMPTY = "not-empty"


def load_sample_when_empty(settings: Settings) -> None:
    """Load the sample into an empty server, or again when that was cut short."""
    data_dir = settings.server.data_dir
    unfinished, not_empty = data_dir / _UNFINISHED, data_dir / _NOT_EMPTY
    with contextlib.closing(connect(settings.server.url, settings.server)) as client:
        if client.dbsize() and not unfinished.exists():
            not_empty.touch()
            return
        if not_empty.exists() and not unfinished.exists():
            raise RefusedError(
                f"the server is empty, and was not when `up` last used {data_dir} (FLUSHALL?): put a backup "
                f"of the directory in its place; or, to start from scratch with the sample, remove {not_empty}"
            )
        log.info("The data directory is empty: loading the sample.")
        unfinished.touch()
        try:
            with progress() as bars:
                options = loader.LoadOptions(sample=True)
                loaded = loader.load("all", options, settings, client, confirm=lambda _: False, progress=bars)
        except RefusedError:
            unfinished.unlink()
            log.warning("Somebody has loaded other data meanwhile: the sample is not loaded.")
            return
    not_empty.touch()
    unfinished.unlink()
    log.info("Loaded %d users, %d locations and %d check-ins.", loaded.users, loaded.locations, loaded.checkins)
