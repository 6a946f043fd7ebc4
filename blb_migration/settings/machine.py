"""What is asked of this machine: its processors, its name, and who is logged in."""

from __future__ import annotations

import getpass
import os
import platform


def count_processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_host() -> str:
    """Return the machine's name, as the ledger and the journal record it."""
    return platform.node() or "unknown"


def read_operator() -> str:
    """Return the log-in name of the person, or account, that this process runs as."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in this container's password file
        return "unknown"
