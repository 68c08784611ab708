"""How long `import qa` and `qa --help` take: python benchmarks/startup.py"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 11
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import qa": ["-c", "import qa"],
    "qa --help": ["-m", "qa.cli", "--help"],
}
LIMIT = 0.3  # seconds


def seconds(arguments: list[str]) -> float:
    """The median of some runs, after one that warms the disk cache."""
    taken = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


def main() -> None:
    base = 0.0
    for name, arguments in COMMANDS.items():
        taken = seconds(arguments)
        base = base or taken
        within = "" if name == "python -c pass" else f"  limit {LIMIT} s: {taken < LIMIT}"
        print(f"{name:16} {taken:.3f} s  {taken / base:4.1f} x an empty Python{within}")


if __name__ == "__main__":
    main()
