"""Dagster's daemon, as ``blb-migrate ui`` starts it: ``python -m blb_migration.defs.daemon run …``.

Takes all options of ``dagster-daemon``. Its code server forks runs from a warm process (``run_processes``),
and is kept as long as the project's files are what it has read: Dagster's own daemon starts a new one every
minute, with whatever the project says then.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points

from blb_migration.collector import resting_collector


def main() -> None:
    """Run Dagster's command for its daemon."""
    with resting_collector():
        from blb_migration.defs.optional_internals import find_internal
        from blb_migration.defs.project_files import watch_files
        from blb_migration.defs.run_processes import WARM_RUNS_VARIABLE
        from blb_migration.plan.project import DEFAULT_PROJECT
        from blb_migration.settings import read_project_folder

        [script] = entry_points(group="console_scripts", name="dagster-daemon")
        run = script.load()
        keep_code_servers = find_internal("code_servers", "keep_code_servers")
        if keep_code_servers is not None:
            folder = read_project_folder() or DEFAULT_PROJECT
            keep_code_servers(lambda: watch_files(folder))
    os.environ[WARM_RUNS_VARIABLE] = "1"
    sys.exit(run())


if __name__ == "__main__":
    main()
