"""Runs the checks and the tests, each as its own process in this Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from blb_migration.settings.machine import count_processors

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


TASKS = """usage: python3 -m blb_migration_tests [[--coverage] PYTEST_ARGUMENTS]

The first run fills .venv from requirements.lock. Without arguments: formatter, linter, imports, type checker,
all tests and what of the product the traced ones run. With arguments, pytest alone runs, with these.

  everything that must hold
      python3 -m blb_migration_tests
  one room; tests by name, until the first that fails
      python3 -m blb_migration_tests blb_migration_tests/plan -q
      python3 -m blb_migration_tests -k resumes -x
  what of the product a room's tests run; the whole suite fails under the floor in pyproject.toml
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
  Dagster's contract and the ERP on the lowest and the highest Dagster that pyproject.toml admits
      .ci/dagster-range
  both README commands in a root that nobody has touched
      .ci/fresh-machine
  docs/deploy's compose file by docker compose, or by Debian's docker-compose
      .ci/compose-config

How to add a type, a finding, a check, a statement, a subcommand, a variable: CONTRIBUTING.md.
pytest's own options: .venv/bin/pytest --help
"""


# Not traced for coverage: they run the sandbox, or the whole product once more for what only a whole run, a
# server or a browser shows. Tracing costs 40 % more of them; the floor of coverage is of all other tests.
UNTRACED = (
    "cli/test_demo_night.py",
    "cli/test_live_target_in_the_ui.py",
    "cli/test_one_source.py",
    "cli/test_only_reads.py",
    "cli/test_pages.py",
    "cli/test_ui.py",
    "cli/test_wheel.py",
    "compare/test_mutations.py",
    "cutover/test_whole_night.py",
    "defs/test_alert_sensor.py",
    "defs/test_dead_runs.py",
    "defs/test_dev_servers.py",
    "defs/test_live_target.py",
    "defs/test_one_truth.py",
    "defs/test_real_databases.py",
    "defs/test_without_internals.py",
    "end_to_end",
    "faults",
    "sandbox",
    "schema/test_erp_from_nothing.py",
    "zoo",
)
_SOME_FAILED = 1  # of pytest's exit codes, the one that another try can change
_ALONE = re.compile(r"^[^#\n\"']*\bmark\.alone\b", re.MULTILINE)
AGAIN = ["--last-failed", "--last-failed-no-failures", "none", "--exitfirst", "-v"]


def find_files_of_alone() -> list[str]:
    """Return the files that have tests marked alone: to collect all others costs as much as these."""
    paths = sorted((TOP / "blb_migration_tests").rglob("test_*.py"))
    return [str(path.relative_to(TOP)) for path in paths if _ALONE.search(path.read_text(encoding="utf-8"))]


def plan_tests(arguments: list[str], is_measured: bool) -> list[list[str]]:
    """Return what pytest is called with, call by call.

    The whole suite runs in one process more than there are processors, since tests wait for servers: what is
    traced, where coverage is measured, then what is not. The tests that bound how long something takes come
    afterwards, with a processor for each. Files begin in the order of ``conftest.py``, the longest first.
    Whoever gives arguments gets one call, in one process.
    """
    if arguments:
        return [[*(["--cov", "--cov-fail-under=0"] if is_measured else []), *arguments]]
    by_file = ["--dist", "loadfile", "--no-loadscope-reorder"]
    together = ["-m", "not alone", "-n", str(count_processors() + 1), *by_file]
    untraced = [f"blb_migration_tests/{name}" for name in UNTRACED]
    alone = ["-m", "alone", "-n", str(count_processors()), *by_file, *find_files_of_alone()]
    return [
        [
            "--cache-clear",
            *(["--cov"] if is_measured else []),
            *together,
            *(f"--ignore={name}" for name in untraced),
        ],
        [*together, *untraced],
        alone,
    ]


def run_pytest(call: list[str], top: Path = TOP) -> int:
    """Run pytest once in the folder ``top`` and return its exit code."""
    print("== tests: pytest", *call, flush=True)  # noqa: T201
    return subprocess.run([sys.executable, "-m", "pytest", *call], cwd=top, check=False).returncode


def run_tests(calls: list[list[str]], options: list[str], top: Path = TOP) -> int:
    """Run tests beside each other, call by call of pytest, in the folder ``top``; return the exit code.

    What has failed runs once more with nothing beside it, since the whole suite's servers and browsers share
    a small machine. What passes then is named: it counts as passed, and as something to mend.
    """
    code = max([run_pytest([*options, *call], top) for call in calls], key=abs)
    if code == _SOME_FAILED:
        print("== what failed, once more, with nothing beside it", flush=True)  # noqa: T201
        code = run_pytest([*options, *AGAIN], top)
        if code == 0:
            print("== what failed before has passed alone (its names are above): mend its bounds", flush=True)  # noqa: T201
    return code


def main(arguments: list[str]) -> int:
    """Run all checks and the tests; the exit code is 0 if nothing failed."""
    if {"-h", "--help"} & set(arguments):
        print(TASKS, end="")  # noqa: T201
        return 0
    options: list[str] = []
    is_measured = "--coverage" in arguments
    arguments = [argument for argument in arguments if argument != "--coverage"]
    is_measured |= not arguments and os.name == "posix"  # the floor is of what runs there
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
    calls = plan_tests(arguments, is_measured)
    is_beside_others = not arguments or "-n" in arguments
    code = run_tests(calls, options) if is_beside_others else run_pytest([*options, *calls[0]])
    if failures:
        print(f"failed before the tests: {', '.join(failures)}", flush=True)  # noqa: T201
    return code or bool(failures)
