"""Runs Dagster's contract and the ERP on the lowest and the highest Dagster that pyproject.toml admits.

Each in an environment of its own, with the lock's versions of the rest. Called by ``.ci/dagster-range``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from blb_migration.bootstrap.environment import find_python
from blb_migration.bootstrap.index import list_config_files, read_index_settings
from blb_migration.bootstrap.uv import build_uv_environment
from blb_migration_tests.run import TOP

RESOLUTIONS = ("lowest-direct", "highest")
TESTS = (
    "defs/test_internals_contract.py",
    "defs/test_runs.py",
    "defs/test_code_location.py",
    "defs/test_code_servers.py",
)


def read_requirements() -> list[str]:
    """Return pyproject.toml's ranges of dagster and dagster-webserver."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [line for line in project["dependencies"] if re.match(r"dagster(-\w+)*\b", line)]


def run_on(resolution: str, folder: Path) -> int:
    """Fill an environment and run the tests and the demo in it; the exit code is the first that is not 0."""
    environment = folder / resolution
    told = build_uv_environment(os.environ, read_index_settings(os.environ, list_config_files(os.environ)))
    lock = folder / "lock.txt"  # without Dagster, and without what only fits the Dagster in it
    blocks = re.split(r"\n(?=\S)", (TOP / "requirements.lock").read_text(encoding="utf-8"))
    lock.write_text("\n".join(block for block in blocks if not block.startswith("dagster")), encoding="utf-8")
    uv = [sys.executable, "-m", "uv", "--quiet"]
    python = str(find_python(environment))
    install = [*uv, "pip", "install", "--python", python]
    run = dict(os.environ) | {"PYTHONPATH": str(TOP)}
    tests = [str(TOP / "blb_migration_tests" / name) for name in TESTS]
    commands = (
        ([*uv, "venv", "--python", sys.executable, str(environment)], told),
        ([*install, "--no-deps", "--requirements", str(lock)], told),
        ([*install, "--resolution", resolution, *read_requirements()], told),
        ([python, "-c", "import dagster; print('== Dagster', dagster.__version__, flush=True)"], run),
        ([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], run),
        ([python, "-m", "blb_migration", "demo"], run),
    )
    for command, environ in commands:
        code = subprocess.run(command, cwd=TOP, env=environ, check=False).returncode
        if code != 0:
            return code
    return 0


def main() -> int:
    """Run on both ends of the range; 1 if either failed."""
    with tempfile.TemporaryDirectory(prefix="blb-dagster-") as folder:
        codes = {resolution: run_on(resolution, Path(folder)) for resolution in RESOLUTIONS}
    for resolution, code in codes.items():
        print(f"== Dagster, {resolution}: exit code {code}", flush=True)  # noqa: T201
    return int(any(codes.values()))


if __name__ == "__main__":
    sys.exit(main())
