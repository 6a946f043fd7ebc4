"""Values that PostgreSQL would shorten without an error, found batch by batch before they are sent.

Too many digits before a decimal point, a NULL in a NOT NULL column, a text too long: the server
refuses those itself. It does not refuse, but cuts, in three cases: blanks beyond the length of a
varchar(n) or char(n), fractional seconds beyond a timestamp(p) or time(p), and decimal digits beyond
a numeric's scale. The first two depend on values and are found here, the third on types and is
refused in ``encoders``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.errors import TargetError
from blb_migration.model import Column, TableName

MICROSECOND_DIGITS = 6


@dataclass(frozen=True)
class NarrowingGuard:
    """The check of one column; ``offends`` gives a boolean array, true where a value would be cut."""

    table: TableName
    column: Column
    offends: Callable[[Any], Any]

    def check(self, values: Any, rows_before: int) -> None:
        """Raise TargetError for the first value that does not fit; ``values`` is one Arrow array."""
        position = pc.index(self.offends(values), pa.scalar(True)).as_py()
        if position < 0:
            return
        raise TargetError(
            f"column {self.table}.{self.column.name}",
            found=f"row {rows_before + position + 1} of the load holds a value that {self.column.type} "
            "would cut silently",
            expected="values that fit the target's type",
            next_act="Widen the target's column, or cover it by a decision in decisions.yaml",
        )


def build_guards(table: TableName, columns: tuple[Column, ...]) -> dict[int, NarrowingGuard]:
    """The guards that ``columns`` need, by position; most columns need none."""
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
        return lambda values: pc.greater(pc.utf8_length(values), length)
    if target_type.name.startswith(("timestamp ", "time ")) and target_type.scale is not None:
        step_microseconds = 10 ** (MICROSECOND_DIGITS - target_type.scale)
        if step_microseconds > 1:
            return lambda values: _is_between_steps(values, step_microseconds)
    return None


def _is_between_steps(values: Any, step_microseconds: int) -> Any:
    ticks = values.cast(pa.int64())
    # Arrow has no modulo; its integer division truncates, and so does this product's inverse.
    whole = pc.multiply(pc.divide(ticks, step_microseconds), step_microseconds)
    return pc.not_equal(ticks, whole)
