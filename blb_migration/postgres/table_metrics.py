"""Exact metrics over a target table, all of them in one scan. What a metric means is in ``metrics.py``.

The target's counterpart of ``sqlserver/totals.py``; what can be asked of a column must be asked
of both sides, so callers ask ``is_summable`` and its siblings of each.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from psycopg import sql

from blb_migration import metrics
from blb_migration.metrics import Metric, MetricValue
from blb_migration.model import Column, ColumnType, Table, TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_name,
    quote_identifier,
    server_text,
)
from blb_migration.types import EXACT_NUMBERS, MOMENTS, name_target_types

_NUMBERS = frozenset(name_target_types(*EXACT_NUMBERS))
_MOMENTS = frozenset(name_target_types(*MOMENTS))
# Not character(n), whose padding char_length leaves out; not jsonb and xml, which rewrite their text.
_TEXTS = frozenset({"character varying", "text", "citext", "json"})


def is_summable(column_type: ColumnType) -> bool:
    """Whether its sum is exact and does not depend on the order of the rows."""
    return metrics.is_summable("postgres", column_type)


def is_ordered(column_type: ColumnType) -> bool:
    """Whether its min and max mean the same in every engine."""
    return column_type.name in _NUMBERS or column_type.name in _MOMENTS


def is_measurable(column_type: ColumnType) -> bool:
    """Whether the lengths of its values can be compared across engines."""
    return column_type.name in _TEXTS or column_type.name == "bytea"


def count_rows(connection: TargetConnection, table: TableName) -> int:
    """Return the table's rows, counted, not estimated. Raises TargetError."""
    with target_errors(f"table {table}"):
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(qualified_name(table))).fetchone()
    return int(row[0]) if row else 0


def read_totals(
    connection: TargetConnection, table: Table, metrics: Sequence[Metric]
) -> tuple[MetricValue, ...]:
    """Read the metrics, in the order asked, from one scan of the table.

    They come in arrays, one for each type: a target list has at most 1,664 entries, a table may have 1,600
    columns.

    Raises ValueError for a metric that has no exact answer (the sum of a float, the maximum of a
    text), and TargetError when PostgreSQL cannot compute one.
    """
    if not metrics:
        return ()
    by_type: dict[str, list[int]] = {}
    for position, metric in enumerate(metrics):
        by_type.setdefault(_name_result_type(table, metric), []).append(position)
    arrays = [
        sql.SQL("ARRAY[{}]::{}[]").format(
            sql.SQL(", ").join(_select(table, metrics[position]) for position in positions),
            sql.SQL(type_name),  # one of PostgreSQL's own names
        )
        for type_name, positions in by_type.items()
    ]
    statement = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(arrays),
        qualified_name(table.name),
    )
    with target_errors(f"totals of table {table.name}"):
        row = connection.execute(statement).fetchone()
    assert row is not None
    values: dict[int, MetricValue] = {}
    for positions, array in zip(by_type.values(), row, strict=True):
        for position, value in zip(positions, array, strict=True):
            values[position] = normalise_total(value, metrics[position])
    return tuple(values[position] for position in range(len(metrics)))


def _name_result_type(table: Table, metric: Metric) -> str:
    """Name the type that the metric's value has or may be cast to without loss."""
    if metric.kind in ("min", "max") and metric.column is not None:
        name = table.columns_by_name[metric.column].type.name
        if name in _MOMENTS:
            return "text"  # Python holds only a part of what these types do
    return "numeric"


def build_metric(table: Table, metric: Metric) -> sql.Composed:
    """Build the SQL of one metric."""
    if metric.kind == "count_where" and metric.where is None:
        raise ValueError("count_where needs a where")
    restriction = (
        sql.SQL(" FILTER (WHERE {})").format(server_text(metric.where)) if metric.where else sql.SQL("")
    )
    return sql.SQL("{}{}").format(_build_call(table, metric), restriction)


def _build_call(table: Table, metric: Metric) -> sql.Composable:
    if metric.kind in ("count_rows", "count_where"):
        return sql.SQL("count(*)")
    if metric.column is None:
        raise ValueError(f"{metric.kind} needs a column")
    column = table.columns_by_name[metric.column]
    name = quote_identifier(column.name)
    if metric.kind == "count_non_null":
        return sql.SQL("count({})").format(name)
    return sql.SQL("{}({})").format(
        sql.SQL("sum" if metric.kind == "sum_length" else metric.kind), _build_value(column, metric)
    )


def _select(table: Table, metric: Metric) -> sql.Composable:
    return sql.SQL("({})::{}").format(build_metric(table, metric), sql.SQL(_name_result_type(table, metric)))


def _build_value(column: Column, metric: Metric) -> sql.Composable:
    kind, column_type, name = metric.kind, column.type, quote_identifier(column.name)
    if kind == "sum" and column_type.name == "boolean":
        return sql.SQL("{}::int").format(name)
    if kind == "sum" and is_summable(column_type):
        return name
    if kind in ("min", "max") and is_ordered(column_type):
        return name
    if kind == "sum_length" and column_type.name in _TEXTS:
        return sql.SQL("char_length({}::text)").format(name)
    if kind == "sum_length" and column_type.name == "bytea":
        return sql.SQL("octet_length({})").format(name)
    raise ValueError(f"{kind} of {column.name} ({column_type}) has no exact answer")


def normalise_total(value: Any, metric: Metric) -> MetricValue:
    """Return the driver's value in the form that ``metrics.py`` promises."""
    if value is None:
        return None
    if isinstance(value, str):
        return _normalise_moment(value)
    if metric.kind in ("sum", "min", "max"):
        return Decimal(value)
    return int(value)


def _normalise_moment(text: str) -> str:
    """Return a date or time as ISO 8601, moments with microseconds.

    What Python cannot hold (infinity, 24:00:00, years before 1 and after 9999) stays as PostgreSQL shows it.
    """
    with suppress(ValueError):
        return datetime.date.fromisoformat(text).isoformat()
    with suppress(ValueError):
        return datetime.time.fromisoformat(text).isoformat(timespec="microseconds")
    with suppress(ValueError):
        moment = datetime.datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is None else moment.astimezone(datetime.UTC)
        return moment.isoformat(timespec="microseconds")
    return text
