"""``python -m blb_migration_tests``: everything that must hold, from a bare clone on.

Formatter, linter, type checker, then pytest; arguments go to pytest (and then only pytest runs).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from blb_migration.bootstrap import ensure_installed

TOP = Path(__file__).resolve().parent.parent
CHECKS = (
    ("formatter", ["ruff", "format", "--check", "."]),
    ("linter", ["ruff", "check", "."]),
    ("type checker", ["mypy"]),
)


def main(arguments: list[str]) -> int:
    """Run all checks and the tests; the exit code is the first that is not 0."""
    failures = []
    for name, command in () if arguments else CHECKS:
        print(f"== {name}: {' '.join(command)}", flush=True)  # noqa: T201
        if subprocess.run([sys.executable, "-m", *command], cwd=TOP, check=False).returncode != 0:
            failures.append(name)
    print("== tests: pytest", *arguments, flush=True)  # noqa: T201
    tests = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=TOP, check=False)
    if failures:
        print(f"failed before the tests: {', '.join(failures)}", flush=True)  # noqa: T201
    return tests.returncode or bool(failures)


if __name__ == "__main__":
    ensure_installed("blb_migration_tests", sys.argv[1:])
    sys.exit(main(sys.argv[1:]))
