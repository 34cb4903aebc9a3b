"""Run as a script: the API server without its hot reads, for the tests that compare the two."""

from typing import Any

from footfall import config, logs
from footfall.api import app as api
from footfall.config import Settings
from footfall.http.server import Service, run


def create(settings: Settings) -> Any:
    """The app, whose framework answers everything."""
    return api.create(settings, shortcut=None)


if __name__ == "__main__":
    settings = config.load()
    logs.configure(settings.logs.level, settings.logs.format)
    run(Service("api", "framework_api:create", "api_port"), settings)
