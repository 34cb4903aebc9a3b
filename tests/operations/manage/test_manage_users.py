"""Managing users: record and indexes change together or not at all, and counters never do."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import bcrypt
import pytest
from msgspec import UNSET

from audit_scene import E1, assert_sound, prepare, process
from chaos.replay import raw_client
from chaos.scene import add
from footfall.domain.documents import UserChange
from footfall.errors import ConflictError, InvalidError
from footfall.operations.manage.users import Users
from manage_scene import KEYS, dump, manage_users, mentions, new_user
from servers import Server


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client of a small system: users 1 to 40, of whom 1 has two check-ins and 2 one."""
    client = raw_client(server.port)
    prepare(server, client)
    yield client
    client.close()


def change(server: Server, user: int, **values: Any) -> None:
    manage_users(server, lambda users: users.change(user, UserChange(**values)))


def remove(server: Server, user: int) -> int:
    return manage_users(server, lambda users: users.remove(user))


def add_user(server: Server, user: int, **values: Any) -> None:
    manage_users(server, lambda users: users.add(new_user(user, **values)))


def sign_in(client: Any, user: int, *digests: str) -> None:
    for digest in digests:
        client.set(KEYS.session(digest), f'{{"userId":{user}}}')
        client.sadd(KEYS.user_sessions(user), digest)


# ---------------------------------------------------------------- adding


def test_an_added_user_can_check_in_and_is_sound(server: Server, client: Any) -> None:
    add_user(server, 500, email="Mira@Example.com")
    record = client.hgetall(KEYS.user(500))
    assert bcrypt.checkpw(b"correct horse", record.pop(b"password"))
    assert record == {
        b"id": b"500",
        b"firstName": b"Mira",
        b"lastName": b"Okafor",
        b"email": b"Mira@Example.com",
        b"numCheckins": b"0",
    }
    assert client.hget(KEYS.users_email, "mira@example.com") == b"500"
    assert_sound(client)
    add(client, 500, 2, 5)
    process(server)
    assert client.hget(KEYS.user(500), "numCheckins") == b"1"
    assert_sound(client)


def test_a_user_whom_check_ins_made_is_filled_in_and_keeps_what_was_counted(server: Server, client: Any) -> None:
    add(client, 500, 2, 5)
    process(server, create=True)
    before = client.hgetall(KEYS.user(500))
    with pytest.raises(ConflictError, match="nobody has added this user"):
        change(server, 500, first_name="Ana")
    add_user(server, 500)
    record = client.hgetall(KEYS.user(500))
    assert before.items() <= record.items()
    assert record[b"firstName"] == b"Mira"
    assert client.hget(KEYS.users_baseline, 500) == b'{"numCheckins":0}'
    assert_sound(client)


def test_the_email_of_another_user_is_refused(server: Server, client: Any) -> None:
    before = dump(client)
    with pytest.raises(ConflictError, match="another user has this e-mail"):
        add_user(server, 500, email="USER2@example.com")
    with pytest.raises(ConflictError, match="another user has this e-mail"):
        change(server, 1, email="User2@example.com")
    assert dump(client) == before


def test_the_email_of_a_removed_user_is_free(server: Server, client: Any) -> None:
    remove(server, 2)
    add_user(server, 500, email="user2@example.com")
    assert_sound(client)


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("$2b$04$NFfLk/9a/dTNmGLZCgbyzuEH/5m8K52mvNWKfXy3Y3z6F6hhVS2Km", "password: is a bcrypt hash"),
        ("ä" * 37, "password: is longer than the 72 bytes"),
    ],
)
def test_what_cannot_be_hashed_is_no_password(server: Server, client: Any, password: str, message: str) -> None:
    before = dump(client)
    with pytest.raises(InvalidError, match=message) as error:
        add_user(server, 500, password=password)
    assert password not in str(error.value)
    with pytest.raises(InvalidError, match=message):
        change(server, 1, password=password)
    assert dump(client) == before


# ---------------------------------------------------------------- changing


def test_a_change_moves_the_email_and_no_counter(server: Server, client: Any) -> None:
    before = client.hgetall(KEYS.user(1))
    change(server, 1, last_name="Lindqvist", email="Nova@Example.com")
    record = client.hgetall(KEYS.user(1))
    assert record == before | {b"lastName": b"Lindqvist", b"email": b"Nova@Example.com"}
    assert client.hget(KEYS.users_email, "nova@example.com") == b"1"
    assert not client.hexists(KEYS.users_email, "user1@example.com")
    assert_sound(client)
    change(server, 1, email="NOVA@example.com")
    assert_sound(client)
    change(server, 1)
    assert client.hgetall(KEYS.user(1)) == record | {b"email": b"NOVA@example.com"}


def test_a_new_password_ends_the_users_sessions_and_no_others(server: Server, client: Any) -> None:
    sign_in(client, 1, "a", "b")
    sign_in(client, 2, "c")
    change(server, 1, first_name="Ana", email="ana@example.com")
    assert client.exists(*map(KEYS.session, "abc")) == 3
    change(server, 1, password="battery staple")
    assert client.exists(KEYS.session("a"), KEYS.session("b"), KEYS.user_sessions(1)) == 0
    assert client.exists(KEYS.session("c"), KEYS.user_sessions(2)) == 2
    assert bcrypt.checkpw(b"battery staple", client.hget(KEYS.user(1), "password"))


# ---------------------------------------------------------------- removing


def test_of_a_removed_user_only_is_kept_how_much_was_counted(server: Server, client: Any) -> None:
    sign_in(client, 1, "a", "b")
    client.rpush(KEYS.user_history(1), f"{E1} 2 5")
    locations = {location: client.hgetall(KEYS.location(location)) for location in (2, 3)}
    assert remove(server, 1) == 2
    assert mentions(client, 1) == {KEYS.users_removed, b"ncc:locations:1"} | mentions_of_location_1(client)
    assert client.hgetall(KEYS.users_removed) == {b"1": b'{"numCheckins":2}'}
    assert client.exists(KEYS.session("a"), KEYS.session("b"), KEYS.user_sessions(1), KEYS.user_history(1)) == 0
    assert {location: client.hgetall(KEYS.location(location)) for location in (2, 3)} == locations
    assert_sound(client)


def mentions_of_location_1(client: Any) -> set[bytes]:
    return {key for key in mentions(client, 1) if key.startswith(b"ncc:locations")}


def test_a_user_with_thousands_of_sessions_can_be_removed(server: Server, client: Any) -> None:
    digests = [f"s{number}" for number in range(9000)]
    client.mset({KEYS.session(digest): "{}" for digest in digests})
    client.sadd(KEYS.user_sessions(1), *digests)
    change(server, 1, password="battery staple")
    client.mset({KEYS.session(digest): "{}" for digest in digests})
    client.sadd(KEYS.user_sessions(1), *digests)
    remove(server, 1)
    assert client.exists(*map(KEYS.session, digests)) == 0


# ---------------------------------------------------------------- others at the same time


@pytest.mark.parametrize(
    "work", [partial(change, email="nova@example.com", password="battery staple"), remove], ids=["change", "remove"]
)
def test_what_changes_between_reading_and_writing_is_read_again(
    server: Server, client: Any, work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Users._read
    meanwhile: list[Callable[[], object]] = [
        lambda: sign_in(client, 1, "a"),
        lambda: client.hset(KEYS.user(1), "email", "Other@example.com"),
        lambda: client.srem(KEYS.user_sessions(1), "a"),
        lambda: None,
    ]

    async def outdated(self: Users, user_id: int) -> Any:
        found = await read(self, user_id)
        meanwhile.pop(0)()
        return found

    client.hdel(KEYS.users_email, "user1@example.com")
    client.hset(KEYS.users_email, "other@example.com", 1)
    monkeypatch.setattr(Users, "_read", outdated)
    work(server, 1)
    assert meanwhile == []
    client.delete(KEYS.session("a"))
    assert not client.hexists(KEYS.users_email, "other@example.com")
    assert_sound(client)


def test_a_field_that_is_not_given_is_not_there() -> None:
    assert UserChange().first_name is UNSET
