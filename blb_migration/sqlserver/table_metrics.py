"""Exact metrics over a table, all of them in one scan. What a metric means is in ``metrics.py``.

Nothing passes through a float: integers, decimals and money are summed as decimal(38, scale), in which
SQL Server's SUM raises an error (8115) rather than losing a digit. Columns so wide that a few rows could
get there are summed in two halves of 19 digits, which are put together here.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

from blb_migration import metrics
from blb_migration.metrics import Metric, MetricValue
from blb_migration.model import Column, ColumnType, Table, TableName
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.expressions import (
    BINARY_TYPES,
    TEXT_TYPES,
    code_point_count,
    computed_expression,
    decided_expression,
    read_expression,
)
from blb_migration.sqlserver.names import quote_name, quote_table
from blb_migration.types import MOMENTS, decimal_shape, name_source_types

# SQL Server takes at most 4,096 expressions in a select list ("Maximum capacity specifications").
MAX_SELECTED = 4000
_SUMMABLE_DIGITS = 28  # of a column, so that 10,000,000,000 rows fit in SQL Server's 38
_HALF_DIGITS = 19
_ROWVERSION_BYTES = 8
_SUM_DIGITS = 60
_MOMENTS = frozenset(name_source_types(*MOMENTS))


def is_summable(column_type: ColumnType) -> bool:
    """Whether its sum is exact and does not depend on the order of the rows."""
    return metrics.is_summable("sqlserver", column_type)


def is_ordered(column_type: ColumnType) -> bool:
    """Whether its min and max mean the same in every engine."""
    return column_type.name in _MOMENTS or (is_summable(column_type) and column_type.name != "bit")


def is_measurable(column_type: ColumnType) -> bool:
    """Whether the lengths of its values can be compared across engines."""
    return column_type.name in TEXT_TYPES or column_type.name in BINARY_TYPES


def count_rows(session: SourceSession, table: TableName) -> int:
    """Return the table's rows, counted, not estimated."""
    statement = f"SELECT COUNT_BIG(*) FROM {quote_table(table)}"
    return int(session.read_rows(statement, action="counting its rows", subject=str(table))[0][0])


def read_totals(session: SourceSession, table: Table, metrics: Sequence[Metric]) -> tuple[MetricValue, ...]:
    """Read the metrics, in the order asked, from one scan of the table; a very wide one takes two.

    Raises ValueError for a metric that has no exact answer (the sum of a float, the maximum of a text), and
    SourceError when SQL Server cannot compute one.
    """
    totals: list[MetricValue] = []
    for start in range(0, len(metrics), MAX_SELECTED):
        some = metrics[start : start + MAX_SELECTED]
        select_list = ", ".join(build_metric(table, metric) for metric in some)
        statement = f"SELECT {select_list} FROM {quote_table(table.name)}"
        row = session.read_rows(statement, action="computing its totals", subject=str(table.name))[0]
        totals += [
            normalise_total(value, _find_column(table, metric), metric)
            for value, metric in zip(row, some, strict=True)
        ]
    return tuple(totals)


def build_metric(table: Table, metric: Metric) -> str:
    """Build the T-SQL of one metric."""
    if metric.kind in ("count_rows", "count_where"):
        if metric.where is None and metric.kind == "count_where":
            raise ValueError("count_where needs a where")
        return f"COUNT_BIG({_only_where('1', metric) if metric.where else '*'})"
    column = _find_column(table, metric)
    assert column is not None
    if metric.kind == "count_non_null":
        # Not COUNT(column): SQL Server refuses it for text, ntext and image.
        is_filled = any(decision.covers == "is_null" for decision in metric.decisions)
        condition = "1 = 1" if is_filled else f"{_read_form(column, metric)} IS NOT NULL"
        if metric.where:
            condition += f" AND ({metric.where})"
        return f"COUNT_BIG(CASE WHEN {condition} THEN 1 END)"
    value = _build_value(column, metric)
    if _needs_halves(column, metric):
        return _build_sum_of_halves(_only_where(value, metric), column.type.scale or 0)
    function = "SUM" if metric.kind == "sum_length" else metric.kind.upper()
    return f"{function}({_only_where(value, metric)})"


def _only_where(expression: str, metric: Metric) -> str:
    return f"CASE WHEN {metric.where} THEN {expression} END" if metric.where else expression


def _build_value(column: Column, metric: Metric) -> str:
    kind, column_type = metric.kind, column.type
    if kind == "sum_length" and column_type.name in TEXT_TYPES:
        return f"CAST({code_point_count(column, metric.decisions)} AS bigint)"
    if kind == "sum_length" and column_type.name == "rowversion":
        # By documentation; DATALENGTH counts another form on servers that answer in SQL Server's place.
        is_null = f"{quote_name(column.name)} IS NULL"
        return f"CAST(CASE WHEN {is_null} THEN NULL ELSE {_ROWVERSION_BYTES} END AS bigint)"
    if kind == "sum_length" and column_type.name in BINARY_TYPES:
        return f"CAST(DATALENGTH({read_expression(column)}) AS bigint)"
    name = decided_expression(column, metric.decisions, _read_form(column, metric))
    if (kind == "sum" and is_summable(column_type)) or (
        kind in ("min", "max") and is_ordered(column_type) and column_type.name not in _MOMENTS
    ):
        return f"CAST({name} AS decimal(38, {decimal_shape(column_type)[1]}))"
    if kind in ("min", "max") and column_type.name == "datetimeoffset":
        return f"CAST(SWITCHOFFSET({name}, '+00:00') AS datetime2(7))"
    if kind in ("min", "max") and column_type.name in _MOMENTS:
        return name
    raise ValueError(f"{kind} of {column.name} ({column_type}) has no exact answer")


def _read_form(column: Column, metric: Metric) -> str:
    return computed_expression(column, metric.inputs) if metric.inputs else quote_name(column.name)


def _needs_halves(column: Column | None, metric: Metric) -> bool:
    if column is None or metric.kind != "sum" or column.type.name not in ("decimal", "numeric"):
        return False
    return (column.type.precision or 0) > _SUMMABLE_DIGITS


def _build_sum_of_halves(value: str, scale: int) -> str:
    """``high|low`` as text: the sum of the upper digits, as whole numbers of their unit, and of the rest.

    ROUND with 1 cuts. The division is exact, since the upper half has nothing but zeros below its unit; its
    result's scale, by the rules in "Precision, scale, and length", never takes a digit from the whole part.
    """
    high = f"ROUND({value}, {scale - _HALF_DIGITS}, 1)"
    if scale < _HALF_DIGITS:
        units = f"CAST({high} / CAST({10 ** (_HALF_DIGITS - scale)} AS decimal(20, 0)) AS decimal(38, 0))"
    else:
        units = f"CAST({high} AS decimal(38, {scale - _HALF_DIGITS}))"
    return f"CAST(SUM({units}) AS varchar(50)) + '|' + CAST(SUM({value} - {high}) AS varchar(50))"


def _join_halves(text: str, scale: int) -> Decimal:
    high, low = (Decimal(half) for half in text.split("|"))
    with localcontext(prec=_SUM_DIGITS):
        return high.scaleb(max(_HALF_DIGITS - scale, 0)) + low


def _find_column(table: Table, metric: Metric) -> Column | None:
    return None if metric.column is None else table.columns_by_name[metric.column]


def normalise_total(value: Any, column: Column | None, metric: Metric) -> MetricValue:
    """Return the driver's value in the form that ``metrics.py`` promises."""
    if value is None:
        return None
    if column is not None and _needs_halves(column, metric):
        return _join_halves(value, column.type.scale or 0)
    if metric.kind in ("sum", "min", "max") and isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, datetime.datetime | datetime.time):
        text = value.isoformat(timespec="microseconds")
        return f"{text}+00:00" if column is not None and column.type.name == "datetimeoffset" else text
    if isinstance(value, datetime.date):
        return value.isoformat()
    return int(value)
