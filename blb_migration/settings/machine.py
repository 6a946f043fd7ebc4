"""How many processors there are to work with: what decides how much is done at once."""

from __future__ import annotations

import os


def count_processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
