"""One measured piece of work in a process of its own: nothing of the last one is warm, cached or in its peak.

Starts ``python -m blb_migration_tests.benchmarks.worker`` with a JSON document on standard input
(connection URLs hold passwords, and a command line is public) and reads the JSON answer. Imports are in
none of the metrics.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PEAK_LINE = "VmHWM:"


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: seconds by the clock and on processors, megabytes at the peak.

    ``peak_megabytes`` is None where the system does not tell; ``details`` are the work's own metrics.
    """

    seconds: float
    cpu_seconds: float
    peak_megabytes: float | None
    details: dict[str, Any] = field(default_factory=dict)


def run_worker(work: str, **arguments: Any) -> Cost:
    """Carry out ``work``, ``module.function`` of this package, in a new process.

    Raises RuntimeError when it fails; its error output passes through.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "blb_migration_tests.benchmarks.worker"],
        input=json.dumps({"work": work, "arguments": arguments}),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=build_environment(),
    )
    if done.returncode != 0:
        raise RuntimeError(f"{work} failed with exit code {done.returncode}; its error is above")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def build_environment() -> dict[str, str]:
    """Build what a measured process is told: it runs this very clone, from whichever folder.

    Compiled modules are kept from process to process, as they are on any machine but a sealed one.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "blb-benchmark-bytecode"),
    }


def main() -> None:
    """Do what standard input says, and print what it took."""
    order = json.loads(sys.stdin.read())
    module, function = order["work"].split(".")
    work = getattr(importlib.import_module(f"blb_migration_tests.benchmarks.{module}"), function)
    cpu_before = _read_cpu_seconds()
    seconds, details = work(**order["arguments"])
    answer = {
        "seconds": seconds,
        "cpu_seconds": _read_cpu_seconds() - cpu_before,
        "peak_megabytes": _read_peak_megabytes(),
        "details": details,
    }
    sys.stdout.write(json.dumps(answer) + "\n")


def _read_cpu_seconds() -> float:
    """Of this process and of the programs that it has run to their end."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _read_peak_megabytes() -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(_PEAK_LINE))


if __name__ == "__main__":
    main()
