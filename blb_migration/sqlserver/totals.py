"""Exact figures over a table, all of them in one scan. What a figure means is in ``aggregates.py``.

Nothing passes through a float: integers, decimals and money are summed as decimal(38, scale), in which
SQL Server's SUM raises an error (8115) rather than losing a digit.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from blb_migration.aggregates import Aggregate, AggregateValue
from blb_migration.model import Column, ColumnType, Table, TableName
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.expressions import BINARY_TYPES, TEXT_TYPES, code_point_count, read_expression
from blb_migration.sqlserver.names import quote_name, quote_table

_SCALES = {"bit": 0, "tinyint": 0, "smallint": 0, "int": 0, "bigint": 0, "money": 4, "smallmoney": 4}
_MOMENTS = frozenset({"date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset"})


def is_summable(column_type: ColumnType) -> bool:
    """Whether its sum is exact and does not depend on the order of the rows."""
    return column_type.name in _SCALES or column_type.name in ("decimal", "numeric")


def is_ordered(column_type: ColumnType) -> bool:
    """Whether its min and max mean the same in every engine."""
    return column_type.name in _MOMENTS or (is_summable(column_type) and column_type.name != "bit")


def is_measurable(column_type: ColumnType) -> bool:
    """Whether the lengths of its values can be compared across engines."""
    return column_type.name in TEXT_TYPES or column_type.name in BINARY_TYPES


def count_rows(session: SourceSession, table: TableName) -> int:
    """The table's rows, counted, not estimated."""
    statement = f"SELECT COUNT_BIG(*) FROM {quote_table(table)}"
    return int(session.read_rows(statement, action="counting its rows", subject=str(table))[0][0])


def read_totals(
    session: SourceSession, table: Table, aggregates: Sequence[Aggregate]
) -> tuple[AggregateValue, ...]:
    """The figures, in the order asked, from one scan of the table.

    Raises ValueError for a figure that has no exact answer (the sum of a float, the maximum of a text), and
    SourceError when SQL Server cannot compute one.
    """
    if not aggregates:
        return ()
    select_list = ", ".join(build_aggregate(table, aggregate) for aggregate in aggregates)
    statement = f"SELECT {select_list} FROM {quote_table(table.name)}"
    row = session.read_rows(statement, action="computing its totals", subject=str(table.name))[0]
    return tuple(
        normalise_total(value, _find_column(table, aggregate), aggregate)
        for value, aggregate in zip(row, aggregates, strict=True)
    )


def build_aggregate(table: Table, aggregate: Aggregate) -> str:
    """The T-SQL of one figure."""
    if aggregate.kind in ("count_rows", "count_where"):
        if aggregate.where is None and aggregate.kind == "count_where":
            raise ValueError("count_where needs a where")
        return f"COUNT_BIG({_only_where('1', aggregate) if aggregate.where else '*'})"
    column = _find_column(table, aggregate)
    assert column is not None
    if aggregate.kind == "count_non_null":
        # Not COUNT(column): SQL Server refuses it for text, ntext and image.
        condition = f"{quote_name(column.name)} IS NOT NULL"
        if aggregate.where:
            condition += f" AND ({aggregate.where})"
        return f"COUNT_BIG(CASE WHEN {condition} THEN 1 END)"
    value = _build_value(column, aggregate)
    function = "SUM" if aggregate.kind == "sum_length" else aggregate.kind.upper()
    return f"{function}({_only_where(value, aggregate)})"


def _only_where(expression: str, aggregate: Aggregate) -> str:
    return f"CASE WHEN {aggregate.where} THEN {expression} END" if aggregate.where else expression


def _build_value(column: Column, aggregate: Aggregate) -> str:
    kind, column_type, name = aggregate.kind, column.type, quote_name(column.name)
    if kind == "sum_length" and column_type.name in TEXT_TYPES:
        return f"CAST({code_point_count(column)} AS bigint)"
    if kind == "sum_length" and column_type.name in BINARY_TYPES:
        return f"CAST(DATALENGTH({read_expression(column)}) AS bigint)"
    if (kind == "sum" and is_summable(column_type)) or (
        kind in ("min", "max") and is_ordered(column_type) and column_type.name not in _MOMENTS
    ):
        return f"CAST({name} AS decimal(38, {_SCALES.get(column_type.name, column_type.scale or 0)}))"
    if kind in ("min", "max") and column_type.name == "datetimeoffset":
        return f"CAST(SWITCHOFFSET({name}, '+00:00') AS datetime2(7))"
    if kind in ("min", "max") and column_type.name in _MOMENTS:
        return name
    raise ValueError(f"{kind} of {column.name} ({column_type}) has no exact answer")


def _find_column(table: Table, aggregate: Aggregate) -> Column | None:
    return None if aggregate.column is None else table.columns_by_name[aggregate.column]


def normalise_total(value: Any, column: Column | None, aggregate: Aggregate) -> AggregateValue:
    """The driver's value in the form that ``aggregates.py`` promises."""
    if value is None:
        return None
    if aggregate.kind in ("sum", "min", "max") and isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, datetime.datetime):
        text = value.isoformat(timespec="microseconds")
        return f"{text}+00:00" if column is not None and column.type.name == "datetimeoffset" else text
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return int(value)
