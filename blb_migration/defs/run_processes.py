"""How the processes of runs begin where ``blb-migrate ui`` has started Dagster: forked from a warm one.

Only the code server of its daemon starts runs, so only that one keeps a process to fork from; nothing else of
Dagster's is told to. A run acts by the project's files as they are when it begins: once one of them has
changed, runs are started anew, as Dagster does it, until the location is loaded again. Imports nothing of
Dagster's unless it is told to.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from blb_migration.defs.optional_internals import find_internal
from blb_migration.defs.project_files import watch_files

WARM_RUNS_VARIABLE = "_BLB_WARM_RUNS"  # from our command to that code server: nobody's to set


def prepare_runs(folder: Path) -> None:
    """Have this process, if it is that code server, fork its runs of the project in ``folder``.

    Its own children are not told to.
    """
    if os.environ.pop(WARM_RUNS_VARIABLE, None) and sys.platform == "linux":
        fork_runs = find_internal("warm_runs", "fork_runs")
        if fork_runs is not None:
            # Looked at before the warm process reads them: what it has read is this, or was changed since.
            fork_runs(watch_files(folder))
