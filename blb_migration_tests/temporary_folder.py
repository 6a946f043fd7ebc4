"""Where the tests' files are: in memory, where this machine has the room.

A test makes databases, ledgers of Dagster and projects, looks at them and forgets them. A new database is 300
files: on a disk they take ten times the processor time that they take in memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

IN_MEMORY = Path("/dev/shm")
NEEDED_BYTES = 6 << 30
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


def use_memory() -> None:
    """Have this process and its children make their temporary files in memory, unless TMPDIR is set."""
    if "TMPDIR" not in os.environ and has_room(IN_MEMORY):
        os.environ["TMPDIR"] = str(IN_MEMORY)
        tempfile.tempdir = None  # whoever has asked before is told anew


def has_room(folder: Path) -> bool:
    """Whether a folder has room for a run of all tests, on the disk and in memory, and lets programs run."""
    if sys.platform != "linux":
        return False
    with suppress(OSError):
        system = os.statvfs(folder)
        return (
            os.access(folder, os.W_OK | os.X_OK)
            and not system.f_flag & os.ST_NOEXEC
            and min(system.f_bavail * system.f_frsize, _read_free_memory()) >= NEEDED_BYTES
        )
    return False


def _read_free_memory() -> int:
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # a container without a limit says "max"
        free = min(free, int(_MEMORY_LIMIT.read_text(encoding="ascii")))
    return free
