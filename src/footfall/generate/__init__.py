"""Generating load: random check-ins of existing users at existing locations, the way real load looks.

Arrivals are open-loop: gaps are exponential (a Poisson process), and a slow receiver does not slow what is offered.
The latency of a check-in counts from the moment it was meant to be sent, so time that it had to wait in here, because
the receiver kept all connections busy, is part of it ("coordinated omission" is what leaving it out is called).
"""

import random
import secrets
from dataclasses import dataclass, field
from typing import Any

import redis
import uvloop
from rich.console import Console

from footfall.config import Settings
from footfall.domain.model import MAX_ID
from footfall.errors import BrokenKeyError, FootfallError
from footfall.generate.generator import Generator
from footfall.generate.http import Target
from footfall.generate.visits import MAX_KNOWN, check_ins, gaps
from footfall.identity import admin_token
from footfall.keys import Keys

#: ids that one command asks the server for: about 1 ms
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """What is posted, and where."""

    #: check-ins per second, on average
    rate: float = 50.0
    #: None: until a signal
    count: int | None = None
    #: None: the receiver on this machine
    url: str | None = None
    #: None: for the receiver on this machine the one in the data directory, if there is one; else none
    token: str | None = field(default=None, repr=False)
    #: None: another one each time
    seed: int | None = None


def run(options: GenerateOptions, settings: Settings, client: redis.Redis, console: Console) -> bool:
    """Post check-ins until there were `count` of them, or SIGINT or SIGTERM; print a summary.

    Returns whether all went well: at least one was accepted (or none offered), and each other one was refused on
    purpose (a 4xx or a 503). It did not when one got no answer, another answer, or could not be sent.

    After a signal nothing more is offered, and those under way get 2 s; a second signal ends that at once. The same
    seed gives the same check-ins in the same order as long as the same users and locations (at most 100,000 of each;
    beyond that the server picks which) are loaded.

    Raises FootfallError when there are no users or locations, BrokenKeyError when the index of them is something
    else, and UsageError when `url` is not the URL of a receiver.
    """
    # the one for this machine is for nobody else
    token = options.token or (admin_token.read(settings.server.data_dir) if options.url is None else None)
    target = Target.parse(options.url or _own_receiver(settings), token)
    keys = Keys(settings.server.prefix)
    users = known_ids(client, keys.users_by_checkins, "users")
    locations = known_ids(client, keys.locations_by_checkins, "locations")
    seed = options.seed if options.seed is not None else secrets.randbelow(2**32)
    console.print(
        f"Posting {options.rate:,.10g} check-ins per second to {target} "
        f"({len(users):,} users, {len(locations):,} locations, seed {seed}). Ctrl-C stops.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    generator = Generator(
        target,
        check_ins(users, locations, seed),
        # a sequence of its own, so that the check-ins are the same at every rate
        gaps(options.rate, random.Random(f"gaps {seed}")),
        count=options.count,
        console=console,
    )
    tally = uvloop.run(generator.run())
    for line in tally.summary(options.rate, seed):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return tally.went_well


def known_ids(client: redis.Redis, key: bytes, what: str) -> list[int]:
    """The ids in an index, in order; of a large one, MAX_KNOWN of them at most, picked by the server."""
    kind: Any = client.type(key)
    if kind not in (b"zset", b"none"):
        raise BrokenKeyError(f"{key.decode()}: it is a {kind.decode()}, not a zset; `footfall rebuild` repairs it")
    found: set[bytes] = set()
    if client.zcard(key) > MAX_KNOWN:
        for _ in range(MAX_KNOWN // _PAGE):
            page: Any = client.zrandmember(key, _PAGE)
            found.update(page)
    else:
        found.update(member for member, _ in client.zscan_iter(key, count=_PAGE))
    ids = sorted(int(member) for member in found if member.isdigit())
    ids = [each for each in ids if 1 <= each <= MAX_ID]
    if not ids:
        raise FootfallError(f"there are no {what} that could check in; load some first: `footfall load --help`")
    return ids


def _own_receiver(settings: Settings) -> str:
    # an address to listen on may mean "every address", which is none to connect to
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.http.host, settings.http.host)
    return f"http://[{host}]:{settings.receiver.port}" if ":" in host else f"http://{host}:{settings.receiver.port}"
