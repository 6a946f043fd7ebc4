"""The checks ``row_count`` and ``key_totals``: each side computes its metrics in SQL, in one scan.

A column's metric that the source refuses (a sum past 38 digits, a function it lacks) is left out and named:
the report says what was not compared, beside what was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from blb_migration.checks import HIDDEN, Comparison
from blb_migration.compare.metric_selection import ComparedMetric
from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.metrics import MetricValue
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres import table_metrics as target_metrics
from blb_migration.postgres.names import TargetConnection
from blb_migration.sqlserver import table_metrics as source_metrics
from blb_migration.sqlserver.connect import SourceSession

_ENOUGH_DIGITS = 100  # a sum has at most 38 on SQL Server's side and few more on PostgreSQL's


@dataclass(frozen=True)
class MetricsOutcome:
    """What was compared, and the names of the metrics that were not, since the source refused them."""

    comparisons: tuple[Comparison, ...]
    left_out: tuple[str, ...] = ()


def compare_metrics(
    session: SourceSession, table: TablePlan, connection: TargetConnection, metrics: Sequence[ComparedMetric]
) -> MetricsOutcome:
    """Both sides' metrics, in the order given; rows and key totals are never left out.

    Raises SourceError or TargetError.
    """
    answered = _read_source(session, table, metrics)
    hidden = {column.source for column in table.hidden}
    target_values = target_metrics.read_totals(connection, table.target, [f.target for f, _ in answered])
    comparisons = tuple(
        _compare(
            metric, source_value, target_value, hides=_tells_values(metric) and metric.source.column in hidden
        )
        for (metric, source_value), target_value in zip(answered, target_values, strict=True)
    )
    names = {metric.name for metric, _ in answered}
    return MetricsOutcome(comparisons, tuple(each.name for each in metrics if each.name not in names))


def _read_source(
    session: SourceSession, table: TablePlan, metrics: Sequence[ComparedMetric]
) -> list[tuple[ComparedMetric, MetricValue]]:
    """Read the metrics with their values, from one scan; by halves only where that scan fails."""
    try:
        values = source_metrics.read_totals(session, table.source, [metric.source for metric in metrics])
        return list(zip(metrics, values, strict=True))
    except SourceUnreachable:
        raise
    except SourceError as error:
        answered = _read_halves(session, table, metrics)
        if not answered:
            raise error
        return answered


def _read_halves(
    session: SourceSession, table: TablePlan, metrics: Sequence[ComparedMetric]
) -> list[tuple[ComparedMetric, MetricValue]]:
    """Read what a failed scan asked for in smaller and smaller ones; what fails alone is left out."""
    if len(metrics) == 1:
        if metrics[0].is_key_total or metrics[0].source.column is None:
            source_metrics.read_totals(session, table.source, [metrics[0].source])  # raises again
        return []
    answered: list[tuple[ComparedMetric, MetricValue]] = []
    middle = len(metrics) // 2
    for half in (metrics[:middle], metrics[middle:]):
        try:
            values = source_metrics.read_totals(session, table.source, [metric.source for metric in half])
            answered += zip(half, values, strict=True)
        except SourceUnreachable:
            raise
        except SourceError:
            answered += _read_halves(session, table, half)
    return answered


def _tells_values(metric: ComparedMetric) -> bool:
    """Whether it is a value of some row, or close to one; a key total was asked for by a person."""
    return not metric.is_key_total and metric.source.kind in ("sum", "min", "max")


def _compare(
    metric: ComparedMetric, source_value: MetricValue, target_value: MetricValue, *, hides: bool
) -> Comparison:
    if hides:
        return Comparison(metric.name, HIDDEN, HIDDEN, source_value == target_value)
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
