"""Exact metrics over a target table, all of them in one scan. What a metric means is in ``metrics.py``.

The target's counterpart of ``sqlserver/totals.py``; what can be asked of a column must be asked
of both sides, so callers ask ``is_summable`` and its siblings of each.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
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

    Raises ValueError for a metric that has no exact answer (the sum of a float, the maximum of a
    text), and TargetError when PostgreSQL cannot compute one.
    """
    if not metrics:
        return ()
    statement = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(build_metric(table, metric) for metric in metrics),
        qualified_name(table.name),
    )
    with target_errors(f"totals of table {table.name}"):
        row = connection.execute(statement).fetchone()
    return tuple(normalise_total(value, metric) for value, metric in zip(row or (), metrics, strict=True))


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
    if isinstance(value, datetime.datetime):
        moment = value if value.tzinfo is None else value.astimezone(datetime.UTC)
        return moment.isoformat(timespec="microseconds")
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if metric.kind in ("sum", "min", "max"):
        return Decimal(value)
    return int(value)
