"""The batch endpoint's ceiling: receive.lua called alone, as fast as the server can run it.

Run     .venv/bin/python benchmarks/peers/receive_script.py redis://127.0.0.1:6379 3
        (the sample must be loaded; the second argument is the number of seconds)

Calls of 500 check-ins, as the intake makes them, encoded beforehand and sent over one connection so that four are
always under way. Prints the number of check-ins per second.
"""

import random
import socket
import sys
import time

import hiredis

from footfall import config
from footfall.domain.model import CheckIn
from footfall.keys import Keys
from footfall.store.address import parse
from footfall.store.calls.receive import Group, Receive
from footfall.store.scripts import RECEIVE

USERS, LOCATIONS = 1000, 215
PER_CALL, UNDER_WAY, DIFFERENT = 500, 4, 20


def call(receive: Receive, draw: random.Random) -> bytes:
    """One call, encoded."""
    check_ins = [
        CheckIn(draw.randint(1, USERS), draw.randint(1, LOCATIONS), draw.randint(0, 5)) for _ in range(PER_CALL)
    ]
    return receive.call([Group(check_ins)]).pack()


def encoded(*command: str | bytes | int) -> bytes:
    """A command as it goes over the wire."""
    return bytes(hiredis.pack_command(command))  # type: ignore[arg-type]


def main() -> None:
    """Call for some seconds."""
    address, seconds = parse(sys.argv[1]), float(sys.argv[2])
    draw = random.Random(1)
    receive = Receive(Keys("ncc"), config.load({"max_backlog": 10**9}).checkins)
    calls = [call(receive, draw) for _ in range(DIFFERENT)]
    reader = hiredis.Reader()
    with socket.create_connection((address.host, address.port)) as connection:

        def reply() -> object:
            while (found := reader.gets()) is False:
                reader.feed(connection.recv(1 << 20))
            if isinstance(found, Exception):
                raise found
            return found

        connection.sendall(encoded("SCRIPT", "LOAD", RECEIVE.source))
        reply()
        sent = answered = 0
        start = time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            while sent - answered < UNDER_WAY:
                connection.sendall(calls[sent % DIFFERENT])
                sent += 1
            reply()
            answered += 1
        print(answered * PER_CALL / (now - start))


if __name__ == "__main__":
    main()
