"""How the settings of a service reach its app: as they are, or through the environment of worker processes."""

from pathlib import Path

import pytest

from footfall.errors import ExitCode
from processes import Footfall
from servers import free_port

#: a service that says which settings its app is made from, and stops
PROGRAM = """
import multiprocessing, os, signal
from footfall import config, logs
from footfall.http.server import Service, run, worker_settings

def create(settings=None):
    read = settings or worker_settings()
    print(f"handed over: {settings is not None}, prefix {read.server.prefix}, in the environment:", end=" ")
    print(os.environ.get("FOOTFALL_PREFIX"), flush=True)

    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        supervisor = multiprocessing.parent_process()
        os.kill(supervisor.pid if supervisor else os.getpid(), signal.SIGTERM)
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return app

if __name__ == "__main__":
    run(Service("service", "__main__:create", "receiver_port", WORKERS), config.load({"prefix": "mine"}))
"""


class Program(Footfall):
    """The service above."""

    program = ("service.py",)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        (1, "handed over: True, prefix mine, in the environment: None\n"),
        (2, "handed over: False, prefix mine, in the environment: mine\n"),
    ],
)
def test_one_worker_has_the_settings_themselves_and_several_have_them_in_their_environment(
    tmp_path: Path, workers: int, said: str
) -> None:
    (tmp_path / "service.py").write_text(PROGRAM.replace("WORKERS", str(workers)))
    with Program(settings={"receiver_port": free_port()}, cwd=tmp_path) as service:
        assert service.wait() == ExitCode.OK, service.log
        assert said in service.log
