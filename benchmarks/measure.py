"""What the benchmarks share: a server of their own, CPU time of processes, the machine, tables."""

import contextlib
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from rich.console import Console
from rich.table import Table

from footfall.store import embedded

console = Console()
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Used:
    """What a stretch of work took: wall-clock time, and CPU time of each process watched."""

    wall_s: float
    cpu_s: list[float]


class Watch:
    """Measures wall-clock and CPU time (user + system) of running processes."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._start = time.perf_counter()
        self._cpu = [cpu_s(pid) for pid in pids]

    def stop(self) -> Used:
        wall = time.perf_counter() - self._start
        return Used(wall, [cpu_s(pid) - before for pid, before in zip(self._pids, self._cpu, strict=True)])


def cpu_s(pid: int) -> float:
    """User + system time of a process and its threads so far, in seconds (10 ms steps)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@contextlib.contextmanager
def server() -> Iterator[embedded.EmbeddedServer]:
    """An embedded Valkey as users get it (append-only file, fsync every second) in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as directory:
        running = embedded.start(Path(directory), first_port=17_000)
        try:
            yield running
        finally:
            running.stop()


@contextlib.contextmanager
def child(*command: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    process = subprocess.Popen(
        command, env=os.environ | (env or {}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def footfall(command: str, *options: str) -> list[str]:
    """The command line of a `footfall` command."""
    return [sys.executable, "-m", "footfall", command, *options]


def print_machine(client: Redis) -> None:
    """Versions and machine: numbers mean nothing without them."""
    info = client.info("server")
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version", info["redis_version"])
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    console.print(f"{name} {version}, Python {platform.python_version()}, {os.cpu_count()} x {model}")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with numbers to the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*(f"{cell:,.1f}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(table)


def median(values: Sequence[float]) -> float:
    """The middle value: one disturbed run does not move it."""
    return statistics.median(values)
