"""What `footfall up` says when all of it is there: where, and what to try with data that is there."""

import contextlib
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import RedisError

from footfall.config import Settings
from footfall.keys import Keys
from footfall.sample import PASSWORD
from footfall.store.address import parse
from footfall.store.client import connect

#: user and location of the README's tour, in the sample
_SAMPLE_USER, _SAMPLE_LOCATION, _SAMPLE_EMAIL = "180", "13", "sophia.marshall@example.com"


class _Example(NamedTuple):
    """A user and a location that are there."""

    user: str
    location: str
    email: str
    password: str


def greeting(settings: Settings, receiver: str, api: str, processor: str, auth: str) -> str:
    """The text; the services' addresses are URLs."""
    auth_line = f"\n  auth        {auth}/login   (docs: {auth}/docs)" if settings.auth.enabled else ""
    page_line = f"\n  live page   {api}/   (`footfall up --open` opens it)" if settings.api.live_page else ""
    return f"""
Footfall is up.{page_line}
  receiver    {receiver}/api/checkin   (docs: {receiver}/docs)
  API server  {api}/api/checkins/latest   (docs: {api}/docs){auth_line}
  processor   {processor}/metrics   (also: /readyz)
  server      {parse(settings.server.url)}

{_what_to_try(settings, receiver, api, auth)}

Ctrl-C stops everything; the data stay.
"""


def _what_to_try(settings: Settings, receiver: str, api: str, auth: str) -> str:
    example = _example(settings)
    if example is None:
        return (
            "There are no users and locations yet: `footfall load users --from FILE` and `footfall load locations\n"
            "--from FILE` load yours, beside all this."
        )
    sign_in, cookies = "", ""
    if settings.auth.enabled:
        cookies = " -b cookies"
        sign_in = f"""
  curl {auth}/login -c cookies -H 'Content-Type: application/json' \\
       -d '{{"email": "{example.email}", "password": "{example.password}"}}'"""
    return f"""Try it, then ask for the user:{sign_in}
  curl {receiver}/api/checkin{cookies} -H 'Content-Type: application/json' \\
       -d '{{"userId": {example.user}, "locationId": {example.location}, "starRating": 4}}'
  curl {api}/api/user/{example.user}"""


def _example(settings: Settings) -> _Example | None:
    """Of the sample those of the tour, else the busiest ones; None without a user and a location."""
    keys = Keys(settings.server.prefix)
    with contextlib.closing(connect(settings.server.url, settings.server)) as client, contextlib.suppress(RedisError):
        if client.hexists(keys.meta.decode(), "sample") and client.exists(keys.user(180), keys.location(13)) == 2:
            return _Example(_SAMPLE_USER, _SAMPLE_LOCATION, _SAMPLE_EMAIL, PASSWORD)
        user, location = _busiest(client, keys.users_by_checkins), _busiest(client, keys.locations_by_checkins)
        if user and location:
            return _Example(user, location, f"the e-mail of user {user}", "...")
    return None


def _busiest(client: Redis, index: bytes) -> str | None:
    found: Any = client.zrange(index, 0, 0, desc=True)
    return found[0].decode(errors="replace") if found else None
