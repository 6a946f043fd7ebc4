"""What would favour whoever is measured last: memory that nothing has touched yet.

A virtual machine gets its pages from its host at the first touch. Measured here: 11 µs a page then, 1.6 µs
from the second time on, which made the first of two like contestants half as fast.
"""

from __future__ import annotations

import numpy as np
import psutil

_MOST_BYTES = 8 << 30
_PIECE_BYTES = 64 << 20


def touch_memory() -> int:
    """Write once to half of the free memory, 8 GiB at most, and let go of it; returns how many bytes."""
    wanted = min(psutil.virtual_memory().available // 2, _MOST_BYTES)
    pieces = [np.ones(_PIECE_BYTES, np.uint8) for _ in range(wanted // _PIECE_BYTES)]
    return sum(piece.nbytes for piece in pieces)
