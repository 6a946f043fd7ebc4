"""One table's rows while they are made: ids, columns, and what is NULL.

``Rows`` is a column store with the table's own rules: identity numbers with gaps, every column
present, text fit for its type. Columns that nothing has put are made by their meaning
(``meanings.py``). Which rows there are is for the rooms of the farm to say (``people.py``,
``sales.py`` and so on).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.model import Table
from blb_migration.sandbox.erp.physical import BoolArray, Decimals, IntArray, Values, to_physical

IDENTITY_CACHE_JUMP = 1000  # what a restart of SQL Server skips of an int identity
_DELETED_SHARE = 0.04


def number_rows(rng: np.random.Generator, count: int) -> IntArray:
    """``count`` ascending identity numbers with the gaps that deleted rows and a restart leave."""
    steps = np.ones(count, dtype=np.int64)
    deleted = rng.random(count) < _DELETED_SHARE
    steps[deleted] += rng.integers(1, 4, int(deleted.sum()))
    if count > 150:
        steps[count * 2 // 3] += IDENTITY_CACHE_JUMP
    return np.cumsum(steps)


class Rows:
    """The rows of one source table; columns are put in bulk, then turned into Arrow."""

    def __init__(self, table: Table, rng: np.random.Generator, ids: IntArray) -> None:
        self.table = table
        self.rng = rng
        self.ids = ids
        self._values: dict[str, Values] = {}
        self._null: dict[str, BoolArray] = {}
        if "id" in table.columns_by_name:
            self._values["id"] = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, column: str) -> bool:
        return column in self._values

    def __getitem__(self, column: str) -> Any:
        """Return the numbers put into a column; Decimals as their unscaled integers."""
        values = self._values[column]
        return values.unscaled if isinstance(values, Decimals) else values

    def is_null(self, column: str) -> BoolArray:
        """Which rows of the column are NULL."""
        return self._null.get(column, np.zeros(len(self), dtype=bool))

    def put(self, null: BoolArray | None = None, **columns: Values | int | str | bool | None) -> None:
        """Set whole columns; a scalar is repeated, None is NULL everywhere. ``null`` is for all."""
        for name, values in columns.items():
            if name not in self.table.columns_by_name:
                raise ValueError(f"{self.table.name} has no column {name}")
            self._values[name] = self._repeat(name, values)
            if values is None:
                self._null[name] = np.ones(len(self), dtype=bool)
            elif null is not None:
                self._null[name] = null

    def put_text(self, position: int, column: str, text: str | None) -> None:
        """Replace one row's text."""
        values = self._values[column]
        if not isinstance(values, pa.Array):
            raise ValueError(f"{self.table.name}.{column} holds no text")
        is_here = np.zeros(len(self), dtype=bool)
        is_here[position] = True
        self._values[column] = pc.if_else(pa.array(is_here), pa.scalar(text, values.type), values)
        if column in self._null:
            self._null[column] = self._null[column] & ~is_here

    def forget_text(self) -> None:
        """Keep only the numbers, which later tables refer to."""
        self._values = {
            name: values for name, values in self._values.items() if not isinstance(values, pa.Array)
        }

    def to_arrow(self) -> pa.Table:
        """All columns of the table in its order, rows by id, in the forms of ``results.py``."""
        columns = self.table.columns
        arrays = [to_physical(self._values[c.name], c.type, self._null.get(c.name)) for c in columns]
        table = pa.table(arrays, names=[c.name for c in columns])
        if np.all(np.diff(self.ids) > 0):
            return table
        return table.take(pa.array(np.argsort(self.ids)))

    def describe_table(self) -> Table:
        """Return the table, its identity counter a little ahead of its highest id."""
        if not len(self):
            return replace(self.table, row_estimate=0)
        ahead = int(self.rng.integers(1, 12))
        columns = tuple(
            replace(column, identity=replace(column.identity, last_value=int(self.ids.max()) + ahead))
            if column.identity
            else column
            for column in self.table.columns
        )
        return replace(self.table, columns=columns, row_estimate=len(self))

    def _repeat(self, name: str, values: Values | int | str | bool | None) -> Values:
        count = len(self)
        if isinstance(values, (np.ndarray, pa.Array, Decimals)):
            length = len(values.unscaled) if isinstance(values, Decimals) else len(values)
            if length != count:
                raise ValueError(f"{self.table.name}.{name}: {length} values for {count} rows")
            return values
        if values is not None:
            return pa.repeat(values, count) if isinstance(values, str) else np.full(count, values)
        match self.table.columns_by_name[name].type.name:
            case "decimal" | "numeric":
                return Decimals(np.zeros(count, dtype=np.int64), 0)
            case "varchar" | "nvarchar":
                return pa.nulls(count, pa.string())
            case _:
                return np.zeros(count, dtype=np.int64)
