"""Runs the checks and the tests, each as its own process in this Python."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
_LINT_IMPORTS = "from importlinter.cli import lint_imports_command as lint; lint(['--no-logo', '--no-cache'])"
CHECKS = (
    ("formatter", ["-m", "ruff", "format", "--check", "."]),
    ("linter", ["-m", "ruff", "check", "."]),
    ("imports", ["-c", _LINT_IMPORTS]),
    ("type checker", ["-m", "mypy"]),
)
CACHES = {
    "RUFF_CACHE_DIR": ".ruff_cache",
    "MYPY_CACHE_DIR": ".mypy_cache",
    "HYPOTHESIS_STORAGE_DIRECTORY": ".hypothesis",
}


def main(arguments: list[str]) -> int:
    """Run all checks and the tests; the exit code is the first that is not 0."""
    options: list[str] = []
    if not os.access(TOP, os.W_OK):
        caches = Path(tempfile.mkdtemp(prefix="blb-caches-"))
        os.environ |= {name: str(caches / folder) for name, folder in CACHES.items()}
        options = ["-o", f"cache_dir={caches / '.pytest_cache'}"]
        print(f"== {TOP} may not be written to: caches are in {caches}", flush=True)  # noqa: T201
    failures = []
    for name, command in () if arguments else CHECKS:
        print(f"== {name}: {' '.join(command[1:])}", flush=True)  # noqa: T201
        if subprocess.run([sys.executable, *command], cwd=TOP, check=False).returncode != 0:
            failures.append(name)
    print("== tests: pytest", *arguments, flush=True)  # noqa: T201
    tests = subprocess.run([sys.executable, "-m", "pytest", *options, *arguments], cwd=TOP, check=False)
    if failures:
        print(f"failed before the tests: {', '.join(failures)}", flush=True)  # noqa: T201
    return tests.returncode or bool(failures)
