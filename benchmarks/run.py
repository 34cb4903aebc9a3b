"""Run all benchmarks, one after the other, and keep what they print in benchmarks/results.

Run     make bench        (or .venv/bin/python benchmarks/run.py [--quick] [NAME ...])
"""

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

#: in the order in which they run
BENCHMARKS = ("receiver", "memory", "processor", "now", "latency", "long", "api", "live", "hostile")

_HERE = Path(__file__).parent


def main() -> None:
    """Run them; the exit code is 1 when one has failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="only see that they work; the numbers mean nothing")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    results = _HERE / "results" / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.txt")
    results.parent.mkdir(exist_ok=True)
    failed = []
    with results.open("w") as file:
        for name in options.names or BENCHMARKS:
            print(f"\n===== {name}", flush=True)
            if not run(name, ["--quick"] if options.quick else [], file):
                failed.append(name)
    print(f"\nKept in {results.relative_to(_HERE.parent)}.")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(name: str, options: list[str], file: TextIO) -> bool:
    """Run one, its output to the screen and to the file; whether it went well."""
    command = [sys.executable, str(_HERE / f"{name}.py"), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            file.write(line)
    return process.returncode == 0


if __name__ == "__main__":
    main()
