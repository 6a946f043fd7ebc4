"""The sample's physical values as Python's own, for the tests that load and look at them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from blb_migration.model import ColumnType

_FIRST_MOMENT = datetime(1, 1, 1)


def to_python(array: pa.Array | pa.ChunkedArray, column_type: ColumnType) -> list[Any]:
    """Values a PostgreSQL driver takes: datetimes for ticks of 100 ns, the rest as Arrow gives it."""
    values: list[Any] = array.to_pylist()
    if column_type.name not in ("datetime", "datetime2"):
        return values
    assert all(ticks is None or ticks % 10 == 0 for ticks in values), "more digits than microseconds"
    return [
        None if ticks is None else _FIRST_MOMENT + timedelta(microseconds=ticks // 10) for ticks in values
    ]
