"""numpy and Arrow values in the physical form of their SQL Server type (``sandbox/results.py``).

One function, ``to_physical``. What a value should be is not decided here; only how it is stored:
exact decimals as 128-bit integers, moments as 100 ns ticks since 0001-01-01, text as strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.model import ColumnType

IntArray: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
BoolArray: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

UNIX_EPOCH_TICKS = 621_355_968_000_000_000  # 100 ns ticks from 0001-01-01 to 1970-01-01
MICROSECONDS_PER_DAY = 86_400_000_000

_INTEGERS = {"tinyint": pa.uint8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64()}

# A datetime counts 1/300 s, shown in milliseconds that end in 0, 3 or 7: the last one reached.
_DATETIME_LAST_DIGIT = np.array([0, 0, 0, 3, 3, 3, 3, 7, 7, 7], dtype=np.int64)


@dataclass(frozen=True)
class Decimals:
    """Exact decimals: ``unscaled`` times 10 to the power of -``scale``."""

    unscaled: IntArray
    scale: int


Values: TypeAlias = "np.ndarray[Any, Any] | pa.Array | Decimals"


def to_physical(values: Values, column_type: ColumnType, null: BoolArray | None = None) -> pa.Array:
    """``values`` as one Arrow array in ``column_type``'s form; ``null`` marks what is NULL.

    Text and binaries arrive as Arrow arrays; whole numbers, bits, moments (microseconds since
    1970) and dates (days since 1970) as numpy arrays; decimals as Decimals of at most the
    column's scale. Raises ValueError for any other pair.
    """
    if isinstance(values, Decimals):
        return _to_decimal(values, column_type, null)
    if isinstance(values, pa.Array):
        array = values.cast(pa.large_binary()) if column_type.name == "varbinary" else values
        return _with_null(array, null)
    match column_type.name:
        case "bit":
            values, arrow_type = values.astype(bool), pa.bool_()
        case "date":
            values, arrow_type = values.astype("datetime64[D]"), pa.date32()
        case "datetime":
            values, arrow_type = _snap_to_datetime(values) * 10 + UNIX_EPOCH_TICKS, pa.int64()
        case "datetime2":
            values, arrow_type = values * 10 + UNIX_EPOCH_TICKS, pa.int64()
        case name if name in _INTEGERS:
            arrow_type = _INTEGERS[name]
        case _:
            raise ValueError(f"{type(values).__name__} is no form for a column of type {column_type}")
    return pa.array(values, arrow_type, mask=null)


def _with_null(array: pa.Array, null: BoolArray | None) -> pa.Array:
    return array if null is None else pc.if_else(pa.array(null), pa.scalar(None, array.type), array)


def _snap_to_datetime(microseconds: IntArray) -> IntArray:
    milliseconds = microseconds // 1000
    last_digit = milliseconds % 10
    return (milliseconds - last_digit + _DATETIME_LAST_DIGIT[last_digit]) * 1000


def _to_decimal(values: Decimals, column_type: ColumnType, null: BoolArray | None) -> pa.Array:
    precision, scale = column_type.precision, column_type.scale
    if precision is None or scale is None or values.scale > scale:
        raise ValueError(f"decimals of scale {values.scale} do not fit a column of type {column_type}")
    low_words = values.unscaled.astype(np.int64) * 10 ** (scale - values.scale)
    words = np.empty((len(low_words), 2), dtype=np.int64)  # little-endian 128-bit integers
    words[:, 0] = low_words
    words[:, 1] = low_words >> 63
    buffers = [None, pa.py_buffer(words.tobytes())]
    return _with_null(pa.Array.from_buffers(pa.decimal128(precision, scale), len(low_words), buffers), null)
