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

WARM_RUNS_VARIABLE = "_BLB_WARM_RUNS"  # from our command to that code server: nobody's to set


def prepare_runs(folder: Path) -> None:
    """Have this process, if it is that code server, fork its runs of the project in ``folder``.

    Its own children are not told to.
    """
    if os.environ.pop(WARM_RUNS_VARIABLE, None) and sys.platform == "linux":
        fork_runs = find_internal("warm_runs", "fork_runs")
        if fork_runs is not None:
            # Looked at before the warm process reads them: what it has read is this, or was changed since.
            before = _look_at_files(folder)
            fork_runs(lambda: before is not None and _look_at_files(folder) == before)


def _look_at_files(folder: Path) -> list[tuple[str, int, int, int]] | None:
    """List the files of a project by name, inode, size and time of the last change; None if they cannot
    be looked at.
    """
    try:
        looks = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        return None
    return [(name, look.st_ino, look.st_size, look.st_mtime_ns) for name, look in looks]
