"""Python's collector of circles: rests while modules are loaded, passes by what is loaded, rests at the end.

What is loaded stays. To look through it again and again, since there is ever more of it, was a seventh of the
processor time that a process of Dagster's needs to load the code location; to take it apart at the end, since
Python collects several times before it exits, was an eighth of what a whole run of the ERP needs.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_COMPLAINING = {"_duckdb"}  # of the emulator


@contextmanager
def resting_collector() -> Iterator[None]:
    """Collect nothing within the block; afterwards as before."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def passing_by_what_is_there() -> Iterator[None]:
    """Within the block the collector leaves alone what is in memory now: of a graph of 2,000 tables that is
    half a gigabyte, to be looked through a dozen times in a run."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def rest_at_exit() -> None:
    """Have the collector skip, when the process exits, what is in memory then: the system frees it.

    Files, sessions and threads are closed as before, by their owners and by ``atexit``. Not where a library
    is loaded that would call its objects leaked, on stderr: https://nanobind.readthedocs.io/en/latest/refleaks.html
    """
    atexit.unregister(_rest)
    atexit.register(_rest)


def _rest() -> None:
    if not _COMPLAINING & sys.modules.keys():
        gc.freeze()
