"""Children that end with their parent: the guard that stands in where the kernel cannot see to it.

What Linux does itself is tested with what is launched: see `test_embedded`.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from footfall.process import launch
from servers import process_exists, wait_until


def test_a_command_that_cannot_be_run_is_named() -> None:
    ended = subprocess.run(launch.command(["/nowhere/server"]), capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("cannot run /nowhere/server: ")


def test_a_command_whose_parent_is_already_gone_does_not_start() -> None:
    *interpreter, _parent, death_signal, command = launch.command(["true"])
    ended = subprocess.run([*interpreter, "1", death_signal, command], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "has ended" in ended.stderr


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks /proc for the guard's child")
@pytest.mark.parametrize(("death", "expected"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, 137)])
def test_the_guard_ends_as_its_command_ends(death: signal.Signals, expected: int) -> None:
    script = (
        f"from footfall.process import launch; import os; launch.guard(os.getppid(), {int(death)}, ['sleep', '20'])"
    )
    with subprocess.Popen(launch.command([sys.executable, "-c", script])) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        try:
            wait_until(children.read_text, "the command runs")
            os.kill(int(children.read_text()) if death == signal.SIGKILL else process.pid, death)
            assert process.wait(5) == expected
        finally:
            process.kill()


def test_the_guard_ends_its_command_when_the_owner_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    guard = (
        "from footfall.process import launch; import os;"
        f"launch.guard(os.getppid(), 15, ['sh', '-c', 'echo $$ > {note}; exec sleep 20'])"
    )
    owner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {guard!r}])"
    with subprocess.Popen([sys.executable, "-c", owner]) as process:
        wait_until(lambda: note.exists() and note.read_text(), "the command runs")
        process.kill()
    wait_until(lambda: not process_exists(int(note.read_text())), "the command is gone")
