"""Totals are exact, in one scan, and come back in the values that both engines promise."""

from __future__ import annotations

from decimal import Decimal

import pytest

from blb_migration.errors import TargetError
from blb_migration.metrics import Metric
from blb_migration.model import Table
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.table_metrics import (
    count_rows,
    is_measurable,
    is_ordered,
    is_summable,
    read_totals,
)
from blb_migration_tests.postgres.tables import execute, read_table


@pytest.fixture
def stock(target: TargetConnection) -> Table:
    execute(
        target,
        'CREATE TABLE stock ("Id" bigint, amount numeric(10,2), is_open boolean, day date, at timestamp,'
        " instant timestamptz, clock time, note text, body bytea, weight float8, code char(5))",
        "INSERT INTO stock VALUES (9223372036854775807, 7082761.69, true, '0001-01-01', '2024-01-01 10:00',"
        " '2024-01-01 10:00+02', '10:00', '😀ß', '\\x00ff', 0.1, 'a'),"
        " (9223372036854775807, 0.01, false, '9999-12-31', '2024-01-01 10:00:00.000001',"
        " '2024-06-01 10:00+02', '23:59:59.5', '', '', 0.2, 'b'),"
        " (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    return read_table(target, "stock")


def test_every_kind_of_figure(target: TargetConnection, stock: Table) -> None:
    expected = {
        Metric("count_rows"): 3,
        Metric("count_where", where="amount > 1"): 1,
        Metric("count_non_null", "note"): 2,
        Metric("sum", "Id"): Decimal(2 * (2**63 - 1)),
        Metric("sum", "amount"): Decimal("7082761.70"),
        Metric("sum", "amount", where="is_open"): Decimal("7082761.69"),
        Metric("sum", "amount", where="amount < 0"): None,
        Metric("sum", "is_open"): Decimal(1),
        Metric("min", "amount"): Decimal("0.01"),
        Metric("max", "Id"): Decimal(2**63 - 1),
        Metric("min", "day"): "0001-01-01",
        Metric("max", "day"): "9999-12-31",
        Metric("min", "at"): "2024-01-01T10:00:00.000000",
        Metric("max", "at"): "2024-01-01T10:00:00.000001",
        Metric("max", "instant"): "2024-06-01T08:00:00.000000+00:00",
        Metric("max", "clock"): "23:59:59.500000",
        Metric("sum_length", "note"): 2,
        Metric("sum_length", "body"): 2,
    }
    values = read_totals(target, stock, list(expected))
    assert dict(zip(expected, values, strict=True)) == expected
    assert [type(value) for value in values] == [type(value) for value in expected.values()]
    assert count_rows(target, stock.name) == 3
    assert read_totals(target, stock, []) == ()


def test_sums_beyond_38_digits_are_exact(target: TargetConnection) -> None:
    execute(
        target,
        "CREATE TABLE big (amount numeric(38,0))",
        f"INSERT INTO big VALUES ({'9' * 38}), ({'9' * 38})",
    )
    values = read_totals(target, read_table(target, "big"), [Metric("sum", "amount")])
    assert values == (Decimal("1" + "9" * 37 + "8"),)


@pytest.mark.parametrize(
    ("kind", "column"),
    [("sum", "weight"), ("max", "note"), ("min", "is_open"), ("sum_length", "code"), ("sum_length", "Id")],
)
def test_figures_without_an_exact_answer_are_refused(
    target: TargetConnection, stock: Table, kind: str, column: str
) -> None:
    with pytest.raises(ValueError, match="no exact answer"):
        read_totals(target, stock, [Metric(kind, column)])  # type: ignore[arg-type]


def test_what_may_be_asked_of_a_type(stock: Table) -> None:
    types = {column.name: column.type for column in stock.columns}
    assert [name for name in types if is_summable(types[name])] == ["Id", "amount", "is_open"]
    assert [name for name in types if is_ordered(types[name])] == [
        "Id",
        "amount",
        "day",
        "at",
        "instant",
        "clock",
    ]
    assert [name for name in types if is_measurable(types[name])] == ["note", "body"]


def test_a_condition_that_the_server_rejects_is_an_error(target: TargetConnection, stock: Table) -> None:
    with pytest.raises(TargetError, match=r"totals of table public\.stock"):
        read_totals(target, stock, [Metric("count_where", where="no_such_column = 1")])
    with pytest.raises(ValueError, match="needs a where"):
        read_totals(target, stock, [Metric("count_where")])
