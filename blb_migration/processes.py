"""Whether other processes have ended. One that nobody has reaped, as in a container without init, has."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

_LOOK_SECONDS = 0.05


def is_running(process: psutil.Process) -> bool:
    """Tell whether it still runs; a process that may not be looked at does."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def wait_for_ends(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all have ended, at most so many seconds. Return those that still run."""
    deadline = time.monotonic() + seconds
    running = [process for process in processes if is_running(process)]
    while running and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        running = [process for process in running if is_running(process)]
    return running
