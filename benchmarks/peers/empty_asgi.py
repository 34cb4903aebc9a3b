"""The receiver's yardstick: an ASGI app that reads nothing and answers 202 to everything, on the same uvicorn.

Run     .venv/bin/python benchmarks/peers/empty_asgi.py 8000

What it costs is what uvicorn costs: no app on it can be cheaper.
"""

import sys
from typing import Any

import uvicorn

_START = {
    "type": "http.response.start",
    "status": 202,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"24")],
}
_BODY = {"type": "http.response.body", "body": b'{"id":"1609602085397-0"}'}


async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    """Answer, without a look at the request."""
    await send(_START)
    await send(_BODY)


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="warning",
    )
