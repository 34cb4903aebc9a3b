"""Limits of attempts to sign in: guesses have an end, and nobody is kept out by the guesses of others."""

import asyncio
import threading
from typing import Any

import pytest

from auth_scene import EMAIL, PASSWORD, add_user, cookie_of, log_in, signed_in, with_user
from footfall.auth.check_passwords import Passwords
from footfall.auth.limits import SPREAD
from footfall.auth.metrics import Metrics
from footfall.domain.bcrypt_threads import BcryptThreads
from footfall.errors import OverloadedError
from processes import Auth
from servers import Server

_GUESSER, _OWNER = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
_BEHIND: dict[str, Any] = {"trusted_proxies": "127.0.0.0/8"}


@pytest.fixture
def client(server: Server) -> Any:
    return with_user(server)


def statuses(auth: Auth, count: int, password: str = "wrong", **headers: str) -> list[int]:
    return [log_in(auth, EMAIL, password, **headers).status_code for _ in range(count)]


def test_who_guesses_elsewhere_keeps_the_owner_not_out(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, login_per_email=3, **_BEHIND) as auth:
        assert statuses(auth, 4, **_GUESSER) == [401, 401, 401, 429]
        assert statuses(auth, 1, PASSWORD, **_GUESSER) == [429]
        assert statuses(auth, 1, PASSWORD, **_OWNER) == [200]
        assert statuses(auth, 3, **_OWNER) == [401, 401, 401], "what was right has given nothing to guess with"
        assert statuses(auth, 1, **_OWNER) == [429]


def test_guesses_that_are_spread_over_many_addresses_have_an_end(server: Server, client: Any) -> None:
    add_user(client, 2, "other@example.com", "x")
    with Auth(server.url, login_per_email=1, **_BEHIND) as auth:
        spread = [statuses(auth, 1, **{"X-Forwarded-For": f"198.51.100.{n}"})[0] for n in range(SPREAD + 3)]
        assert spread == [401] * SPREAD + [429] * 3
        assert log_in(auth, "other@example.com", "x", **_OWNER).status_code == 200


def test_one_who_is_signed_in_can_sign_in_again_whatever_others_do(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, login_per_email=2, login_per_address=2, **_BEHIND) as auth:
        cookie = signed_in(auth)
        assert statuses(auth, 3, **_OWNER) == [401, 401, 429], "from the same address, too"
        answer = log_in(auth, **_OWNER, Cookie=cookie)
        assert answer.status_code == 200
        again = cookie_of(answer)
        assert statuses(auth, 1, PASSWORD, **_OWNER, Cookie=cookie) == [429], "that session has ended"
        assert statuses(auth, 3, **_OWNER, Cookie=again) == [401, 401, 429], "nor does a session guess without end"
        assert statuses(auth, 1, PASSWORD, **_OWNER, Cookie="footfall_session=" + "x" * 43) == [429]


def test_a_session_of_another_user_is_no_way_around(server: Server, client: Any) -> None:
    add_user(client, 2, "other@example.com", "x")
    with Auth(server.url, login_per_email=2, **_BEHIND) as auth:
        other = signed_in(auth, "other@example.com", "x")
        assert statuses(auth, 3, **_OWNER, Cookie=other) == [401, 401, 429]


def test_no_email_counts_for_another_one(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, login_per_email=1, login_per_address=1000, **_BEHIND) as auth:
        low = EMAIL.lower()
        for email in (f"192.0.2.2 {low}", f"both 192.0.2.2 {low}", f"{low} 192.0.2.2", f"email {low}"):
            for _ in range(2):
                log_in(auth, email, "wrong", **_GUESSER)
        assert statuses(auth, 1, PASSWORD, **_OWNER) == [200]


class _Held(Passwords):
    """Passwords whose checks last until they are let go, and then say that they have lasted for `lasted` seconds."""

    def __init__(self, lasted: float) -> None:
        super().__init__(Metrics(), 12, BcryptThreads(1))
        self.lasted, self.go_on = lasted, threading.Event()

    def _check(self, clear: bytes, against: bytes) -> tuple[bool, float]:
        del clear, against
        self.go_on.wait()
        return False, self.lasted


@pytest.mark.parametrize(("lasted", "most"), [(0.001, 17), (1.0, 3), (10.0, 1)])
def test_nobody_waits_for_longer_than_two_seconds_for_the_turn(lasted: float, most: int) -> None:
    async def work() -> None:
        passwords = _Held(lasted)
        passwords.go_on.set()
        for _ in range(30):  # it learns how long they last
            await passwords.check("x", None)
        passwords.go_on.clear()
        checks = [asyncio.create_task(passwords.check("x", None)) for _ in range(most)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as refused:
            await passwords.check("x", None)
        assert refused.value.retry_after == max(1, round(most * lasted))
        passwords.go_on.set()
        await asyncio.gather(*checks)
        await passwords.check("x", None)
        passwords.close()

    asyncio.run(work())
