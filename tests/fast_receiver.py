"""Run as a script: a receiver whose other path cannot take a check-in, for tests of what the fast path takes."""

from typing import NoReturn

from litestar import Litestar

from footfall import config, logs
from footfall.config import Settings
from footfall.http.server import Service, run
from footfall.receiver import app
from footfall.receiver.fastpath import FastPath


def create(settings: Settings) -> Litestar:
    """The receiver, with a defect."""

    def decode(_: bytes) -> NoReturn:
        raise AssertionError("this came on the other path")

    vars(app)["decode"] = decode
    return app.create(settings)


if __name__ == "__main__":
    settings = config.load()
    logs.configure(settings.logs.level, settings.logs.format)
    run(Service("receiver", "fast_receiver:create", "receiver_port", protocol=FastPath), settings)
