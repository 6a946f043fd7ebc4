"""How messages name many things of one kind: the first few, and how many more."""

from __future__ import annotations

from collections.abc import Sequence


def name_some(names: Sequence[object], shown: int = 5, separator: str = ", ") -> str:
    """Name the first ``shown`` of them, and say how many more there are: ``a, b and 3 more``."""
    more = len(names) - shown
    return separator.join(map(str, names[:shown])) + (f" and {more} more" if more > 0 else "")
