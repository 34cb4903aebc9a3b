"""Who may post what, while sign-in is on: sessions and tokens, on both paths."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from auth_scene import add_user, new_token, signed_in, with_user
from footfall import config
from footfall.identity import tokens
from footfall.identity.identities import KNOWN_S
from footfall.keys import Keys
from footfall.store.client import connect
from processes import AsgiReceiver, Auth, FastReceiver, Receiver
from raw_http import Answer, RawConnection, request
from receiver_scene import GOOD, ask, assert_problem
from servers import Server, wait_until

Make = Callable[..., Receiver]
NOBODY = "this needs a session (sign in) or a token (`Authorization: Bearer ...`)"
ANOTHERS = "the check-in is another user's than the session"


@pytest.fixture
def client(server: Server) -> Any:
    client = with_user(server)
    client.hset("ncc:users:7", "id", 7)
    return client


@pytest.fixture
def auth(server: Server, client: Any) -> Iterator[Auth]:
    del client
    with Auth(server.url) as auth:
        yield auth


@pytest.fixture(params=[FastReceiver, AsgiReceiver], ids=["fast path", "other path"])
def receiver(request: pytest.FixtureRequest, server: Server, client: Any) -> Iterator[Receiver]:
    del client
    with request.param(server.url, auth="true", log_level="debug") as receiver:
        yield receiver


def post(receiver: Receiver, user: int = 1, path: str = "/api/checkin", stars: int = 3, **headers: str) -> Answer:
    """The answer to a check-in with these headers; `idempotency_key` for `Idempotency-Key`."""
    body = b'{"userId":%d,"locationId":2,"starRating":%d}' % (user, stars)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(receiver, request(body, path=path, headers=given))


def stored_users(client: Any) -> list[int]:
    return [int(fields["userId"]) for _, fields in client.xrange("ncc:checkins")]


def revoke(server: Server, name: str) -> None:
    with connect(server.url, config.load().server) as client:
        tokens.revoke(client, Keys("ncc"), name)


# ---------------------------------------------------------------- sessions


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cookie": "footfall_session="},
        {"Cookie": "footfall_session=" + "x" * 43},
        {"Cookie": "footfall_session=" + "x" * 42},
        {"Cookie": "footfall_session=\u00e9*?[]" + "x" * 38},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer ff_" + "x" * 43},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "ff_" + "x" * 43},
        {"Authorization": ""},
    ],
    ids=repr,
)
def test_nobody_may_post(receiver: Receiver, client: Any, headers: dict[str, str]) -> None:
    with RawConnection(receiver.port) as connection:
        connection.send(request(GOOD, headers=headers))
        answer = connection.read()
    assert assert_problem(answer, 401)["detail"] == NOBODY
    assert answer.headers["www-authenticate"] == "Bearer"
    assert stored_users(client) == []


def test_who_is_signed_in_posts_own_check_ins_and_no_others(receiver: Receiver, auth: Auth, client: Any) -> None:
    cookie = signed_in(auth)
    for given in (cookie, f"theme=dark; {cookie}", f"{cookie};a=b", f"x_footfall_session=1;  {cookie} "):
        assert post(receiver, 1, cookie=given).status == 202
        answer = post(receiver, 7, cookie=given)
        assert (answer.status, answer.json()["detail"]) == (403, ANOTHERS)
    assert stored_users(client) == [1] * 4
    unknown = post(receiver, 99, cookie=cookie)
    assert unknown.status == 403, "nobody can find out who exists"


def test_the_cookie_does_not_count_beside_an_authorization(receiver: Receiver, auth: Auth) -> None:
    assert post(receiver, cookie=signed_in(auth), authorization="Bearer ff_" + "x" * 43).status == 401


def test_two_credentials_of_a_kind_are_none_or_the_first(receiver: Receiver, auth: Auth, server: Server) -> None:
    cookie, token = signed_in(auth), new_token(server)
    other = "footfall_session=" + "x" * 43
    assert post(receiver, cookie=f"{cookie}; {other}").status == 202
    assert post(receiver, cookie=f"{other}; {cookie}").status == 401
    with RawConnection(receiver.port) as connection:
        lines = f"Authorization: {token}\r\nAuthorization: {token}\r\nHost:"
        connection.send(request(GOOD, path="/api/checkin?").replace(b"Host:", lines.encode()))
        assert connection.read().status in (401, 500)


def test_sessions_that_share_a_connection_are_told_apart(receiver: Receiver, auth: Auth, client: Any) -> None:
    add_user(client, 7, "seven@example.com", "x")
    own = {1: signed_in(auth), 7: signed_in(auth, "seven@example.com", "x")}
    nobodys = ["footfall_session=" + "x" * 43, "footfall_session=" + "*" * 43, "footfall_session=" + "x" * 42 + ";"]
    expected = []
    with RawConnection(receiver.port) as connection:
        for cookie in ("{}", "theme=dark; {}", "{};a=b", "{}; footfall_session=" + "x" * 43):
            for sender, user in [(1, 1), (7, 7), (1, 7), (7, 1), (0, 1), (1, 1), (7, 7)]:
                for given in [own[sender]] if sender else nobodys:
                    body = b'{"userId":%d,"locationId":2,"starRating":3}' % user
                    connection.send(request(body, headers={"Cookie": cookie.format(given)}))
                    status = 401 if sender == 0 else 202 if sender == user else 403
                    assert connection.read().status == status, (cookie, sender, user)
                expected += [user] * (sender == user)
    assert stored_users(client) == expected


def test_a_logout_takes_effect_within_its_bound(receiver: Receiver, auth: Auth) -> None:
    cookie = signed_in(auth)
    assert post(receiver, cookie=cookie).status == 202
    auth.client.post("/logout", headers={"Cookie": cookie})
    ended = time.monotonic()
    wait_until(lambda: post(receiver, cookie=cookie).status == 401, "the session is not known any more", 5)
    assert time.monotonic() - ended < KNOWN_S + 1


def test_a_check_in_keeps_the_session_alive(server: Server, client: Any) -> None:
    with (
        Auth(server.url, session_ttl_s=60) as auth,
        FastReceiver(server.url, auth="true", session_ttl_s=60) as receiver,
    ):
        cookie = signed_in(auth)
        key = client.keys("ncc:session:*")[0]
        client.pexpire(key, 50_000)
        client.pexpire("ncc:usersessions:1", 50_000)
        assert post(receiver, cookie=cookie).status == 202
        assert client.pttl(key) > 58_000
        assert client.pttl("ncc:usersessions:1") > 58_000


def test_a_known_session_costs_the_server_nothing(auth: Auth, server: Server, client: Any) -> None:
    with FastReceiver(server.url, auth="true") as receiver:
        cookie = signed_in(auth)
        post(receiver, cookie=cookie)
        client.config_resetstat()
        began = time.monotonic()
        posted = 0
        while time.monotonic() - began < 1:
            assert post(receiver, cookie=cookie).status == 202
            posted += 1
        asked = client.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]
        # each call of receive.lua asks, too, for the number of processed entries
        calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        assert posted >= 10
        assert asked - calls <= 1


def test_many_who_ask_at_once_are_one_question(auth: Auth, server: Server, client: Any) -> None:
    with FastReceiver(server.url, auth="true") as receiver:
        cookie = signed_in(auth)
        connections = [RawConnection(receiver.port) for _ in range(20)]
        for connection in connections:  # each is there before the server can answer
            connection.send(request(b"x", headers={"Content-Type": "text/plain"}))
            connection.read()
        client.config_resetstat()
        server.pause()
        for connection in connections:
            connection.send(request(GOOD, headers={"Cookie": cookie}))
        with RawConnection(receiver.port) as last:  # by then, all have been read
            last.send(request(method="GET", path="/healthz"))
            last.read()
        server.resume()
        assert [connection.read().status for connection in connections] == [202] * 20
        assert client.info("commandstats")["cmdstat_pttl"]["calls"] == 1
        for connection in connections:
            connection.close()


# ---------------------------------------------------------------- batches


def test_of_a_batch_only_own_check_ins_are_stored(server: Server, auth: Auth, client: Any) -> None:
    with Receiver(server.url, auth="true") as receiver:
        headers = {"Cookie": signed_in(auth)}
        rows: list[Any] = [{"userId": user, "locationId": 2, "starRating": 3} for user in (1, 7, 1, 99)] + [{}]
        answer = receiver.client.post("/api/checkins", json=rows, headers=headers)
        assert answer.status_code == 202
        assert answer.json()["accepted"] == 2
        assert [(item["index"], item["status"]) for item in answer.json()["rejected"]] == [(1, 403), (3, 403), (4, 422)]
        assert answer.json()["rejected"][0]["detail"] == ANOTHERS
        assert stored_users(client) == [1, 1]
        assert receiver.client.post("/api/checkins", json=rows).status_code == 401
        assert receiver.client.post("/api/checkins", json=[rows[1]], headers=headers).json()["accepted"] == 0
        token = {"Authorization": new_token(server)}
        assert receiver.client.post("/api/checkins", json=rows[:3], headers=token).json()["accepted"] == 3
        metrics = receiver.client.get("/metrics").text
        assert 'footfall_checkins_refused_total{reason="forbidden"} 3.0' in metrics
        assert 'footfall_checkins_refused_total{reason="unauthorized"}' in metrics


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize("role", ["checkin", "admin"])
def test_a_token_posts_for_anybody(receiver: Receiver, server: Server, client: Any, role: Any) -> None:
    token = new_token(server, role=role)
    for given in (token, token.replace("Bearer", "bEARER"), token.replace(" ", "  ")):
        for user in (1, 7):
            answer = post(receiver, user, authorization=given)
            assert answer.status == 202
            assert not [name for name in answer.headers if name.startswith("ratelimit")]
    assert post(receiver, 99, authorization=token).status == 404
    assert stored_users(client) == [1, 7] * 3


def test_a_revoked_token_is_refused_within_its_bound(receiver: Receiver, server: Server) -> None:
    token = new_token(server)
    assert post(receiver, authorization=token).status == 202
    revoke(server, "till")
    ended = time.monotonic()
    wait_until(lambda: post(receiver, authorization=token).status == 401, "the token is not known any more", 5)
    assert time.monotonic() - ended < KNOWN_S + 1


def test_a_key_of_one_is_not_a_key_of_another(receiver: Receiver, auth: Auth, server: Server, client: Any) -> None:
    cookie, first, second = signed_in(auth), new_token(server, "a"), new_token(server, "b")
    senders: list[dict[str, Any]] = [{"cookie": cookie}, {"authorization": first}, {"authorization": second}]
    ids = [post(receiver, idempotency_key="k", **sender).json()["id"] for sender in senders]
    assert len(set(ids)) == 3
    for sender, entry_id in zip(senders, ids, strict=True):
        answer = post(receiver, idempotency_key="k", **sender)
        assert (answer.json()["id"], answer.headers["idempotent-replayed"]) == (entry_id, "true")
    assert post(receiver, stars=1, idempotency_key="k", cookie=cookie).status == 422
    assert sorted(client.keys("ncc:idempotency*")) == [
        "ncc:idempotency-of:token-a:k",
        "ncc:idempotency-of:token-b:k",
        "ncc:idempotency-of:user-1:k",
    ]


# ---------------------------------------------------------------- rates


def test_a_token_posts_no_more_than_its_rate(receiver: Receiver, server: Server, client: Any) -> None:
    token = new_token(server, rate=5)
    began = time.monotonic()
    answers = [post(receiver, authorization=token) for _ in range(60)]
    seconds = time.monotonic() - began
    accepted = [answer for answer in answers if answer.status == 202]
    assert 5 <= len(accepted) <= 5 * (int(seconds) + 2)
    assert len(stored_users(client)) == len(accepted)
    limited = [answer for answer in answers if answer.status == 429]
    assert len(accepted) + len(limited) == 60
    for answer in answers:
        assert answer.headers["ratelimit-policy"] == '"check-ins";q=5;w=1'
    first = [answer.headers["ratelimit"] for answer in answers[:5]]
    assert first == [f'"check-ins";r={left};t=1' for left in (4, 3, 2, 1, 0)] or seconds > 0.5
    assert limited
    for answer in limited:
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["ratelimit"] == '"check-ins";r=0;t=1'
        assert answer.json()["detail"] == "this token may post 5 check-ins a second"
    wait_until(lambda: post(receiver, authorization=token).status == 202, "there is more in the next second", 3)


def test_a_rate_holds_over_all_receivers(server: Server, client: Any) -> None:
    token = new_token(server, rate=40)
    with Receiver(server.url, auth="true", receiver_workers=2) as first, Receiver(server.url, auth="true") as second:
        connections = [RawConnection(receiver.port) for receiver in (first, second) for _ in range(6)]
        began = time.monotonic()
        statuses = []
        while time.monotonic() - began < 3:
            for connection in connections:
                connection.send(request(GOOD, headers={"Authorization": token}))
            statuses += [connection.read().status for connection in connections]
        seconds = time.monotonic() - began
        for connection in connections:
            connection.close()
    assert set(statuses) == {202, 429}
    accepted = statuses.count(202)
    assert accepted == len(stored_users(client))
    # whole seconds of the server's clock, and the two that were begun and not ended
    assert 40 * (int(seconds) - 1) * 0.8 <= accepted <= 40 * (int(seconds) + 2)


def test_most_check_ins_of_a_token_with_a_rate_need_no_question(server: Server, client: Any) -> None:
    token = new_token(server, rate=1000)
    with FastReceiver(server.url, auth="true") as receiver:
        assert post(receiver, authorization=token).status == 202
        client.config_resetstat()
        began = time.monotonic()
        for _ in range(100):
            assert post(receiver, authorization=token).status == 202
        assert time.monotonic() - began < 3
        times = client.info("commandstats").get("cmdstat_time", {"calls": 0})["calls"]
        assert times <= 8, "each call of the script that gives shares reads the time"


def test_a_batch_takes_as_much_of_a_rate_as_it_has_check_ins(server: Server, client: Any) -> None:
    token = {"Authorization": new_token(server, rate=10)}
    row = {"userId": 1, "locationId": 2, "starRating": 3}
    with Receiver(server.url, auth="true") as receiver:

        def post_batch(size: int) -> httpx.Response:
            return receiver.client.post("/api/checkins", json=[row] * size, headers=token)

        assert post_batch(10).headers["ratelimit"] == '"check-ins";r=0;t=1'
        wait_until(lambda: post_batch(10).status_code == 202, "there is more in the next second", 3)
        assert post_batch(11).status_code == 413
        assert post_batch(11).json()["detail"] == "this token may post 10 check-ins a second, and no more at once"
        assert len(stored_users(client)) == 20
        refused = [post_batch(7).status_code for _ in range(2)]
        assert 429 in refused or refused == [202, 202]


# ---------------------------------------------------------------- faults


def test_a_server_that_is_away_is_no_refusal(own_server: Any) -> None:
    server = own_server(appendonly=True)
    client = with_user(server)
    client.close()
    token = new_token(server)
    with FastReceiver(server.url, auth="true") as receiver:
        assert post(receiver, authorization=token).status == 202
        server.kill()
        answers = [post(receiver, authorization=given) for given in (token, "Bearer ff_" + "x" * 43)]
        assert [answer.status for answer in answers] == [503, 503]
        assert all(answer.headers["retry-after"] == "1" for answer in answers)
        server.start()
        wait_until(lambda: post(receiver, authorization=token).status == 202, "it is taken again")


def test_broken_keys_are_503_and_nothing_is_stored(receiver: Receiver, auth: Auth, server: Server, client: Any) -> None:
    cookie, token, limited = signed_in(auth), new_token(server), new_token(server, "slow", rate=5)
    for key in client.keys("ncc:session:*"):
        client.set(key, "?")
    assert post(receiver, cookie=cookie).status == 503
    for key in client.keys("ncc:session:*"):
        client.delete(key)
        client.lpush(key, "?")
    assert post(receiver, cookie=cookie).status == 503
    [digest] = [name for name, value in client.hgetall("ncc:tokens").items() if json.loads(value)["name"] == "slow"]
    client.lpush(f"ncc:tokenquota:{digest}", "?")
    assert post(receiver, authorization=limited).status == 503
    client.hset("ncc:tokens", digest, "?")
    other = new_token_after_repair(client, server, digest)
    client.delete("ncc:tokens")
    client.set("ncc:tokens", "?")
    assert [post(receiver, authorization=given).status for given in (token, other)] == [503, 503]
    assert stored_users(client) == []


def new_token_after_repair(client: Any, server: Server, digest: str) -> str:
    """A new token, which cannot be made while one of them is broken."""
    client.hdel("ncc:tokens", digest)
    return new_token(server, "late")


def test_nothing_secret_is_in_an_answer_a_log_line_or_a_metric(
    receiver: Receiver, auth: Auth, server: Server, client: Any
) -> None:
    add_user(client, 2, "other@example.com", "x")
    cookie, token = signed_in(auth), new_token(server, rate=5)
    said = [
        *(post(receiver, user, cookie=cookie) for user in (1, 2, 99)),
        *(post(receiver, user, authorization=token) for user in (1, 2, 99)),
        post(receiver, authorization=token + "x"),
        post(receiver, authorization=token, path="/nothing"),
        ask(receiver, request(method="GET", path="/metrics")),
        ask(receiver, request(method="GET", path="/readyz")),
    ]
    client.delete("ncc:tokens")
    client.set("ncc:tokens", "broken")
    said.append(post(receiver, authorization=new_looking_token()))
    text = receiver.log + auth.log + "".join(f"{answer}" for answer in said)
    digests = [key.rpartition(":")[2] for key in client.keys("ncc:session:*")]
    secrets = [cookie.partition("=")[2], token.partition(" ")[2], "other@example.com", "$2b$", *digests]
    assert not [secret for secret in secrets if secret in text]


def new_looking_token() -> str:
    return "Bearer ff_" + "y" * 43
