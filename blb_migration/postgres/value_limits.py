"""Values that PostgreSQL would shorten without an error, found batch by batch before they are sent.

Too many digits before a decimal point, a NULL in a NOT NULL column, a text too long: the server
refuses those itself. It does not refuse, but cuts, in four cases: blanks beyond the length of a
varchar(n) or char(n), fractional seconds beyond a timestamp(p) or time(p), whole digits below a numeric's
negative scale, and decimal digits beyond its scale. The first three depend on values and are found here, the
last on types and is refused in ``encoders``. Rows that it does not take at once it refuses in words that
name no row: they are found here, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.errors import TargetError
from blb_migration.model import Column, TableName
from blb_migration.postgres.binary.buffers import read_numbers, read_offsets
from blb_migration.types import LARGEST_ROW_BYTES

MICROSECOND_DIGITS = 6


@dataclass(frozen=True)
class NarrowingGuard:
    """The check of one column; ``offends`` gives a boolean array, true where a value would be cut.

    Or None where a glance shows that none would be.
    """

    table: TableName
    column: Column
    offends: Callable[[Any], npt.NDArray[np.bool_] | None]

    def check(self, values: Any, rows_before: int) -> None:
        """Raise TargetError for the first value that does not fit; ``values`` is one Arrow array."""
        is_cut = self.offends(values)
        if is_cut is None or not is_cut.any():
            return
        position = int(is_cut.argmax())
        raise TargetError(
            f"column {self.table}.{self.column.name}",
            found=f"row {rows_before + position + 1} of the load holds a value that {self.column.type} "
            "would cut silently",
            expected="values that fit the target's type",
            next_act="Widen the target's column, or cover it by a decision in decisions.yaml",
        )


def build_guards(table: TableName, columns: tuple[Column, ...]) -> dict[int, NarrowingGuard]:
    """Build the guards that ``columns`` need, by position; most columns need none."""
    guards = {}
    for position, column in enumerate(columns):
        offends = _find_test(column)
        if offends is not None:
            guards[position] = NarrowingGuard(table, column, offends)
    return guards


def _find_test(column: Column) -> Callable[[Any], Any] | None:
    target_type = column.type
    if target_type.name in ("character varying", "character") and target_type.length is not None:
        length = target_type.length
        return lambda values: _is_longer(values, length)
    if target_type.name.startswith(("timestamp ", "time ")) and target_type.scale is not None:
        step_microseconds = 10 ** (MICROSECOND_DIGITS - target_type.scale)
        if step_microseconds > 1:
            return lambda values: _is_between_steps(values, step_microseconds)
    if target_type.name == "numeric" and (target_type.scale or 0) < 0:
        step = 10 ** -(target_type.scale or 0)
        return lambda values: np.array([bool(value and value % step) for value in values.to_pylist()])
    return None


def _is_longer(values: Any, length: int) -> npt.NDArray[np.bool_] | None:
    # No text has more characters than bytes, and most columns hold nothing as long as they may.
    if not len(values) or np.diff(read_offsets(values)).max() <= length:
        return None
    is_longer: npt.NDArray[np.bool_] = read_numbers(pc.utf8_length(values)) > length
    return is_longer


def _is_between_steps(values: Any, step_microseconds: int) -> npt.NDArray[np.bool_]:
    ticks = read_numbers(values.cast(pa.int64()))
    is_between: npt.NDArray[np.bool_] = ticks % step_microseconds != 0
    return is_between


def refuse_large_rows(table: TableName, batch: pa.RecordBatch, rows_before: int) -> None:
    """Raise TargetError for the largest row, where it has more bytes than PostgreSQL takes at once."""
    if batch.nbytes <= LARGEST_ROW_BYTES:
        return
    varying = [
        (field.name, pc.fill_null(pc.binary_length(array), 0).cast(pa.int64()).to_numpy())
        for field, array in zip(batch.schema, batch.columns, strict=True)
        if pa.types.is_large_string(field.type) or pa.types.is_large_binary(field.type)
    ]
    row_bytes = sum((lengths for _, lengths in varying), np.zeros(batch.num_rows, dtype=np.int64))
    position = int(row_bytes.argmax())
    if row_bytes[position] <= LARGEST_ROW_BYTES:
        return
    longest = max(varying, key=lambda each: int(each[1][position]))[0]
    raise TargetError(
        f"table {table}",
        found=f"row {rows_before + position + 1} of the load has {int(row_bytes[position]):,} bytes, most "
        f"of them in column {longest}",
        expected=f"at most {LARGEST_ROW_BYTES:,} bytes, which PostgreSQL takes of one row",
        next_act="Divide the value at the source, keep it elsewhere (files, large objects), or skip the "
        "column in decisions.yaml",
    )
