"""A table's rows as Arrow record batches, bounded in bytes whatever the table's size. Converts no values.

How many rows a batch may have is ``batch_sizes.py``'s. For (max) columns the source is asked for the longest
value first (``longest_values.py``): where all are short they are read as sized ones, which the driver fetches
64 rows at a time; otherwise it fetches value by value, and knows at least in how large steps that is safe.
Decimals come as integers (``integer_decimals.py``). Where a server cannot do that, its rows are read as they
stand.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.errors import SourceError
from blb_migration.model import Column, TableName
from blb_migration.sqlserver.batch_sizes import TARGET_BATCH_BYTES, BatchSizes, declared_width_bytes
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.expressions import read_expression
from blb_migration.sqlserver.failures import build_statement_failure
from blb_migration.sqlserver.integer_decimals import build_integer_expressions, restore_decimals
from blb_migration.sqlserver.longest_values import (
    SizedReading,
    build_sized_reading,
    is_measurable,
    read_longest_bytes,
)
from blb_migration.sqlserver.names import quote_columns, quote_name, quote_table
from blb_migration.without_pandas import keep_pandas_out

# Below so many rows, asking for the longest values costs more than reading value by value.
ASK_FROM_ROWS = 2_000
_SCALE_IN_DESCRIPTION = 5  # PEP 249, Cursor.description


@dataclass(frozen=True)
class KeyRange:
    """Rows whose ``column`` is >= ``first`` and < ``before``; None leaves that end open.

    ``column`` must be NOT NULL, or rows would be in no range. Bounds are bound parameters, never SQL text;
    ``bound`` is the T-SQL that makes one a value of the column's type.
    """

    column: str
    first: object | None = None
    before: object | None = None
    bound: str = "?"


def build_select(
    table: TableName,
    columns: Sequence[Column],
    key_range: KeyRange | None = None,
    order_by: Sequence[str] = (),
    *,
    marks: Sequence[str] = (),
    expressions: Mapping[str, str] | None = None,
) -> tuple[str, tuple[object, ...]]:
    """Build the SELECT and its parameters: an explicit, quoted column list in the order given, then the
    marks."""
    select_list = ", ".join(
        expression if expression == quote_name(column.name) else f"{expression} AS {quote_name(column.name)}"
        for column in columns
        for expression in [(expressions or {}).get(column.name) or read_expression(column)]
    )
    for number, mark in enumerate(marks):
        name = quote_name(_name_mark(number))
        select_list += f", CAST(CASE WHEN {mark} THEN 1 ELSE 0 END AS bit) AS {name}"
    condition, parameters = build_range_condition(key_range)
    statement = f"SELECT {select_list} FROM {quote_table(table)}{condition}"
    if order_by:
        statement += f" ORDER BY {quote_columns(tuple(order_by))}"
    return statement, parameters


def try_reading(session: SourceSession, table: TableName, columns: Sequence[Column]) -> dict[str, int]:
    """Send the SELECT of a load and ask for no rows. Raises SourceError as the load would.

    Returns the digits after the point that the server sends of decimals, by column, where its catalog tells
    another number.
    """
    statement, _ = build_select(table, columns)
    action = "trying to select its rows"
    with session.open_cursor(f"{statement} WHERE 1 = 0", action=action, subject=str(table)) as cursor:
        scales = {
            column.name: sent[_SCALE_IN_DESCRIPTION]
            for column, sent in zip(columns, cursor.description or (), strict=False)
            if column.type.name in ("decimal", "numeric")
        }
    told = {column.name: column.type.scale or 0 for column in columns}
    return {name: sent for name, sent in scales.items() if sent is not None and sent != told[name]}


def build_range_condition(key_range: KeyRange | None) -> tuple[str, tuple[object, ...]]:
    """Build the WHERE clause of a range, with a blank before it, and its parameters; empty for all rows."""
    conditions, parameters = [], []
    if key_range is not None:
        for operator, bound in ((">=", key_range.first), ("<", key_range.before)):
            if bound is not None:
                conditions.append(f"{quote_name(key_range.column)} {operator} {key_range.bound}")
                parameters.append(bound)
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", tuple(parameters)


def _name_mark(number: int) -> str:
    return f"mark {number}"


def read_batches(
    session: SourceSession,
    table: TableName,
    columns: Sequence[Column],
    *,
    key_range: KeyRange | None = None,
    order_by: Sequence[str] = (),
    marks: Sequence[str] = (),
    expressions: Mapping[str, str] | None = None,
    row_estimate: int | None = None,
    target_batch_bytes: int = TARGET_BATCH_BYTES,
) -> Generator[pa.RecordBatch, None, None]:
    """Stream a table's rows; yields nothing for an empty one. Closing the iterator cancels the read.

    Column names and order are those of ``columns``. Types are the driver's: text as large_string,
    binaries as large_binary, exact numbers as decimal128(p, s), tinyint as uint8, times as time64[ns],
    other dates and times as timestamp[us] (a seventh digit is cut off), datetimeoffset as its instant in
    UTC.

    ``marks`` are conditions (of ``probes.build_condition``) about what a value loses on its way through the
    driver; each adds a bool column after the others, true where the row met it.

    ``expressions`` says in T-SQL how columns are read that are not read as they stand, by their names.

    ``row_estimate`` decides nothing but whether asking for the longest (max) values is worth a statement.

    Raises SourceError naming the table and the rows read so far; an error never looks like the end. It is
    transient where a (max) value outgrew, while it was read, what the source had said just before.
    """
    keep_pandas_out()
    reading = _Reading(session, table, tuple(columns), key_range, tuple(order_by), tuple(marks),
                       expressions or {}, target_batch_bytes)  # fmt: skip
    longest = reading.read_longest_bytes(row_estimate)
    shortcuts = reading.find_shortcuts(longest)
    if shortcuts is not None:
        with closing(reading.iterate_by_shortcuts(shortcuts, longest)) as batches:
            try:
                first = next(batches, None)
            except SourceError:
                # Nothing was handed on yet: it is read as it stands, by a server that cannot do it otherwise
                # or whose rows have just changed. A broken connection fails there as well.
                pass
            else:
                if first is not None:
                    yield first
                    yield from batches
                return
    yield from reading.iterate_as_it_stands(longest)


@dataclass(frozen=True)
class _Shortcuts:
    """Columns read in another type: (max) ones as ``sized``, decimals as the integers of ``integers``."""

    sized: SizedReading | None
    integers: Mapping[str, str]


@dataclass(frozen=True)
class _Reading:
    """What ``read_batches`` was asked for."""

    session: SourceSession
    table: TableName
    columns: tuple[Column, ...]
    key_range: KeyRange | None
    order_by: tuple[str, ...]
    marks: tuple[str, ...]
    expressions: Mapping[str, str]
    target_batch_bytes: int

    def find_shortcuts(self, longest_bytes: Mapping[str, int]) -> _Shortcuts | None:
        """Return what need not be read as it stands; None when there is nothing."""
        is_sizable = bool(longest_bytes) and all(
            declared_width_bytes(column) is not None or column.name in longest_bytes
            for column in self.columns
        )
        sized = build_sized_reading(self.columns, longest_bytes) if is_sizable else None
        # ORDER BY means the selected expression where it has the column's name, and would sort by it.
        plain = [
            column
            for column in self.columns
            if column.name not in self.expressions and column.name not in self.order_by
        ]
        integers = build_integer_expressions(plain)
        return _Shortcuts(sized, integers) if sized is not None or integers else None

    def _is_askable(self, column: Column) -> bool:
        return is_measurable(column) and column.name not in self.expressions

    def read_longest_bytes(self, row_estimate: int | None) -> dict[str, int]:
        """Read the longest value's bytes of each (max) column; nothing if it is not worth asking, or
        unknown."""
        asked = [column for column in self.columns if self._is_askable(column)]
        if not asked or (row_estimate is not None and row_estimate < ASK_FROM_ROWS):
            return {}
        try:
            return read_longest_bytes(self.session, self.table, asked, *build_range_condition(self.key_range))
        except SourceError:
            return {}  # a server that cannot tell; what else may be wrong, the reading itself will say

    def iterate_as_it_stands(self, longest_bytes: Mapping[str, int]) -> Generator[pa.RecordBatch, None, None]:
        sizes = BatchSizes(self.columns, self.target_batch_bytes, longest_bytes)
        yield from self._iterate(self.expressions, self.marks, sizes)

    def iterate_by_shortcuts(
        self, shortcuts: _Shortcuts, longest_bytes: Mapping[str, int]
    ) -> Generator[pa.RecordBatch, None, None]:
        sized, integers = shortcuts.sized, shortcuts.integers
        columns = self.columns if sized is None else sized.columns
        expressions = {**self.expressions, **integers, **(sized.expressions if sized else {})}
        marks = self.marks if sized is None else (*self.marks, sized.outgrown)
        sizes = BatchSizes(columns, self.target_batch_bytes, longest_bytes)
        rows_read = 0
        with closing(self._iterate(expressions, marks, sizes)) as batches:
            for batch in batches:
                rows_read += batch.num_rows
                if sized is not None:
                    if pc.any(batch.column(batch.num_columns - 1)).as_py():
                        raise _build_outgrown_failure(self.table, rows_read)
                    batch = batch.select(batch.schema.names[:-1])  # noqa: PLW2901
                yield restore_decimals(batch, self.columns, integers)

    def _iterate(
        self, expressions: Mapping[str, str], marks: tuple[str, ...], sizes: BatchSizes
    ) -> Generator[pa.RecordBatch, None, None]:
        statement, parameters = build_select(
            self.table, self.columns, self.key_range, self.order_by, marks=marks, expressions=expressions
        )
        names = [column.name for column in self.columns] + [_name_mark(n) for n in range(len(marks))]
        rows_read = 0
        steps: list[pa.RecordBatch] = []
        with self.session.open_cursor(
            statement,
            parameters,
            action="selecting its rows",
            subject=str(self.table),
            is_stream=not self.order_by,
        ) as cursor:
            while True:
                try:
                    step: pa.RecordBatch = cursor.arrow_batch(sizes.next_rows)
                except SourceError:  # it fell silent
                    raise
                except Exception as error:
                    raise build_read_failure(error, self.table, rows_read) from error
                if step.num_rows == 0:
                    break
                rows_read += step.num_rows
                sizes.learn(step)
                steps.append(step)
                if sizes.batch_is_full:
                    yield _put_together(steps, names)
                    steps = []
                    sizes.start_batch()
        if steps:
            yield _put_together(steps, names)


def _put_together(steps: Sequence[pa.RecordBatch], names: list[str]) -> pa.RecordBatch:
    if len(steps) == 1:
        return steps[0].rename_columns(names)
    return pa.Table.from_batches(steps).rename_columns(names).combine_chunks().to_batches()[0]


def _build_outgrown_failure(table: TableName, rows_read: int) -> SourceError:
    failure = SourceError(
        str(table),
        found=f"within {rows_read:,} rows came a (max) value longer than the longest one just before",
        expected="rows that do not change while they are read",
        next_act="Run the table again; if this comes back, freeze the source or read from a snapshot of it",
    )
    failure.is_transient = True
    return failure


def build_read_failure(error: Exception, table: TableName, rows_read: int) -> SourceError:
    """Build the error of a read that broke off: how far it came, and why."""
    return build_statement_failure(error, str(table), f"reading it broke off after {rows_read:,} rows")
