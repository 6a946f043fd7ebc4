"""Keeps pandas out of processes that have no use for it.

Where pandas is installed, Arrow imports it at its first array, to recognise a Series when it is given one:
seconds in a cold process (https://github.com/apache/arrow/issues/34994). Arrow asks only once
(``pandas-shim.pxi``), and is told here that there is none. ``to_pandas()`` still finds it: a function that
cannot do without imports it anew.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_lock = threading.Lock()
_done = threading.Event()


class _NoPandas(MetaPathFinder):
    """Says of pandas that it is not installed; to the thread alone that asks on Arrow's behalf."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for pandas, leave everything else to other finders."""
        if fullname == "pandas" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError("pandas is not needed here", name="pandas")
        return None


def keep_pandas_out() -> None:
    """Make Arrow's first array without pandas. Does nothing where pandas is imported already."""
    if _done.is_set():
        return
    with _lock:
        if not _done.is_set() and "pandas" not in sys.modules:
            import pyarrow as pa

            finder = _NoPandas()
            sys.meta_path.insert(0, finder)
            try:
                pa.array([0])
            finally:
                sys.meta_path.remove(finder)
        _done.set()
