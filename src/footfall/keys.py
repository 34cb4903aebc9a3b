"""Every key that Footfall reads or writes. No other module builds a key."""

from collections.abc import Sequence

#: members of sets and fields of hashes that are ids have so many digits: then they sort as numbers
ID_DIGITS = 16


class Keys:
    """The keys below one prefix, as bytes, the way the server gets them.

    Attributes are keys that exist once; methods are key families, one key per id.
    """

    def __init__(self, prefix: str) -> None:
        root = prefix.encode()
        self.prefix = prefix
        #: stream: `locationId userId starRating`, ids are server times in ms
        self.stream = root + b":checkins"
        #: stream: entries that could not be applied, with the reason
        self.dead_letters = root + b":checkins:dead"
        #: hash: entry id -> reason of the dead letters that an operator has discarded: they are never counted
        self.discarded = root + b":checkins:discarded"
        #: stream: where the loader writes check-ins before they replace the stream
        self.staging = root + b":checkins:staging"
        #: hash: `schema shards generation state loaded lost settled discarded takenOver torn load switched sample
        #: books trimmed trimmedSince gone goneDead`
        self.meta = root + b":meta"
        #: string: id of the last entry whose effects are stored
        self.checkpoint = root + b":checkinprocessor:lastid"
        #: string (int): how many entries the checkpoint has passed
        self.processed = root + b":checkinprocessor:processed"
        #: string, expiring: the one processor that works; the others stand by
        self.processor_lease = root + b":checkinprocessor:lease"
        #: string, expiring: the one load that may run
        self.loader_lease = root + b":loader:lease"
        #: hash: user id -> JSON of the counters the user was loaded with
        self.users_baseline = root + b":users:baseline"
        #: zset: user id by numCheckins
        self.users_by_checkins = root + b":users:bycheckins"
        #: zset: user id by lastCheckin
        self.users_recent = root + b":users:recent"
        #: zset, all scores 0: `<location, 16 digits>:<lastCheckin, 13 digits>:<user>`
        self.users_last_seen = root + b":users:lastseen"
        #: hash: e-mail (lower case) -> user id
        self.users_email = root + b":users:email"
        #: hash: id of a user that was removed for good -> JSON of what had been counted for it
        self.users_removed = root + b":users:removed"
        #: hash: user id -> JSON of what entries have counted that were removed from the stream by others
        self.users_gone = root + b":users:gone"
        #: hash: location id -> JSON of what entries have counted that were removed from the stream by others
        self.locations_gone = root + b":locations:gone"
        #: hash: location id -> JSON of the counters the location was loaded with
        self.locations_baseline = root + b":locations:baseline"
        #: hash: id of a location that was removed for good -> JSON of what had been counted for it
        self.locations_removed = root + b":locations:removed"
        #: zset: location id by numCheckins
        self.locations_by_checkins = root + b":locations:bycheckins"
        #: geo: location id
        self.locations_geo = root + b":locations:geo"
        #: hash: `window order building`: which window of time the order of trending locations stands for
        self.trending_state = root + b":trending:state"
        #: zsets, expiring: location id (16 digits) by check-ins of the hour before - those of the last hour; one holds
        #: while the other is made for the next window. Who takes a location out of both also removes the state's field
        #: `building`.
        self.trending_orders = (root + b":trending:0", root + b":trending:1")
        #: hash: SHA-256 of a token -> JSON `name role created rate`
        self.tokens = root + b":tokens"

        #: what the keys of users and of locations begin with, as text: an id is added to it for each check-in
        self.user_text = f"{prefix}:users:"
        self.location_text = f"{prefix}:locations:"
        self.location_details_text = f"{prefix}:locationdetails:"
        #: what SCAN finds these with, categories and indexes too, and little else
        self.records_pattern = f"{prefix}:[ul][so]*"
        self._user = root + b":users:"
        self._location = root + b":locations:"
        self._details = root + b":locationdetails:"
        self._category = root + b":locations:category:"
        self._user_history = root + b":history:user:"
        self._location_history = root + b":history:location:"
        self._location_presence = root + b":now:"
        self._hour = root + b":hourly:"
        self._trending_bucket = root + b":trending:bucket:"

        #: the type of each key that exists once
        self.types: dict[bytes, str] = {
            **dict.fromkeys((self.stream, self.dead_letters, self.staging), "stream"),
            **dict.fromkeys((self.checkpoint, self.processed, self.processor_lease, self.loader_lease), "string"),
            **dict.fromkeys((self.meta, self.discarded, self.tokens, self.trending_state), "hash"),
            **dict.fromkeys((self.users_baseline, self.users_email, self.users_removed, self.users_gone), "hash"),
            **dict.fromkeys((self.locations_baseline, self.locations_removed, self.locations_gone), "hash"),
            **dict.fromkeys((self.users_by_checkins, self.users_recent, self.users_last_seen), "zset"),
            **dict.fromkeys((self.locations_by_checkins, self.locations_geo, *self.trending_orders), "zset"),
        }

    def type_of(self, key: bytes) -> str:
        """The type of a key that exists once, or of a record, its details, or a category."""
        if key in self.types:
            return self.types[key]
        if key.startswith(self._category):
            return "zset"
        return "string" if key.startswith(self._details) else "hash"

    @property
    def examples(self) -> list[bytes]:
        """One key of each kind."""
        once = [value for name, value in vars(self).items() if isinstance(value, bytes) and not name.startswith("_")]
        each = [self.user(1), self.location(1), self.location_details(1), self.category("cafe"), self.duplicate(1, 1)]
        each += [self.idempotency("1"), self.idempotency("1", owner="user-1"), self.session("1"), self.user_sessions(1)]
        each += [self.login_attempts("1"), self.token_quota("1"), self.user_history(1), self.location_history(1)]
        each += [self.location_presence(1), self.hour(1), self.trending_bucket(1)]
        return [*once, *self.trending_orders, *each]

    def user(self, user_id: int | bytes) -> bytes:
        """Hash: `id firstName lastName email password numCheckins lastCheckin lastSeenAt`."""
        return self._user + (b"%d" % user_id if isinstance(user_id, int) else user_id)

    def users_of(self, user_ids: Sequence[bytes]) -> list[bytes]:
        """`user` of each of many."""
        root = self._user
        return [root + user_id for user_id in user_ids]

    def locations_of(self, location_ids: Sequence[bytes]) -> list[bytes]:
        """`location` of each of many."""
        root = self._location
        return [root + location_id for location_id in location_ids]

    def location(self, location_id: int | bytes) -> bytes:
        """Hash: `id name category location numCheckins numStars averageStars`."""
        return self._location + (b"%d" % location_id if isinstance(location_id, int) else location_id)

    def location_details(self, location_id: int) -> bytes:
        """String (JSON): `id hours socials website description phone`."""
        return self._details + b"%d" % location_id

    def idempotency(self, key: str, part: int = 0, owner: str = "") -> bytes:
        """String, expiring: fingerprint and outcomes of a request, or of one part of it. No key has a space in it.

        `owner`: whose key it is while sign-in is on, without a colon.
        """
        family = f"{self.prefix}:idempotency-of:{owner}:" if owner else f"{self.prefix}:idempotency:"
        return b"%b%b%b" % (family.encode(), key.encode(), b" %d" % part if part else b"")

    def duplicate(self, user_id: int, location_id: int) -> bytes:
        """String, expiring: id of the user's last entry at the location."""
        return b"%b:duplicate:%d:%d" % (self.prefix.encode(), user_id, location_id)

    def session(self, digest: str) -> bytes:
        """String (JSON), expiring: whose session it is whose id has this SHA-256."""
        return b"%b:session:%b" % (self.prefix.encode(), digest.encode())

    def user_sessions(self, user_id: int) -> bytes:
        """Set, expiring: the digests of the user's sessions; some may have ended."""
        return b"%b:usersessions:%d" % (self.prefix.encode(), user_id)

    def login_attempts(self, digest: str) -> bytes:
        """String (int), expiring: attempts to sign in with the e-mail, or from the address, that has this SHA-256."""
        return b"%b:loginattempts:%b" % (self.prefix.encode(), digest.encode())

    def token_quota(self, digest: str) -> bytes:
        """String, expiring: `<second>:<check-ins>`, what was given to receivers of a token's rate in this second."""
        return b"%b:tokenquota:%b" % (self.prefix.encode(), digest.encode())

    def user_history(self, user_id: int | bytes) -> bytes:
        """List: `<entry id> <location> <stars>` of the user's newest check-ins, the newest last.

        An item has those that were counted together, with commas between them.
        """
        return self._user_history + (b"%d" % user_id if isinstance(user_id, int) else user_id)

    def location_history(self, location_id: int | bytes) -> bytes:
        """List: `<entry id> <user> <stars>` of the newest check-ins there, as those of a user."""
        return self._location_history + (b"%d" % location_id if isinstance(location_id, int) else location_id)

    def location_presence(self, location_id: int | bytes) -> bytes:
        """Zset, expiring: user id (16 digits) by -ms of the last check-in there, at least of the last three hours.

        `renewed` has the number of three hours (since 1970) in which those that are older were removed.
        """
        return self._location_presence + (b"%d" % location_id if isinstance(location_id, int) else location_id)

    def hour(self, hour: int) -> bytes:
        """Hash, expiring: location id (16 digits) -> check-ins in this hour (since 1970)."""
        return self._hour + b"%d" % hour

    def trending_bucket(self, bucket: int) -> bytes:
        """Hash, expiring: location id (16 digits) -> check-ins in these five minutes (since 1970)."""
        return self._trending_bucket + b"%d" % bucket

    def category(self, category: str) -> bytes:
        """Zset: location id, score = id."""
        return self._category + category.encode()
