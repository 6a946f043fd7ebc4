"""The checks ``row_count`` and ``key_totals``: each side computes its metrics in SQL, in one scan."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

from blb_migration.checks import Comparison
from blb_migration.compare.metric_selection import ComparedMetric
from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.metrics import MetricValue
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres import table_metrics as target_metrics
from blb_migration.postgres.names import TargetConnection
from blb_migration.sqlserver import table_metrics as source_metrics
from blb_migration.sqlserver.connect import SourceSession

_ENOUGH_DIGITS = 100  # a sum has at most 38 on SQL Server's side and few more on PostgreSQL's


def compare_metrics(
    migration: Migration, table: TablePlan, connection: TargetConnection, metrics: Sequence[ComparedMetric]
) -> tuple[Comparison, ...]:
    """Both sides' metrics, in the order given. Raises SourceError or TargetError.

    A column's metric that the source cannot compute (a sum past 38 digits, a function it lacks) is left
    out: it is then no part of what the report says was compared. Rows and key totals are never left out.
    """
    with migration.source.connect() as session:
        answered = _read_source(session, table, metrics)
    target_values = target_metrics.read_totals(connection, table.target, [f.target for f, _ in answered])
    return tuple(
        _compare(metric, source_value, target_value)
        for (metric, source_value), target_value in zip(answered, target_values, strict=True)
    )


def _read_source(
    session: SourceSession, table: TablePlan, metrics: Sequence[ComparedMetric]
) -> list[tuple[ComparedMetric, MetricValue]]:
    """Read the metrics with their values, from one scan; one by one only where that scan fails."""
    try:
        values = source_metrics.read_totals(session, table.source, [metric.source for metric in metrics])
        return list(zip(metrics, values, strict=True))
    except SourceUnreachable:
        raise
    except SourceError as error:
        answered = []
        for metric in metrics:
            try:
                value = source_metrics.read_totals(session, table.source, [metric.source])[0]
            except SourceUnreachable:
                raise
            except SourceError:
                if metric.is_key_total or metric.source.column is None:
                    raise
                continue
            answered.append((metric, value))
        if not answered:
            raise error
        return answered


def _compare(metric: ComparedMetric, source_value: MetricValue, target_value: MetricValue) -> Comparison:
    difference = None
    if isinstance(source_value, int | Decimal) and isinstance(target_value, int | Decimal):
        with localcontext(prec=_ENOUGH_DIGITS):
            difference = _as_text(Decimal(target_value) - Decimal(source_value))
    return Comparison(
        name=metric.name,
        source_value=_as_text(source_value),
        target_value=_as_text(target_value),
        match=source_value == target_value,
        difference=difference,
        is_key_total=metric.is_key_total,
    )


def _as_text(value: MetricValue) -> str | None:
    return None if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)
