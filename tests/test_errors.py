"""What errors say: a clause, which whoever shows it ends."""

from collections.abc import Callable

import pytest

from footfall.errors import FootfallError, InvalidError, RateLimitedError, clause, reply_error
from processes import Footfall, Receiver, assert_well_written
from receiver_scene import open_metadata
from servers import Server

#: a reply as servers send it
_REPLY = "OOM command not allowed when used memory > 'maxmemory'."


@pytest.mark.parametrize(
    ("said", "as_clause"),
    [
        (_REPLY, _REPLY[:-1]),
        ("Connection refused", "Connection refused"),
        ("Stopping ...", "Stopping ..."),
        (".", ""),
        ("", ""),
        (OSError("It is full."), "It is full"),
    ],
)
def test_what_others_say_has_no_full_stop_in_our_sentences(said: object, as_clause: str) -> None:
    assert clause(said) == as_clause


def test_no_error_ends_in_a_full_stop() -> None:
    for error in (FootfallError(_REPLY), reply_error(_REPLY), RateLimitedError("x.", 1), InvalidError([("", "x.")])):
        assert not str(error).endswith(".")


@pytest.mark.parametrize("line", ["info: it is so..", "info: it is. ", "error: no way.; trying", "a., b", "x.. y"])
def test_the_tests_look_for_full_stops_too_many(line: str) -> None:
    if line == "info: it is. ":
        assert_well_written(line)
    else:
        with pytest.raises(AssertionError):
            assert_well_written(f"info: good.\n{line}\ninfo: ../x and v1.2. Stopping ...\n")


def test_a_reply_with_a_full_stop_makes_one_in_the_log(own_server: Callable[[], Server]) -> None:
    server = own_server()
    client = open_metadata(server)
    with Receiver(server.url) as receiver:
        receiver.post(1, 2, 3)
        client.config_set("maxmemory", 1)
        receiver.post(1, 2, 3)
        receiver.wait_for(f"Check-ins are refused: {_REPLY}\n")
    with Footfall("processor", settings={"redis_url": server.url}) as processor:
        processor.wait_for(f"Nothing is processed: {_REPLY} Retrying until it is fixed.\n")
