"""What the benchmarks share: servers and children of their own, what these take, the machine, tables."""

import contextlib
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from redis import Redis
from rich.console import Console
from rich.table import Table

from footfall.config import ENV_PREFIX
from footfall.embedded import server as embedded
from footfall.process import launch

#: where the benchmarks' own server looks for a port first: not where a user's server is
_FIRST_PORT = 17_000
#: seconds that a child has to start or to end
_PATIENCE = 20.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_found = Console(highlight=False)
#: as wide as the tables need it, also in a file
console = _found if _found.width >= 100 else Console(highlight=False, width=100)


@dataclass(frozen=True)
class Used:
    """What a stretch of work took, in seconds (or µs, see `per`): wall clock, CPU of its process, CPU of the server."""

    wall: float
    process: float
    server: float

    def minus(self, other: "Used") -> "Used":
        """What is left without `other`."""
        return Used(self.wall - other.wall, self.process - other.process, self.server - other.server)

    def per(self, number: int) -> "Used":
        """What one of `number` took, in microseconds."""
        factor = 1e6 / number
        return Used(self.wall * factor, self.process * factor, self.server * factor)

    @property
    def cpu(self) -> float:
        """CPU of process and server."""
        return self.process + self.server


def cpu_s(pid: int) -> float:
    """User + system time of a running process and its threads, in seconds (10 ms steps; proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Resident memory of a running process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def footfall(command: str, *options: object) -> list[str]:
    """The command line of a `footfall` command; it logs warnings only."""
    return [sys.executable, "-m", "footfall", command, "--log-level", "warning", *map(str, options)]


@contextlib.contextmanager
def server(directory: Path | None = None) -> Iterator[embedded.EmbeddedServer]:
    """An embedded Valkey as users get it (append-only file, fsync every second), in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as temporary:
        running = embedded.start(directory or Path(temporary), first_port=_FIRST_PORT)
        try:
            yield running
        finally:
            running.stop()


@contextlib.contextmanager
def child(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block, or with this process. Its output is shown when it fails."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            launch.command(command),
            env={name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            ended = process.poll()
            if ended is None:
                process.terminate()
                try:
                    process.wait(_PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            elif ended != 0:
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace"))


def run(command: Sequence[str], server_pid: int) -> Used:
    """Run a command to its end; what it took, and the server meanwhile. Raises when it fails."""
    server_before, start = cpu_s(server_pid), time.perf_counter()
    with child(command) as process:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"`{' '.join(command)}` ended with {process.returncode}")
    return Used(wall, usage.ru_utime + usage.ru_stime, cpu_s(server_pid) - server_before)


def wait_until(predicate: Callable[[], bool], what: str) -> None:
    """Return as soon as the predicate holds."""
    deadline = time.monotonic() + _PATIENCE
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_PATIENCE:g} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def print_machine(client: Redis) -> None:
    """Server, machine and its load: numbers mean nothing without them."""
    info = client.info("server")
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version", info["redis_version"])
    load = os.getloadavg()[0]
    console.print(
        f"{name} {version} · Python {platform.python_version()} · {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} x {_processor()} · load average {load:.1f}"
    )


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown processor"


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[float | str]]) -> None:
    """A table; numbers to the right, with as many decimals as can mean something."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, str) else _number(cell) for cell in row))
    console.print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def print_goal(what: str, ratios: Sequence[float], goal: float, *, at_most: bool = False, unit: str = "times") -> None:
    """Whether the median of the runs' ratios reaches the goal: is as high, or with `at_most` as low."""
    found = median(ratios)
    reached = found <= goal if at_most else found >= goal
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} runs"
    verdict = "reached" if reached else "missed"
    console.print(
        f"{what}: {found:.2f} {unit} ({spread}); goal {'≤' if at_most else '≥'} {goal:g}: [bold]{verdict}[/bold]"
    )


def end_in_order() -> None:
    """Let SIGTERM unwind the stack like Ctrl-C, so that servers are stopped and directories removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
