"""Comparing users with their index entries, and with what they were loaded with and the stream adds."""

from typing import Any

import msgspec

from footfall.domain.baseline import UserBaseline
from footfall.keys import Keys
from footfall.operations.audit.compare import Comparer, Scope, number_of
from footfall.operations.audit.differences import Differences
from footfall.operations.audit.record_pages import lower
from footfall.operations.audit.surplus import Surplus
from footfall.operations.audit.tally import LAST_SEQUENCE, UserTally
from footfall.store.calls.audit import User


class UserComparer(Comparer):
    """Compares users."""

    def __init__(self, keys: Keys, differences: Differences, surplus: Surplus, scope: Scope) -> None:
        super().__init__(keys, differences, surplus, scope)
        #: e-mails that were reported as somebody else's
        self.wrong_emails: set[bytes] = set()

    def compare(self, user: int, found: User | str, tally: UserTally) -> None:
        """Compare a user."""
        keys, key = self._keys, self._keys.user(user)
        place = tally.place(user)
        if isinstance(found, str):
            self.wrong_type(key, user, found, tally)
            return
        if found.removed is not None:
            self._removed_user(user, found, tally)
            return
        try:
            loaded = found.loaded()
        except msgspec.DecodeError:
            self._differences.add(keys.users_baseline, user, found.baseline, "JSON of counters", is_count=True)
            tally.mark(place, 0)
            return
        added = tally.counts[place] if self._against_stream else 0
        wanted = loaded.num_checkins + added
        why = f"{loaded.num_checkins} loaded, {added} counted"
        if found.id is None and found.num_checkins is None:
            self._missing_user(user, found, wanted if self._against_stream else None, why, added)
            tally.mark(place, 0)
            return
        if found.id != b"%d" % user:
            self._differences.add(key, "id", found.id, user)
        if found.email is not None and found.baseline is None and self._has_origin:
            self._differences.add(keys.users_baseline, user, None, "JSON of counters", is_count=True)
        more = self.surplus_of(found.num_checkins, wanted, found.by_checkins, keys.users_by_checkins)
        difference = (key, "numCheckins", found.num_checkins, wanted, why)
        wanted += more
        count = self.compare_count(key, "numCheckins", found.num_checkins, wanted, why)
        tally.mark(place, 0 if count is None else count - loaded.num_checkins)
        self.compare_score(keys.users_by_checkins, user, found.by_checkins, wanted if self._against_stream else count)
        at, seen_at = self._last(user, place, found, loaded, tally, more, difference)
        self.compare_score(keys.users_recent, user, found.recent, at)
        if user not in self.reported and at is not None and seen_at is not None:
            self.compare_score(keys.users_last_seen, b"%016d:%013d:%d" % (seen_at, at, user), found.last_seen, 0)
        if found.email and keys.users_email not in self._unreadable and found.email_owner != b"%d" % user:
            self.wrong_emails.add(lower(found.email))
            self._differences.add(keys.users_email, lower(found.email), found.email_owner, user)

    def _missing_user(self, user: int, found: User, wanted: int | None, why: str, added: int) -> None:
        keys = self._keys
        if found.baseline is not None or added:
            self.reported.add(user)
            expected = "a user" if wanted is None else f"a user with numCheckins {wanted}"
            self._differences.add(
                keys.user(user), None, None, expected, why if wanted is not None else "", is_count=True
            )
            return
        for index, score in ((keys.users_by_checkins, found.by_checkins), (keys.users_recent, found.recent)):
            self.compare_score(index, user, score, None)

    def _removed_user(self, user: int, found: User, tally: UserTally) -> None:
        """Nothing may be left but what is remembered: the check-ins that were counted."""
        keys = self._keys
        self.compare_removed(keys.users_removed, user, found, tally)
        if found.id is not None or found.num_checkins is not None:
            self._differences.add(keys.user(user), None, "there", None, "it was removed")
        self.require_no_baseline(keys.users_baseline, user, found)
        for index, score in ((keys.users_by_checkins, found.by_checkins), (keys.users_recent, found.recent)):
            self.compare_score(index, user, score, None)

    def _last(
        self,
        user: int,
        place: int,
        found: User,
        loaded: UserBaseline,
        tally: UserTally,
        more: int,
        difference: tuple[Any, ...],
    ) -> tuple[int | None, int | None]:
        """Compare the last check-in; its time and location as they must be. `more`: check-ins beyond the stream."""
        key = self._keys.user(user)
        at, location, why = loaded.last_checkin, loaded.last_seen_at, "as loaded"
        if not self._against_stream:
            # they come together, and are numbers
            at, location, why = number_of(found.last_checkin), number_of(found.last_seen_at), "of both or none"
        elif tally.counts[place] and (at is None or tally.ms[place] >= at):
            at, location = tally.ms[place], tally.locations[place]
            is_gone = tally.sequences[place] == LAST_SEQUENCE
            why = "by an entry that is gone" if is_gone else f"by entry {at}-{tally.sequences[place]}"
        if more:
            there, seen_there = number_of(found.last_checkin), number_of(found.last_seen_at)
            is_later = there is not None and seen_there is not None and (there, seen_there) != (at, location)
            if is_later and (at is None or (there or 0) >= at):
                at, location = there, seen_there
                counted = UserBaseline(more, there, seen_there)
            else:
                counted = UserBaseline(more)
            self._surplus.user(user, counted, difference)
        for name, value, wanted in (
            ("lastCheckin", found.last_checkin, at),
            ("lastSeenAt", found.last_seen_at, location),
        ):
            if value != (None if wanted is None else b"%d" % wanted):
                self._differences.add(key, name, value, wanted, why)
                self.reported.add(user)
        if (at is None) != (location is None) and user not in self.reported:
            missing = "lastCheckin" if at is None else "lastSeenAt"
            self._differences.add(key, missing, None, "a number", why)
            self.reported.add(user)
        return at, location
