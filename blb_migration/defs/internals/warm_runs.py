"""Runs that a code server forks from a process that has loaded everything already.

Dagster's code server starts a new interpreter for each run, which imports Dagster, builds the definitions and
imports the data path: three processor seconds, while a person waits. Here it asks the fork server of
``multiprocessing``, which has done that when the location was loaded; what else it does with a run's process
is as before. A location that is loaded again is a new code server, with a fork server of its own.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any

from dagster._grpc.server import DagsterApiServer

from blb_migration.defs.internals.requirements import require

_CONTEXT = "_mp_ctx"  # of the server: what it makes processes with
_PRELOAD = "blb_migration.defs.internals.preload"

require(DagsterApiServer.StartRun, 3)


def fork_runs(is_unchanged: Callable[[], bool]) -> None:
    """Have the code server that is this process fork its runs, and the process to fork from begin to load.

    ``is_unchanged``: whether that process still knows what a new one would read.
    """
    dagsters_own = multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOAD])
    forkserver.ensure_running()
    start_run: Any = DagsterApiServer.StartRun

    def fork_run(server: Any, request: Any, call: Any) -> Any:
        setattr(server, _CONTEXT, context if is_unchanged() else dagsters_own)
        return start_run(server, request, call)

    DagsterApiServer.StartRun = fork_run  # type: ignore[method-assign, assignment]
