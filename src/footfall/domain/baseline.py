"""What users and locations were loaded with: their counters, as the baselines keep them."""

import msgspec


class UserBaseline(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a user was loaded with, as `users:baseline` keeps it."""

    num_checkins: int = msgspec.field(default_factory=int)  # by a factory, so that it is always written
    last_checkin: int | None = None
    last_seen_at: int | None = None


class LocationBaseline(msgspec.Struct, rename="camel"):
    """What a location was loaded with, as `locations:baseline` keeps it."""

    num_checkins: int = 0
    num_stars: int = 0
