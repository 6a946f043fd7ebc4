"""Statements that change data: done as SQL Server would, or refused with its error."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from blb_migration.sandbox.emulator.results import RowCount, SqlServerError
from blb_migration_tests.sandbox.emulator.tsql_shop import PASSWORD, Shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


def test_inserted_rows_get_numbers_defaults_and_computed_values(shop: Shop) -> None:
    insert = "INSERT INTO Items (category, quantity, active) VALUES (N'Wood', 3, DEFAULT), ('Glass', 1, 0)"
    assert list(shop.session.execute(insert)) == [RowCount(2)]
    assert shop.ask("SELECT id, price, total, label, active FROM Items WHERE id >= 10 ORDER BY id") == [
        (10, Decimal("0.0000"), Decimal("0.0000"), "WOOD", True),
        (11, Decimal("0.0000"), Decimal("0.0000"), "GLASS", False),
    ]
    assert shop.value("SELECT IDENT_CURRENT('Items')") == 11


def test_rows_are_copied_changed_and_deleted(shop: Shop) -> None:
    shop.ask("INSERT INTO archive.Notes SELECT category FROM Items WHERE category IS NOT NULL")
    assert shop.value("SELECT COUNT(*) FROM archive.Notes") == 3
    assert list(
        shop.session.execute("UPDATE Items SET quantity = quantity + 1 WHERE category = 'plastic'")
    ) == [RowCount(2)]
    assert shop.value("SELECT total FROM Items WHERE id = 1") == Decimal("4.5000")
    assert list(shop.session.execute("DELETE FROM Items WHERE price IS NULL")) == [RowCount(1)]
    shop.ask("TRUNCATE TABLE archive.Notes")
    assert (
        shop.value("SELECT SUM(rows) FROM sys.partitions WHERE object_id = OBJECT_ID('archive.Notes')") == 0
    )


def test_a_rolled_back_change_leaves_nothing(shop: Shop) -> None:
    shop.ask("BEGIN TRAN; DELETE FROM Items; ROLLBACK")
    assert shop.value("SELECT COUNT(*) FROM Items") == 4


def test_a_change_ends_the_replay_of_earlier_results(shop: Shop) -> None:
    (before,) = shop.results("SELECT id FROM Items")
    list(before.batches)
    shop.ask("UPDATE Items SET quantity = 0")
    (after,) = shop.results("SELECT id FROM Items")
    assert before.replay_key != after.replay_key


def test_databases_schemas_and_tables_can_be_created(shop: Shop) -> None:
    shop.ask(
        "CREATE DATABASE Fresh; USE Fresh; CREATE SCHEMA sales; "
        "CREATE TABLE sales.Orders (id int IDENTITY(5, 2) PRIMARY KEY, at date, n decimal(9,2) NOT NULL)"
    )
    shop.ask("INSERT INTO sales.Orders (n) VALUES (1.5), (2)")
    assert shop.ask("SELECT id, n FROM sales.Orders") == [(5, Decimal("1.50")), (7, Decimal("2.00"))]
    shop.ask("DROP TABLE sales.Orders")
    assert shop.error("SELECT * FROM sales.Orders").number == 208


@pytest.mark.parametrize(
    ("batch", "number"),
    [
        ("INSERT INTO Items (id, quantity) VALUES (1, 1)", 544),
        ("INSERT INTO Items (total) VALUES (1)", 271),
        ("INSERT INTO Items (quantity) VALUES (1, 2)", 109),
        ("UPDATE Items SET nothing = 1", 207),
        ("DELETE FROM nowhere", 208),
        ("DROP TABLE nowhere", 3701),
        ("MERGE Items USING Items AS s ON 1 = 1 WHEN MATCHED THEN DELETE", 40515),
        ("SELECT * INTO copy FROM Items", 40515),
    ],
)
def test_changes_that_cannot_be(shop: Shop, batch: str, number: int) -> None:
    assert shop.error(batch).number == number


@pytest.mark.parametrize(
    ("batch", "number"),
    [
        ("INSERT INTO Items (quantity) VALUES (1)", 229),
        ("DELETE FROM Items", 229),
        ("CREATE TABLE t (id int)", 262),
        ("DROP TABLE Items", 262),
    ],
)
def test_a_reader_changes_nothing(shop: Shop, batch: str, number: int) -> None:
    shop.engine.add_login("reader", PASSWORD, read_only=True)
    session = shop.engine.login("reader", PASSWORD, "SHOP")
    with pytest.raises(SqlServerError) as caught:
        list(session.execute(batch))
    assert caught.value.number == number
