"""Other processes: started out of a terminal's reach, asked to end, and whether they have.

One that nobody has reaped, as in a container without init, has ended.
"""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

import psutil

_LOOK_SECONDS = 0.05
_NEW_PROCESS_GROUP = 0x00000200  # Windows' CREATE_NEW_PROCESS_GROUP
_CTRL_BREAK = 1  # Windows' CTRL_BREAK_EVENT


def build_group_options(system: str = sys.platform) -> dict[str, Any]:
    """Build Popen's options for a process that a terminal's Ctrl-C passes by, and ``interrupt`` does not."""
    return {"creationflags": _NEW_PROCESS_GROUP} if system == "win32" else {"start_new_session": True}


def interrupt(process: subprocess.Popen[Any], system: str = sys.platform) -> None:
    """Ask it to end as Ctrl-C does. On Windows by Ctrl-Break, which a group of its own hears alone; without a
    console, as in a service, that cannot be sent: then it is ended at once.
    """
    try:
        process.send_signal(_CTRL_BREAK if system == "win32" else signal.SIGINT)
    except OSError:
        process.terminate()


def has_shared_locks() -> bool:
    """Tell whether processes can share a lock here: Linux keeps it in /dev/shm, which a bare chroot may lack.

    Dagster's code server makes one for each run that its UI, a schedule or a sensor starts.
    """
    if sys.platform == "win32":
        return True
    try:
        multiprocessing.get_context("fork").Lock()
    except (ImportError, OSError):
        return False
    return True


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
