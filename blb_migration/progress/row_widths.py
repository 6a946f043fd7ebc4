"""How wide a table's rows are, guessed from its columns' types: a weight until rows have been measured.

In bytes of the Arrow batches that are read, as ``TableProgress.source_bytes`` counts them. Nothing but the
estimate of a load's remaining time rests on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from blb_migration.model import ColumnType

_OFFSET_BYTES = 8  # large_string and large_binary keep one per value
_FIXED_BYTES = {
    "bit": 1,
    "tinyint": 1,
    "smallint": 2,
    "int": 4,
    "real": 4,
    "date": 4,
    "decimal": 16,
    "numeric": 16,
    "money": 16,
    "smallmoney": 16,
    "uniqueidentifier": 36 + _OFFSET_BYTES,
    "rowversion": 8 + _OFFSET_BYTES,
}
_OTHER_BYTES = 8  # bigint, float, times and timestamps
_PADDED = frozenset({"char", "nchar", "binary"})
_SIZED = frozenset({"varchar", "nvarchar", "varbinary"})
_UNLIMITED = frozenset(
    {"text", "ntext", "image", "xml", "json", "vector", "sql_variant", "geography", "geometry"}
)
# Few columns are filled to what they were declared with, and (max) says nothing at all.
_FILLED_SHARE = 0.3
_LONGEST_GUESS_BYTES = 60
_UNLIMITED_GUESS_BYTES = 200


def guess_row_bytes(types: Iterable[ColumnType]) -> float:
    """Bytes of one row with columns of these types."""
    return max(sum(map(_guess_value_bytes, types)), 1.0)


def _guess_value_bytes(column_type: ColumnType) -> float:
    name, length = column_type.name, column_type.length
    if name in _PADDED and length is not None:
        return _OFFSET_BYTES + length
    if name in _UNLIMITED or (name in _SIZED and length is None):
        return _OFFSET_BYTES + _UNLIMITED_GUESS_BYTES
    if name in _SIZED and length is not None:
        return _OFFSET_BYTES + min(length * _FILLED_SHARE, _LONGEST_GUESS_BYTES)
    return _FIXED_BYTES.get(name, _OTHER_BYTES)
