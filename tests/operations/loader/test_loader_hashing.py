"""Hashing clear passwords: on all processors, in order, with a word before on how long it takes."""

import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import msgspec
import pytest

from footfall.domain.bcrypt_threads import processors
from footfall.operations.loader import Loaded, hashing
from footfall.operations.loader.hashing import Hasher
from loader_scene import HASH, KEYS, Bench, user
from processes import Footfall
from servers import Server, wait_until


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Iterator[Bench]:
    with Bench(server, tmp_path) as bench:
        yield bench


@pytest.fixture
def with_processors(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let there be so many processors for this process."""

    def be(count: int) -> None:
        monkeypatch.setattr(hashing, "processors", lambda: count)

    return be


def test_as_many_threads_hash_at_once_as_there_are_processors(
    monkeypatch: pytest.MonkeyPatch, with_processors: Callable[[int], None]
) -> None:
    with_processors(3)
    together = threading.Barrier(3)
    at_once, most = 0, 0
    lock = threading.Lock()

    def hashpw(password: bytes, salt: bytes) -> bytes:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        together.wait(30)  # a hash ends when three are under way
        with lock:
            at_once -= 1
        return password + salt[:0]

    monkeypatch.setattr(bcrypt, "hashpw", hashpw)
    passwords = [str(number) for number in range(30)]
    with Hasher(4) as hasher:
        assert list(hasher.hash_all(passwords)) == [password.encode() for password in passwords]
    assert most == 3


def test_only_processors_that_this_process_may_use_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {5, 7, 8}, raising=False)
    assert processors() == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS has none
    assert processors() == os.cpu_count()


def test_hashes_come_in_order_and_those_in_the_file_are_kept() -> None:
    passwords = [HASH if number % 3 == 0 else f"secret {number}" for number in range(50)]
    with Hasher(4) as hasher:
        hashes = list(hasher.hash_all(passwords))
    assert len(set(hashes)) == 34, "each clear password has a salt of its own"
    for password, hashed in zip(passwords, hashes, strict=True):
        assert hashed.decode() == password if password == HASH else bcrypt.checkpw(password.encode(), hashed)


def test_only_a_few_passwords_are_taken_ahead_of_those_that_are_wanted(with_processors: Callable[[int], None]) -> None:
    with_processors(2)
    taken = 0

    def passwords() -> Iterator[str]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield f"secret {number}"

    with Hasher(4) as hasher:
        hashes = hasher.hash_all(passwords())
        for wanted in range(1, 101):
            next(hashes)
            assert taken <= wanted + 8


@pytest.mark.parametrize("count", [1, 4])
def test_how_long_it_takes_is_said_before_anything_is_written(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    with_processors: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
    count: int,
) -> None:
    with_processors(count)
    monkeypatch.setattr(hashing, "WORTH_A_LINE_S", 0.0)
    written: list[int] = []

    def count_written(_record: logging.LogRecord) -> bool:
        written.append(bench.client.zcard(KEYS.users_by_checkins))
        return True

    caplog.handler.addFilter(count_written)
    caplog.set_level(logging.INFO, "footfall")
    rows = [user(number, password=HASH if number > 7 else "secret") for number in range(1, 10)]
    assert bench.load("users", rows, bcrypt_cost=5) == Loaded(9, 0, 0)
    (said,) = (message for message in caplog.messages if "clear text" in message)
    where = "1 processor" if count == 1 else "4 processors"
    assert re.fullmatch(
        rf"7 passwords are in clear text; hashing them with bcrypt \(cost 5, {where}\) takes about 1 s\.", said
    )
    assert set(written) == {0}


@pytest.mark.parametrize(("cost", "said"), [(10, ""), (31, "A --bcrypt-cost of one less takes half of that")])
def test_what_takes_long_is_said_with_what_makes_it_shorter(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, cost: int, said: str
) -> None:
    monkeypatch.setattr(hashing, "WORTH_A_LINE_S", 0.0)
    caplog.set_level(logging.INFO, "footfall")
    with Hasher(cost) as hasher:
        hasher.say_how_long(["secret"] * 100)
    (message,) = caplog.messages
    assert re.search(r"takes about (\d+ (s|min|h|days))\.", message)
    assert message.endswith("." if not said else "kept as they are.")
    assert said in message


@pytest.mark.parametrize("passwords", [[HASH] * 100, ["secret"] * 20, []])
def test_what_takes_no_time_is_not_said(caplog: pytest.LogCaptureFixture, passwords: list[str]) -> None:
    caplog.set_level(logging.INFO, "footfall")
    with Hasher(4) as hasher:
        hasher.say_how_long(passwords)
    assert caplog.messages == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_hashing_ends_in_order_when_the_command_is_told_to_stop(
    server: Server, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    rows = [user(one, password="secret") for one in range(1, 5001)]
    (tmp_path / "users.json").write_bytes(msgspec.json.encode(rows))
    settings = {"redis_url": server.url, "bcrypt_cost": 8}
    client = server.client()
    with Footfall("load", "users", "--from", str(tmp_path / "users.json"), settings=settings) as process:
        wait_until(lambda: client.zcard(KEYS.users_by_checkins), "some are written")
        process.signal(number)
        assert process.wait(5) == code
        first, *rest = process.log.splitlines()
        assert re.match(r"info: 5,000 passwords are in clear text; hashing them with bcrypt \(cost 8, .* takes", first)
        assert "Traceback" not in process.log, rest
    assert not client.exists(KEYS.loader_lease)
    assert client.zcard(KEYS.users_by_checkins) % 100 == 0, "those of whole calls stay"
