"""Run as a script: the receiver without its fast path, for the tests that compare the two."""

from footfall import config, logs
from footfall.http.protocol import HttpProtocol
from footfall.http.server import Service, run

if __name__ == "__main__":
    settings = config.load()
    logs.configure(settings.logs.level, settings.logs.format)
    run(
        Service("receiver", "footfall.receiver.app:create", "receiver_port", protocol=HttpProtocol),
        settings,
    )
