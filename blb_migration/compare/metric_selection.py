"""Which metrics of a table are compared, and how each engine is asked for them.

The project's own key totals, and for every column without being asked: the non-null count, and what
its type allows exactly: sum, min and max of numbers, min and max of dates and times, total length of
texts and binaries, true count of bits. Floats and keys without a common order are counted only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from blb_migration.metrics import Metric, MetricKind
from blb_migration.model import Column
from blb_migration.plan.table_plans import TablePlan
from blb_migration.plan.type_pairs import Conversion, find_rule
from blb_migration.postgres import table_metrics as target_metrics
from blb_migration.sqlserver import table_metrics as source_metrics
from blb_migration.value_decisions import DecidedColumn, ValueDecision


@dataclass(frozen=True)
class ComparedMetric:
    """One metric, as either side is asked for it. ``is_key_total`` marks the project's own."""

    name: str
    source: Metric
    target: Metric
    is_key_total: bool = False


def build_metrics(table: TablePlan) -> tuple[ComparedMetric, ...]:
    """All metrics of a table: the count of rows first, the project's key totals next, then each column's.

    A key total that is a column's plain sum stands once, as a key total.
    """
    metrics = (
        ComparedMetric("rows", Metric("count_rows"), Metric("count_rows")),
        *_iterate_key_totals(table),
        *(
            metric
            for column in table.columns
            for metric in _iterate_column_metrics(column.source, column.target, column.decisions)
        ),
        *(
            metric
            for pair in table.computed
            for metric in _iterate_column_metrics(pair.source, pair.target, inputs=pair.inputs)
        ),
    )
    first_by_name: dict[str, ComparedMetric] = {}
    for metric in metrics:
        first_by_name.setdefault(metric.name, metric)
    return tuple(first_by_name.values())


def _iterate_key_totals(table: TablePlan) -> Iterator[ComparedMetric]:
    for total in table.key_totals:
        kind: MetricKind = "count_where" if total.source_column is None else "sum"
        yield ComparedMetric(
            total.name,
            Metric(kind, total.source_column, total.source_where, total.decisions),
            Metric(kind, total.target_column, total.target_where),
            is_key_total=True,
        )


def _iterate_column_metrics(
    source: Column,
    target: Column,
    decisions: tuple[ValueDecision, ...] = (),
    inputs: tuple[DecidedColumn, ...] = (),
) -> Iterator[ComparedMetric]:
    for kind in _comparable_kinds(source, target, decisions):
        yield ComparedMetric(
            f"{kind}({source.name})",
            Metric(kind, source.name, decisions=decisions, inputs=inputs),
            Metric(kind, target.name),
        )


# Dates and times that are other texts on the two sides.
_SPELLED_DIFFERENTLY = (
    Conversion.DATE_TO_TIMESTAMP,
    Conversion.LOCAL_TO_INSTANT,
    Conversion.INSTANT_TO_LOCAL,
    Conversion.TIMESTAMP_TO_DATE,
)


def _comparable_kinds(
    source: Column, target: Column, decisions: tuple[ValueDecision, ...]
) -> Iterator[MetricKind]:
    """Yield the kinds that mean the same on both sides of this pair of columns."""
    yield "count_non_null"
    rule = find_rule(source.type, target.type)
    conversion = rule.conversion if rule is not None else None
    if source_metrics.is_summable(source.type) and target_metrics.is_summable(target.type):
        yield "sum"
    keeps_order = conversion not in _SPELLED_DIFFERENTLY
    if keeps_order and source_metrics.is_ordered(source.type) and target_metrics.is_ordered(target.type):
        yield "min"
        yield "max"
    # XML is serialized anew and jsonb is stored in another form: their lengths mean nothing.
    keeps_length = source.type.name not in ("xml", "sql_variant")
    keeps_length = keeps_length and target.type.name not in ("jsonb", "xml")
    # Nor where a decision makes JSON strings of texts.
    keeps_length = keeps_length and not any(decision.action == "as" for decision in decisions)
    if (
        keeps_length
        and source_metrics.is_measurable(source.type)
        and target_metrics.is_measurable(target.type)
    ):
        yield "sum_length"
