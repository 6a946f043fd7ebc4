"""How wide a table's rows are, guessed from its columns' types: a weight until rows have been measured.

In bytes of the Arrow batches that are read, as ``TableProgress.source_bytes`` counts them. Nothing but the
estimate of a load's remaining time rests on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from blb_migration.model import ColumnType
from blb_migration.types import look_up_source

_OFFSET_BYTES = 8  # large_string and large_binary keep one per value
# Few columns are filled to what they were declared with, and (max) says nothing at all.
_FILLED_SHARE = 0.3
_LONGEST_GUESS_BYTES = 60
_UNLIMITED_GUESS_BYTES = 200


def guess_row_bytes(types: Iterable[ColumnType]) -> float:
    """Bytes of one row with columns of these types."""
    return max(sum(map(_guess_value_bytes, types)), 1.0)


def _guess_value_bytes(column_type: ColumnType) -> float:
    facts, length = look_up_source(column_type), column_type.length
    offset = _OFFSET_BYTES if facts.arrow.startswith("large_") else 0
    if facts.arrow_bytes is not None:
        return offset + facts.arrow_bytes
    if length is None or not facts.is_sized:
        return offset + _UNLIMITED_GUESS_BYTES
    return offset + (length if facts.is_padded else min(length * _FILLED_SHARE, _LONGEST_GUESS_BYTES))
