"""The auth service: signing in and out, and what is refused."""

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest

from auth_scene import EMAIL, PASSWORD, add_user, cookie_of, log_in, signed_in, with_user
from footfall.errors import ExitCode
from manage_scene import manage_locations, manage_users, new_location, new_user
from processes import Auth, Footfall
from raw_http import RawConnection, request
from servers import Server, wait_until


@pytest.fixture
def client(server: Server) -> Any:
    return with_user(server)


@pytest.fixture
def auth(server: Server, client: Any) -> Iterator[Auth]:
    with Auth(server.url, log_level="debug") as auth:
        yield auth


def password_checks(auth: Auth) -> int:
    """How many passwords bcrypt has looked at."""
    return int(counted(auth, "footfall_password_check_seconds_count"))


def counted(auth: Auth, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", auth.client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0


def session_key(cookie: str) -> str:
    """Where the session is that this Cookie header belongs to."""
    return f"ncc:session:{sha256(cookie.partition('=')[2].encode()).hexdigest()}"


def assert_refused(answer: Any, status: int) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "set-cookie" not in answer.headers
    document = answer.json()
    assert document["status"] == status
    return document


# ---------------------------------------------------------------- in and out


def test_who_signs_in_gets_a_cookie_that_scripts_and_other_sites_cannot_use(auth: Auth, client: Any) -> None:
    answer = log_in(auth)
    assert (answer.status_code, answer.json()) == (200, {"userId": 1})
    assert answer.headers["cache-control"] == "no-store"
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert re.fullmatch(r"footfall_session=[A-Za-z0-9_-]{43}", value)
    assert sorted(attributes) == ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Lax"]
    key = session_key(value)
    assert json.loads(client.get(key)) == {"userId": 1}
    assert 0 < client.pttl(key) <= 604_800_000
    assert client.smembers("ncc:usersessions:1") == {key.rpartition(":")[2]}
    assert 0 < client.pttl("ncc:usersessions:1") <= 604_800_000


def test_a_secure_cookie_is_a_setting(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, session_secure="true", session_ttl_s=60) as auth:
        answer = log_in(auth)
        assert answer.headers["set-cookie"].endswith("; HttpOnly; Max-Age=60; Path=/; SameSite=Lax; Secure")


def test_what_is_on_the_server_cannot_be_used_as_a_cookie(auth: Auth, client: Any) -> None:
    value = signed_in(auth).partition("=")[2]
    stored = "\n".join(f"{key} {client.dump(key)!r}" for key in client.scan_iter())
    assert value not in stored
    assert PASSWORD not in stored


def test_the_email_may_be_written_in_any_case(auth: Auth) -> None:
    for email in (EMAIL, EMAIL.upper(), EMAIL.lower()):
        assert log_in(auth, email).status_code == 200


def test_each_login_has_a_new_id_and_ends_the_session_that_was_sent_along(auth: Auth, client: Any) -> None:
    first, other = signed_in(auth), signed_in(auth)
    second = cookie_of(log_in(auth, Cookie=f"a=b; {first}"))
    assert len({first, other, second}) == 3
    assert [client.exists(session_key(cookie)) for cookie in (first, other, second)] == [0, 1, 1]
    assert client.scard("ncc:usersessions:1") == 2
    log_in(auth, password="wrong", Cookie=second)
    assert client.exists(session_key(second)), "who does not sign in loses nothing"


def test_a_session_id_that_was_chosen_by_somebody_else_is_not_taken(auth: Auth, client: Any) -> None:
    chosen = "footfall_session=" + "x" * 43
    assert cookie_of(log_in(auth, Cookie=chosen)) != chosen
    assert not client.exists(session_key(chosen))


def test_logout_ends_the_session_and_takes_the_cookie_away_however_often(auth: Auth, client: Any) -> None:
    cookie = signed_in(auth)
    for headers in ({"Cookie": cookie}, {"Cookie": cookie}, {"Cookie": "footfall_session=?"}, {}):
        answer = auth.client.post("/logout", headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["set-cookie"] == "footfall_session=; HttpOnly; Max-Age=0; Path=/; SameSite=Lax"
        assert not client.exists(session_key(cookie))
        assert not client.exists("ncc:usersessions:1")
    assert counted(auth, "footfall_logouts_total") == 4


def test_a_session_ends_when_it_is_not_used(server: Server, client: Any) -> None:
    with Auth(server.url, session_ttl_s=1) as auth:
        key = session_key(signed_in(auth))
        wait_until(lambda: not client.exists(key), "the session has ended", 3)
        wait_until(lambda: not client.exists("ncc:usersessions:1"), "so has the set of the user's sessions", 3)


# ---------------------------------------------------------------- what is refused


def test_a_wrong_password_and_an_unknown_email_look_alike_and_take_a_check_each(auth: Auth, client: Any) -> None:
    add_user(client, 2, "no-password@example.com", "x")
    client.hdel("ncc:users:2", "password")
    add_user(client, 3, "broken@example.com", "x")
    client.hset("ncc:users:3", "password", "not a hash")
    add_user(client, 4, "moved@example.com", "x")
    client.hset("ncc:users:4", "email", "elsewhere@example.com")
    client.hset("ncc:users:email", "gone@example.com", 5)
    client.hset("ncc:users:email", "broken-index@example.com", "?")
    client.set("ncc:users:6", "broken")
    client.hset("ncc:users:email", "broken-record@example.com", 6)
    attempts = [
        (EMAIL, "wrong"),
        (EMAIL, PASSWORD + "\0"),
        (EMAIL, "\0"),
        ("nobody@example.com", PASSWORD),
        ("*", PASSWORD),
        ("nobody\r\nX-A: b@example.com", "\x00' OR 1=1"),
        ("\U0001f600" * 255, "\U0001f600" * 1000),
        ("no-password@example.com", "x"),
        ("broken@example.com", "not a hash"),
        ("moved@example.com", "x"),
        ("gone@example.com", "x"),
        ("broken-index@example.com", "x"),
        ("broken-record@example.com", "x"),
    ]
    for number, (email, password) in enumerate(attempts, 1):
        document = assert_refused(log_in(auth, email, password), 401)
        del document["requestId"]
        assert document == {
            "type": "about:blank",
            "title": "Unauthorized",
            "status": 401,
            "detail": "the e-mail or the password is wrong",
        }
        assert password_checks(auth) == number
    assert counted(auth, 'footfall_logins_total{outcome="refused"}') == len(attempts)


def test_a_password_that_is_longer_than_bcrypt_takes_is_wrong_whatever_it_begins_with(auth: Auth, client: Any) -> None:
    add_user(client, 2, "long@example.com", "ü" * 36)
    assert log_in(auth, "long@example.com", "ü" * 36).status_code == 200
    assert_refused(log_in(auth, "long@example.com", "ü" * 36 + "a"), 401)
    assert password_checks(auth) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nope", 400),
        (b'{"email": "a", "password": "\xff"}', 400),
        (b'{"email": "a", "password": "\\ud800"}', 400),
        (b"[" * 5000, 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"email": "a"}', 422),
        (b'{"email": "a", "password": ""}', 422),
        (b'{"email": "", "password": "a"}', 422),
        (b'{"email": "a", "password": 5}', 422),
        (b'{"email": "a", "password": null}', 422),
        (b'{"email": ["a"], "password": "a"}', 422),
        (b'{"email": "a", "password": "a", "remember": true}', 422),
        (b'{"email": "a", "password": "%b"}' % (b"a" * 1001), 422),
        (b'{"email": "%b", "password": "a"}' % (b"a" * 256), 422),
        (b" " * 70_000, 413),
    ],
    ids=lambda value: repr(value[-40:]) if isinstance(value, bytes) else str(value),
)
def test_what_is_no_login_is_refused_without_a_check(auth: Auth, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    assert_refused(auth.client.post("/login", content=body, headers=headers), status)
    assert password_checks(auth) == 0


def test_a_form_of_another_site_is_refused(auth: Auth) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        body = json.dumps({"email": EMAIL, "password": PASSWORD})
        assert_refused(auth.client.post("/login", content=body, headers={"Content-Type": kind}), 415)


def test_a_password_that_changes_while_it_is_checked_begins_no_session(server: Server, client: Any) -> None:
    add_user(client, 2, "slow@example.com", "old", cost=13)
    with Auth(server.url) as auth, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(log_in, auth, "slow@example.com", "old")
        wait_until(lambda: client.exists(*client.keys("ncc:loginattempts:*") or ["-"]), "the attempt is counted")
        client.hset("ncc:users:2", "password", "another")
        assert_refused(answer.result(), 401)
        assert not client.keys("ncc:session:*")


def test_more_people_than_can_be_checked_are_told_to_come_back(server: Server, client: Any) -> None:
    add_user(client, 2, "slow@example.com", "right", cost=12)
    with Auth(server.url, login_per_address=1000, login_per_email=1000) as auth:
        connections = [RawConnection(auth.port) for _ in range(120)]
        body = json.dumps({"email": "slow@example.com", "password": "wrong"}).encode()
        for connection in connections:
            connection.send(request(body, path="/login"))
        wait_until(lambda: any(connection.has_received() for connection in connections), "somebody has an answer")
        early = [connection.read() for connection in connections if connection.has_received()]
        for connection in connections:
            connection.close()
        refused = [answer for answer in early if answer.status == 503]
        assert refused
        for answer in refused:
            assert 1 <= int(answer.headers["retry-after"]) <= 10
            assert answer.json()["detail"] == "too many people sign in at the moment"
        assert auth.client.get("/healthz").status_code == 200


def test_health_answers_while_passwords_are_checked(server: Server, client: Any) -> None:
    add_user(client, 2, "slow@example.com", "right", cost=13)
    with Auth(server.url) as auth, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(log_in, auth, "slow@example.com", "right")
        wait_until(lambda: counted(auth, "footfall_password_checks_waiting") == 1, "a password is being checked")
        with RawConnection(auth.port) as connection:
            connection.send(request(method="GET", path="/healthz"))
            assert connection.read().status == 200
        assert not answer.done()
        assert answer.result().status_code == 200


# ---------------------------------------------------------------- limits


def test_attempts_with_one_email_are_limited_whether_it_is_known_or_not(server: Server, client: Any) -> None:
    with Auth(server.url, login_per_email=3, login_window_s=60) as auth:
        for email in (EMAIL, "nobody@example.com"):
            for _ in range(3):
                assert_refused(log_in(auth, email, "wrong"), 401)
            for password in ("wrong", PASSWORD):
                answer = log_in(auth, email.upper(), password)
                assert assert_refused(answer, 429)["detail"] == "there were too many attempts to sign in"
                assert 55 <= int(answer.headers["retry-after"]) <= 60
        assert password_checks(auth) == 6
        assert counted(auth, 'footfall_logins_total{outcome="limited"}') == 4
    names = " ".join(client.keys("ncc:loginattempts:*"))
    assert "example" not in names.lower()
    assert all(client.pttl(name) > 0 for name in names.split())


def test_attempts_may_be_made_again_when_their_time_is_over(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, login_per_email=1, login_window_s=1) as auth:
        assert_refused(log_in(auth, password="wrong"), 401)
        assert_refused(log_in(auth), 429)
        wait_until(lambda: log_in(auth).status_code == 200, "the user can sign in again", 3)


def test_successes_do_not_count(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, login_per_email=2, login_per_address=2) as auth:
        assert_refused(log_in(auth, password="wrong"), 401)
        for _ in range(5):
            assert log_in(auth).status_code == 200


def test_attempts_at_the_same_time_are_counted_before_they_are_checked(server: Server, client: Any) -> None:
    add_user(client, 2, "slow@example.com", "right", cost=10)
    with Auth(server.url, login_per_email=5) as auth:
        barrier = threading.Barrier(20)

        def attempt() -> int:
            barrier.wait()
            body = {"email": "slow@example.com", "password": "wrong"}
            return auth.client.post("/login", json=body).status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = [future.result() for future in [pool.submit(attempt) for _ in range(20)]]
        assert sorted(statuses) == [401] * 5 + [429] * 15
        assert password_checks(auth) == 5


def test_attempts_from_one_address_are_limited_whatever_it_says_of_itself(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, login_per_address=2) as auth:
        for number in range(2):
            headers = {"X-Forwarded-For": f"192.0.2.{number}"}
            assert_refused(log_in(auth, f"{number}@example.com", "wrong", **headers), 401)
        assert_refused(log_in(auth, **{"X-Forwarded-For": "192.0.2.9"}), 429)


def test_behind_a_trusted_proxy_the_address_is_the_one_that_it_names(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, login_per_address=1, trusted_proxies="127.0.0.0/8, 10.0.0.0/8") as auth:
        first = {"X-Forwarded-For": "203.0.113.5, 192.0.2.1, 10.1.2.3"}
        assert_refused(log_in(auth, "a@example.com", "wrong", **first), 401)
        assert_refused(log_in(auth, "b@example.com", "wrong", **{"X-Forwarded-For": "192.0.2.1"}), 429)
        assert log_in(auth, **{"X-Forwarded-For": "192.0.2.2"}).status_code == 200


def test_a_count_that_is_broken_refuses_and_does_not_let_through(auth: Auth, client: Any) -> None:
    log_in(auth, password="wrong")
    for key in client.keys("ncc:loginattempts:*"):
        client.delete(key)
        client.lpush(key, "x")
    assert_refused(log_in(auth), 503)


# ---------------------------------------------------------------- running it


def test_the_service_says_whether_people_can_sign_in(own_server: Any) -> None:
    server = own_server()
    with_user(server)
    with Auth(server.url) as auth:
        assert auth.client.get("/readyz").json() == {"status": "ready"}
        assert auth.client.get("/docs").status_code == 200
        server.kill()
        answer = log_in(auth)
        assert_refused(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert auth.client.get("/readyz").status_code == 503
        assert auth.client.get("/healthz").json() == {"status": "alive"}


def test_the_openapi_document_knows_every_status(auth: Auth) -> None:
    document = auth.client.get("/schema/openapi.json").json()
    paths = document["paths"]
    assert set(paths["/login"]["post"]["responses"]) == {"200", "400", "401", "413", "415", "422", "429", "503"}
    assert set(paths["/logout"]["post"]["responses"]) == {"204", "503"}
    body = document["components"]["schemas"]["Login"]
    assert body["required"] == ["email", "password"]
    assert body["additionalProperties"] is False


def test_workers_count_attempts_and_outcomes_together(server: Server, client: Any) -> None:
    del client
    with Auth(server.url, auth_workers=2, login_per_email=4) as auth:
        statuses = []
        for _ in range(8):
            with RawConnection(auth.port) as connection:
                connection.send(request(json.dumps({"email": EMAIL, "password": "x"}).encode(), path="/login"))
                statuses.append(connection.read().status)
        assert statuses == [401] * 4 + [429] * 4
        assert counted(auth, 'footfall_logins_total{outcome="limited"}') == 4


def test_nothing_secret_is_in_an_answer_a_log_line_or_a_metric(auth: Auth, client: Any) -> None:
    add_user(client, 2, "other@example.com", "the other's password")
    hashes = [client.hget(f"ncc:users:{number}", "password") for number in (1, 2)]
    cookie = signed_in(auth)
    said = [
        log_in(auth, EMAIL, "guess-4711"),
        log_in(auth, "other@example.com", "guess-4711"),
        auth.client.post("/login", json={"email": "other@example.com", "password": ["guess-4711"]}),
        auth.client.post("/login", json={"email": "other@example.com", "password": "guess-4711" * 200}),
        auth.client.post("/login", content=b'{"email": "other@example.com", "password": "guess-4711"'),
        auth.client.post("/logout", headers={"Cookie": cookie}),
        auth.client.get("/metrics"),
        auth.client.get("/readyz"),
        auth.client.get("/nothing", headers={"Cookie": cookie}),
    ]
    client.delete("ncc:users:email")
    client.set("ncc:users:email", "broken")
    said.append(log_in(auth, "other@example.com", "guess-4711"))
    assert said[-1].status_code == 503
    text = auth.log + "".join(f"{answer.headers} {answer.text}" for answer in said)
    secrets = [cookie.partition("=")[2], PASSWORD, "guess-4711", "other@example.com", "the other's", *hashes]
    assert not [secret for secret in secrets if secret in text]


# ---------------------------------------------------------------- the sample


def test_a_user_of_the_sample_signs_in_only_where_the_data_is_the_sample(server: Server, tmp_path: Path) -> None:
    email, password = "sophia.marshall@example.com", "secret"
    with Footfall("load", "users", "--sample", settings={"redis_url": server.url}) as load:
        assert load.wait() == ExitCode.OK, load.log
    with Auth(server.url, login_per_email=1000, login_per_address=1000) as auth:
        assert log_in(auth, email, password).status_code == 200
        (tmp_path / "users.csv").write_text("id,firstName,lastName,email,password\n5001,A,B,a@example.com,secret\n")
        own = ["load", "users", "--from", str(tmp_path / "users.csv"), "--bcrypt-cost", "4"]
        with Footfall(*own, settings={"redis_url": server.url}) as load:
            assert load.wait() == ExitCode.OK, load.log
        refused = log_in(auth, email, password)
        assert (refused.status_code, refused.json()["detail"]) == (401, "the e-mail or the password is wrong")
        assert "A user of the sample was kept from signing in" in auth.log
        assert email not in auth.log
        assert log_in(auth, "a@example.com", "secret").status_code == 200, "one's own users may have any password"


@pytest.mark.parametrize("kind", ["user", "location"])
def test_with_a_record_of_ones_own_the_data_is_not_the_sample_until_it_is_removed(server: Server, kind: str) -> None:
    with_user(server)
    client = server.client()

    def sample_after(what: Literal["add", "remove"], record_id: int) -> Any:
        if kind == "user":
            record: Any = new_user(record_id) if what == "add" else record_id
            manage_users(server, lambda users: getattr(users, what)(record))
        else:
            record = new_location(record_id) if what == "add" else record_id
            manage_locations(server, lambda locations: getattr(locations, what)(record))
        return client.hget("ncc:meta", "sample")

    client.hset("ncc:meta", "sample", "1")
    assert sample_after("add", 7) == f"{kind} 7"
    assert sample_after("remove", 7) == "1"
    assert sample_after("add", 8) == f"{kind} 8"
    assert sample_after("add", 9) is None
    assert sample_after("remove", 8) is None
    assert sample_after("remove", 9) is None, "whether others were there is not known any more"


def test_with_one_user_of_ones_own_users_of_the_sample_do_not_sign_in(server: Server) -> None:
    email = "sophia.marshall@example.com"
    with_user(server, 180, email, "secret")
    with Auth(server.url) as auth:
        for mark, status in (("1", 200), ("user 7", 401), ("1", 200)):
            server.client().hset("ncc:meta", "sample", mark)
            assert log_in(auth, email, "secret").status_code == status
