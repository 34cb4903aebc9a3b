"""Activity: what is kept of the newest check-ins beside counters and indexes, and how far back it reaches.

Four kinds, each with a setting: histories of users and locations (`history`), presence: who is at a location (`now`),
check-ins per hour (`hourly`), and the locations that are rising (`trending`).

The spans stand here alone: the Lua scripts get them from here (`parts/activity_spans.lua`).
"""

#: ms
HOUR_MS = 3_600_000
#: ms of a bucket of trending, in whose number it begins
BUCKET_MS = 300_000
#: ms that somebody counts as at a location
PRESENCE_MS = 3 * HOUR_MS
#: buckets that trending compares: the last hour, and the hour before
WINDOW_BUCKETS = 24
#: hours that `hourly` reaches back, the present one included
WEEK_HOURS = 168
#: Seconds until the keys expire that are not written to any more: presence of a location, an hour, a bucket. What is
#: written may be an hour ahead of the clock.
PRESENCE_EXPIRES_S = 8 * 3600
HOUR_EXPIRES_S = 194 * 3600
BUCKET_EXPIRES_S = 27 * 3600


def trending_window(bucket: int) -> range:
    """The buckets of the window that ends with this one, the oldest first."""
    return range(bucket - WINDOW_BUCKETS + 1, bucket + 1)
