"""Python's collector of circles, which rests while modules are loaded.

What is loaded stays. To look through it again and again, since there is ever more of it, was a seventh of the
processor time that a process of Dagster's needs to load the code location.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
