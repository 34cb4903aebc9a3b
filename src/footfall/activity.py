"""What is kept of the newest check-ins: which of it, and how far back it reaches."""

from typing import NamedTuple, Self

from footfall.config import Settings
from footfall.errors import NotFoundError
from footfall.keys import Keys

#: ms
HOUR_MS = 3_600_000
#: ms of a bucket of trending, in whose number it begins
BUCKET_MS = 300_000
#: ms that `now` reaches back
NOW_MS = 3 * HOUR_MS
#: buckets that trending compares: the last hour, and the hour before
BUCKETS = 24
#: hours that `hourly` reaches back, the present one included
HOURS = 168


class Kept(NamedTuple):
    """What is kept, as the settings of the same names say."""

    history: int = 0
    now: bool = False
    hourly: bool = False
    trending: bool = False

    @classmethod
    def by(cls, settings: Settings) -> Self:
        """What these settings say."""
        return cls(settings.history, settings.now, settings.hourly, settings.trending)

    def require(self, setting: str) -> None:
        """Raise NotFoundError, naming the setting, when this is not kept."""
        value = getattr(self, setting)
        if not value:
            raise NotFoundError(f"this is not kept: the setting {setting} is {'off' if value is False else value}")


#: all of it off
NOTHING = Kept()


def period_keys(keys: Keys, now_ms: int) -> list[bytes]:
    """The hours and buckets that may be asked for, now or later; `now_ms` is the server's time.

    They begin with those that an order under way still needs, and end with what is ahead of a clock that is wrong.
    """
    hour, bucket = now_ms // HOUR_MS, now_ms // BUCKET_MS
    return [
        *map(keys.hour, range(hour - HOURS - 1, hour + 3)),
        *map(keys.trending_bucket, range(bucket - BUCKETS - 1, bucket + BUCKETS)),
    ]


def window(bucket: int) -> range:
    """The buckets of the window that ends with this one, the oldest first."""
    return range(bucket - BUCKETS + 1, bucket + 1)
