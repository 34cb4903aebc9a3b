"""The receiver's peer: what a Python team would write first. FastAPI, redis-py, one XADD per request.

Run     .venv/bin/python benchmarks/peers/fastapi_redis_py.py 8000 redis://127.0.0.1:6379

It answers when the server has confirmed the write and validates as strictly as Footfall does, but looks up neither
user nor location, knows no backlog, and keeps no two check-ins from being counted as one.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis

from footfall.domain.model import MAX_ID


class CheckIn(BaseModel):
    """The body of `POST /api/checkin`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    userId: int = Field(ge=1, le=MAX_ID)  # noqa: N815
    locationId: int = Field(ge=1, le=MAX_ID)  # noqa: N815
    starRating: int = Field(ge=0, le=5)  # noqa: N815


def create(redis_url: str) -> FastAPI:
    """The app."""
    redis = Redis.from_url(redis_url, decode_responses=True)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await redis.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/api/checkin", status_code=202)
    async def check_in(body: CheckIn) -> dict[str, str]:
        entry_id = await redis.xadd("ncc:checkins", body.model_dump())  # type: ignore[arg-type]
        return {"id": str(entry_id)}

    return app


if __name__ == "__main__":
    uvicorn.run(
        create(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
