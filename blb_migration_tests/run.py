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
    ("dead code", ["-m", "vulture"]),
    ("type checker", ["-m", "mypy"]),
)
CACHES = {
    "RUFF_CACHE_DIR": ".ruff_cache",
    "MYPY_CACHE_DIR": ".mypy_cache",
    "HYPOTHESIS_STORAGE_DIRECTORY": ".hypothesis",
    "COVERAGE_FILE": ".coverage",
}


TASKS = """usage: python3 -m blb_migration_tests [--coverage] [PYTEST_ARGUMENTS]

The first run fills .venv from requirements.lock. Without arguments: formatter, linter, imports, type checker,
all tests. With arguments, pytest alone runs, with these.

  everything that must hold
      python3 -m blb_migration_tests
  one room; tests by name, until the first that fails
      python3 -m blb_migration_tests blb_migration_tests/plan -q
      python3 -m blb_migration_tests -k resumes -x
  what of the product the tests run; all of it fails under the floor in pyproject.toml, a room has no floor
      python3 -m blb_migration_tests --coverage
      python3 -m blb_migration_tests --coverage blb_migration_tests/plan
  against a real SQL Server (docs/testing.md)
      BLB_TEST_SOURCE_CONN=URL python3 -m blb_migration_tests blb_migration_tests/sqlserver
  more rows and changes for the checks to find (docs/digest.md)
      BLB_MUTATION_SCALE=20 python3 -m blb_migration_tests blb_migration_tests/compare/test_mutations.py -s

After the first run:

  a load beside its floors and other tools (docs/performance.md)
      .venv/bin/python -m blb_migration_tests.benchmarks --help
  types, zoo, hazards and SQL Server by the other driver
      .ci/both-drivers
  both README commands in a root that nobody has touched
      .ci/fresh-machine

How to add a type, a finding, a check, a statement, a subcommand, a variable: CONTRIBUTING.md.
pytest's own options: .venv/bin/pytest --help
"""


def main(arguments: list[str]) -> int:
    """Run all checks and the tests; the exit code is the first that is not 0."""
    if {"-h", "--help"} & set(arguments):
        print(TASKS, end="")  # noqa: T201
        return 0
    options: list[str] = []
    if "--coverage" in arguments:
        arguments = [argument for argument in arguments if argument != "--coverage"]
        options += ["--cov", *(["--cov-fail-under=0"] if arguments else [])]
    if not os.access(TOP, os.W_OK):
        caches = Path(tempfile.mkdtemp(prefix="blb-caches-"))
        os.environ |= {name: str(caches / folder) for name, folder in CACHES.items()}
        options += ["-o", f"cache_dir={caches / '.pytest_cache'}"]
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
