"""Metrics: exact, one scan, in values that can be compared across engines."""

from __future__ import annotations

from decimal import Decimal

import pytest

from blb_migration.errors import SourceError
from blb_migration.metrics import Metric, MetricValue
from blb_migration.model import TableName
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.table_metrics import (
    count_rows,
    is_measurable,
    is_ordered,
    is_summable,
    read_totals,
)
from blb_migration_tests.sqlserver.workshop import LOOSE, LOTS, MATERIALS

EXPECTED: list[tuple[Metric, MetricValue]] = [
    (Metric("count_rows"), 4),
    (Metric("count_non_null", "price"), 3),
    (Metric("count_non_null", "notes"), 3),
    (Metric("count_where", where="[active] = 1"), 2),
    (Metric("count_rows", where="[stock] > 0"), 2),
    (Metric("sum", "price"), Decimal("12345678901227.6678")),
    (Metric("sum", "price", where="[active] = 0"), None),
    (Metric("sum", "cost"), Decimal("922337203685477.5806")),
    (Metric("sum", "stock"), Decimal("18446744073709551613")),
    (Metric("sum", "active"), Decimal(2)),
    (Metric("min", "price"), Decimal("-7")),
    (Metric("max", "stock"), Decimal(9_223_372_036_854_775_807)),
    (Metric("min", "bought_at"), "0001-01-01T00:00:00.000000"),
    (Metric("max", "bought_at"), "2022-09-28T22:13:20.000001"),
    (Metric("max", "seen_at"), "2022-09-28T22:13:20.000000+00:00"),
    (Metric("max", "opens"), "23:59:59.999999"),
    (Metric("min", "made_on"), "0001-01-01"),
    (Metric("max", "made_on"), "9999-12-31"),
    (Metric("sum_length", "name"), 7 + 40 + 4),
    (Metric("sum_length", "spec"), 4 + 0 + 2),
    (Metric("sum_length", "picture"), 5),
]


class TestTotals:
    @pytest.mark.parametrize(("metric", "expected"), EXPECTED, ids=lambda value: str(value)[:60])
    def test_each_metric_is_exact(
        self, workshop: SourceSession, metric: Metric, expected: MetricValue
    ) -> None:
        assert read_totals(workshop, MATERIALS, [metric]) == (expected,)

    def test_all_metrics_of_a_table_take_one_statement(
        self, workshop: SourceSession, workshop_server: SqlServerEmulator
    ) -> None:
        workshop_server.statements.clear()
        totals = read_totals(workshop, MATERIALS, [metric for metric, _ in EXPECTED])
        assert totals == tuple(value for _, value in EXPECTED)
        assert len(workshop_server.statements) == 1

    def test_an_empty_table_has_no_sums(self, workshop: SourceSession) -> None:
        metrics = [Metric("count_rows"), Metric("sum_length", "na]me")]
        assert read_totals(workshop, LOOSE, metrics) == (0, None)

    def test_rows_are_counted(self, workshop: SourceSession) -> None:
        assert count_rows(workshop, LOTS.name) == 4

    def test_nothing_asked_is_nothing_sent(
        self, workshop: SourceSession, workshop_server: SqlServerEmulator
    ) -> None:
        workshop_server.statements.clear()
        assert read_totals(workshop, MATERIALS, []) == ()
        assert len(workshop_server.statements) == 0

    @pytest.mark.parametrize(
        "metric",
        [
            Metric("sum", "weight"),
            Metric("max", "name"),
            Metric("sum_length", "id"),
            Metric("count_where"),
        ],
        ids=str,
    )
    def test_what_has_no_exact_answer_is_not_asked(self, workshop: SourceSession, metric: Metric) -> None:
        with pytest.raises(ValueError):
            read_totals(workshop, MATERIALS, [metric])

    def test_what_may_be_asked_is_known_beforehand(self) -> None:
        types = {column.name: column.type for column in MATERIALS.columns}
        numbers = {"id", "price", "cost", "stock", "total"}
        moments = {"bought_at", "seen_at", "opens", "made_on"}
        texts_and_bytes = {"code", "name", "notes", "spec", "picture"}
        assert {name for name in types if is_summable(types[name])} == numbers | {"active"}
        assert {name for name in types if is_ordered(types[name])} == numbers | moments
        assert {name for name in types if is_measurable(types[name])} == texts_and_bytes

    def test_a_missing_table_is_an_error_with_its_name(self, workshop: SourceSession) -> None:
        with pytest.raises(SourceError, match=r"dbo\.nowhere: counting its rows failed: Invalid object name"):
            count_rows(workshop, TableName("dbo", "nowhere"))
