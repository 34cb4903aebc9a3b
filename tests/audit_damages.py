"""Damages that verifying finds and rebuilding repairs."""

import random
from typing import Any

from audit_scene import (
    FIRST_MS,
    process,
    settle_dead_letters,
)
from chaos.scene import LOCATIONS, USERS, add, load_rows, location_row, user_row
from servers import Server

MEMBER_1 = f"{3:016d}:{FIRST_MS + 5:013d}:1"


ZSETS = ["users:bycheckins", "users:recent", "users:lastseen", "locations:bycheckins", "locations:category:cafe"]


ZSETS_AND_GEO = [*ZSETS, "locations:geo"]


#: what is done to the server, and the differences: key, part, what is there, what must be
DAMAGES: dict[str, tuple[str, list[tuple[str, str | None, str | None, str | None]]]] = {
    "a user's counter": ("HINCRBY users:1 numCheckins 2", [("users:1", "numCheckins", "7", "5")]),
    "a user's counter that is no number": ("HSET users:1 numCheckins x", [("users:1", "numCheckins", "x", "5")]),
    "a user's counter that is missing": ("HDEL users:1 numCheckins", [("users:1", "numCheckins", None, "5")]),
    "an unprocessed entry counted": ("HINCRBY users:3 numCheckins 1", [("users:3", "numCheckins", "10", "9")]),
    "lastCheckin": ("HSET users:1 lastCheckin 5", [("users:1", "lastCheckin", "5", f"{FIRST_MS + 5}")]),
    "lastSeenAt": ("HSET users:1 lastSeenAt 5", [("users:1", "lastSeenAt", "5", "3")]),
    "a last check-in of nobody": ("HSET users:4 lastCheckin 5", [("users:4", "lastCheckin", "5", None)]),
    "a user's id": ("HSET users:1 id 2", [("users:1", "id", "2", "1")]),
    "a location's counter": ("HINCRBY locations:2 numCheckins -1", [("locations:2", "numCheckins", "5", "6")]),
    "numStars": ("HSET locations:2 numStars 23", [("locations:2", "numStars", "23", "22")]),
    "averageStars": ("HSET locations:2 averageStars 5", [("locations:2", "averageStars", "5", "4")]),
    "a location that is no place": (
        "HSET locations:1 location x,y", [("locations:1", "location", "x,y", "longitude,latitude")],
    ),
    "processed": ("SET checkinprocessor:processed 4", [("checkinprocessor:processed", None, "4", "5")]),
    "a user's baseline": (
        'HSET users:baseline 2 {"numCheckins":1}',
        [("users:2", "numCheckins", "7", "2"), ("users:bycheckins", "2", "7", "2")],
    ),
    "a user's missing baseline": (
        "HDEL users:baseline 4",
        [("users:baseline", "4", None, "JSON of counters"), ("users:4", "numCheckins", "12", "0"),
         ("users:bycheckins", "4", "12", "0")],
    ),
    "an unreadable baseline": ("HSET users:baseline 4 4", [("users:baseline", "4", "4", "JSON of counters")]),
    "a location's unreadable baseline": (
        "HSET locations:baseline 4 []", [("locations:baseline", "4", "[]", "JSON of counters")],
    ),
    "a deleted user": ("DEL users:1", [("users:1", None, None, "a user with numCheckins 5")]),
    "a deleted location": ("DEL locations:3", [("locations:3", None, None, "a location with numCheckins 7")]),
    "a user of another type": ("DEL users:1|SET users:1 x", [("users:1", None, "a string", "a hash")]),
    "a location of another type": ("DEL locations:1|SET locations:1 x", [("locations:1", None, "a string", "a hash")]),
    "details of another type": ("SADD locationdetails:1 x", [("locationdetails:1", None, "a set", "a string")]),
    "details of no location": ("SET locationdetails:77 {}", [("locationdetails:77", None, "there", None)]),
    "a key that ends with no id": (
        "SET users:007 x|SET locations:x x", [("users:007", None, "there", None), ("locations:x", None, "there", None)],
    ),
    "a user nobody has loaded": (
        "HSET users:77 id 77 numCheckins 3",
        [("users:77", "numCheckins", "3", "0"), ("users:bycheckins", "77", None, "0")],
    ),
    **{
        f"{key} of another type": (f"DEL {key}|SET {key} x", [(key, None, "a string", "a zset")])
        for key in ZSETS_AND_GEO
    },
    "emails of another type": ("DEL users:email|SET users:email x", [("users:email", None, "a string", "a hash")]),
    # a member that is missing
    "no user by check-ins": ("ZREM users:bycheckins 1", [("users:bycheckins", "1", None, "5")]),
    "no recent user": ("ZREM users:recent 1", [("users:recent", "1", None, f"{FIRST_MS + 5}")]),
    "no user last seen": (f"ZREM users:lastseen {MEMBER_1}", [("users:lastseen", MEMBER_1, None, "0")]),
    "no email": ("HDEL users:email user1@example.com", [("users:email", "user1@example.com", None, "1")]),
    "no location by check-ins": ("ZREM locations:bycheckins 2", [("locations:bycheckins", "2", None, "6")]),
    "no place": ("ZREM locations:geo 2", [("locations:geo", "2", None, "1.5,2.5")]),
    "no category": ("ZREM locations:category:cafe 2", [("locations:category:cafe", "2", None, "2")]),
    # a score that is another
    "a user by check-ins": ("ZADD users:bycheckins 6 1", [("users:bycheckins", "1", "6", "5")]),
    "a recent user": ("ZADD users:recent 6 1", [("users:recent", "1", "6", f"{FIRST_MS + 5}")]),
    "a user last seen": (f"ZADD users:lastseen 1 {MEMBER_1}", [("users:lastseen", MEMBER_1, "1", "0")]),
    "an email": ("HSET users:email user1@example.com 2", [("users:email", "user1@example.com", "2", "1")]),
    "a location by check-ins": ("ZADD locations:bycheckins 6.5 2", [("locations:bycheckins", "2", "6.5", "6")]),
    "a category": ("ZADD locations:category:cafe 6 2", [("locations:category:cafe", "2", "6", "2")]),
    # a member too many
    "an unknown user by check-ins": ("ZADD users:bycheckins 6 77", [("users:bycheckins", "77", "6", None)]),
    "an unknown recent user": ("ZADD users:recent 6 77", [("users:recent", "77", "6", None)]),
    "a recent user without a check-in": ("ZADD users:recent 6 4", [("users:recent", "4", "6", None)]),
    "a user last seen twice": (
        f"ZADD users:lastseen 0 {5:016d}:{6:013d}:1", [("users:lastseen", f"{5:016d}:{6:013d}:1", "there", None)],
    ),
    "an unknown user last seen": (
        f"ZADD users:lastseen 0 {5:016d}:{6:013d}:77", [("users:lastseen", f"{5:016d}:{6:013d}:77", "there", None)],
    ),
    "an email of nobody": ("HSET users:email a@b 2", [("users:email", "a@b", "2", None)]),
    "an email of an unknown user": ("HSET users:email a@b 77", [("users:email", "a@b", "77", None)]),
    "an unknown location by check-ins": ("ZADD locations:bycheckins 6 77", [("locations:bycheckins", "77", "6", None)]),
    "an unknown place": ("GEOADD locations:geo 1 2 77", [("locations:geo", "77", "there", None)]),
    "another category": ("ZADD locations:category:bar 1 1", [("locations:category:bar", "1", "there", None)]),
    **{
        f"a member of {key} that is no id": (f"ZADD {key} 0 x", [(key, "x", "there", None)]) for key in ZSETS_AND_GEO
    },
    "a baseline that is of no id": ("HSET users:baseline x {}", [("users:baseline", "x", "there", None)]),
    "a deleted dead letter": (
        "DEL checkins:dead", [("checkins:dead", None, "0 dead letters and 0 discarded", "1 together"),
                              ("users:99", None, None, "a user with numCheckins 1"),
                              ("locations:2", "numCheckins", "6", "7"), ("locations:2", "numStars", "22", "23"),
                              ("locations:2", "averageStars", "4", "3"), ("locations:bycheckins", "2", "6", "7")],
    ),
}  # fmt: skip


def damage(client: Any, commands: str) -> None:
    """Do what an operator should not: commands, the keys without their prefix."""
    for command in commands.split("|"):
        name, key, *words = command.split()
        client.execute_command(name, f"ncc:{key}", *words)


class Events:
    """What happens on a busy system, at random, whenever the server is looked at."""

    def __init__(self, server: Server, client: Any, rng: random.Random, *, dead_letters: bool) -> None:
        self._server, self._client, self._rng = server, client, rng
        self.count = 0
        self._new = 100
        self._kinds = ["add"] * 6 + ["process"] * 4 + ["reload"] + (["unknown", "retry", "discard"] * dead_letters)
        self._is_busy = False

    def happen(self) -> None:
        """Perhaps let something happen."""
        if self._is_busy or self._rng.random() < 0.5:
            return
        self._is_busy = True
        self.count += 1
        client, rng = self._client, self._rng
        match rng.choice(self._kinds):
            case "add":
                for _ in range(rng.randint(1, 30)):
                    add(client, rng.randint(1, USERS), rng.randint(1, LOCATIONS), rng.randint(0, 5))
            case "process":
                process(self._server, most=rng.randint(1, 40))
            case "reload":
                user = rng.choice((self._new, rng.randint(1, USERS)))
                self._new += user == self._new
                load_rows(client, "users", [user_row(user, numCheckins=rng.randint(0, 9), email=f"{rng.random()}@x")])
                location = rng.randint(1, LOCATIONS)
                place = {"category": rng.choice(("bar", "gym")), "location": f"{rng.uniform(-9, 9):.5f},5"}
                load_rows(client, "locations", [location_row(location, numStars=rng.randint(0, location)) | place])
            case "unknown":
                add(client, self._new, 1, 1)
            case action:
                settle_dead_letters(client, action)
        self._is_busy = False


def digest(client: Any) -> bytes:
    """Stands for all that the server holds."""
    value: bytes = client.execute_command("DEBUG", "DIGEST")
    return value


def wreck(client: Any, rng: random.Random) -> None:
    """Break every counter and every index, each in some way."""
    pipeline = client.pipeline(transaction=True)
    for user in range(1, USERS + 1):
        names = rng.sample(["id", "numCheckins", "lastCheckin", "lastSeenAt"], 2)
        pipeline.hset(f"ncc:users:{user}", names[0], rng.choice(["x", "1", "99999999999999"]))
        pipeline.hdel(f"ncc:users:{user}", names[1])
    for location in range(1, LOCATIONS + 1):
        for name in ("numCheckins", "numStars", "averageStars"):
            pipeline.hset(f"ncc:locations:{location}", name, rng.choice(["", "7", "-1", "9007199254740991"]))
    for key in ("users:bycheckins", "users:recent", "users:lastseen", "users:email", "locations:bycheckins",
                "locations:geo", "locations:category:cafe"):  # fmt: skip
        match rng.choice(["deleted", "another type", "wrong"]):
            case "deleted":
                pipeline.delete(f"ncc:{key}")
            case "another type":
                pipeline.delete(f"ncc:{key}")
                pipeline.rpush(f"ncc:{key}", "x")
            case _ if key == "users:email":
                pipeline.hset("ncc:users:email", mapping={"x": 5, "user5@example.com": 6})
            case _:
                pipeline.zadd(f"ncc:{key}", {"x": 1, "5": rng.randint(0, 9), "77": 1, f"{1:016d}:{2:013d}:5": 0})
    pipeline.zadd("ncc:locations:category:bar", {"5": 5})
    pipeline.set("ncc:locations:category:gym", "x")
    pipeline.execute()
