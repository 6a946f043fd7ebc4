"""The catalog views tell what was created, in SQL Server's terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from blb_migration_tests.sandbox.emulator.tsql_shop import Shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


ITEMS_ID = "OBJECT_ID('dbo.Items')"

QUESTIONS: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "a database": (
        "SELECT collation_name, state_desc, snapshot_isolation_state, is_read_committed_snapshot_on "
        "FROM sys.databases WHERE name = 'shop'",
        [("SQL_Latin1_General_CP1_CI_AS", "ONLINE", 0, False)],
    ),
    "tables with their schemas": (
        "SELECT s.name, t.name, t.type, t.is_ms_shipped FROM sys.tables t JOIN sys.schemas s ON "
        "s.schema_id = t.schema_id "
        "ORDER BY s.name, t.name",
        [
            ("archive", "Notes", "U ", False),
            ("dbo", "Categories", "U ", False),
            ("dbo", "Items", "U ", False),
        ],
    ),
    "columns with their types": (
        "SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable FROM sys.columns c "
        f"JOIN sys.types t ON t.user_type_id = c.user_type_id WHERE c.object_id = {ITEMS_ID} AND "
        "c.column_id <= 4 "
        "ORDER BY c.column_id",
        [
            ("id", "int", 4, 10, 0, False),
            ("category", "nvarchar", 100, 0, 0, True),
            ("region", "char", 3, 0, 0, True),
            ("price", "decimal", 9, 18, 4, True),
        ],
    ),
    "a (max) column": (
        "SELECT max_length FROM sys.columns WHERE object_id = OBJECT_ID('archive.Notes')",
        [(-1,)],
    ),
    "properties of columns, by names that rows give": (
        "SELECT c.name, COLUMNPROPERTY(OBJECT_ID(s.name + '.' + t.name), c.name, 'IsIdentity'), "
        "COLUMNPROPERTY(OBJECT_ID(t.name), c.name, 'AllowsNull'), "
        "COLUMNPROPERTY(c.object_id, c.name, 'Precision'), COLUMNPROPERTY(c.object_id, c.name, 'Scale') "
        "FROM sys.columns c JOIN sys.tables t ON t.object_id = c.object_id "
        "JOIN sys.schemas s ON s.schema_id = t.schema_id WHERE t.name IN ('Items', 'Notes') AND "
        "c.column_id IN (1, 2, 4) ORDER BY t.name, c.column_id",
        [
            ("id", 1, 0, 10, 0),
            ("category", 0, 1, 50, None),
            ("price", 0, 1, 18, 4),
            ("text", 0, None, -1, None),
        ],
    ),
    "properties of what there is not": (
        f"SELECT COLUMNPROPERTY({ITEMS_ID}, 'nothing', 'IsIdentity'), "
        f"COLUMNPROPERTY({ITEMS_ID}, 'ID', 'IsNoProperty'), COLUMNPROPERTY({ITEMS_ID}, 'ID', 'isidentity'), "
        f"COLUMNPROPERTY({ITEMS_ID}, 'total', 'IsComputed'), COLUMNPROPERTY(NULL, 'id', 'ColumnId')",
        [(None, None, 1, 1, None)],
    ),
    "identifiers of names in brackets, and of none": (
        "SELECT n, OBJECT_NAME(OBJECT_ID(n)) FROM (VALUES ('[DBO].[items]'), ('\"archive\".\"Notes\"'), "
        "('Notes'), ('[Items]')) AS v(n) ORDER BY n",
        [
            ('"archive"."Notes"', "Notes"),
            ("[DBO].[items]", "Items"),
            ("[Items]", "Items"),
            ("Notes", None),
        ],
    ),
    "collations of text only": (
        f"SELECT name FROM sys.columns WHERE object_id = {ITEMS_ID} AND collation_name IS NOT NULL ORDER "
        "BY column_id",
        [("category",), ("region",), ("label",)],
    ),
    "identity values, cast from sql_variant": (
        "SELECT CAST(seed_value AS bigint), CAST(increment_value AS bigint), CAST(last_value AS bigint) "
        "FROM sys.identity_columns WHERE object_id = OBJECT_ID('dbo.Categories')",
        [(10, 5, 30)],
    ),
    "identity values as they are": (
        "SELECT last_value FROM sys.identity_columns WHERE object_id = OBJECT_ID('dbo.Categories')",
        [({"base_type": "int", "value": "30"},)],
    ),
    "computed columns": (
        "SELECT name, definition, is_persisted FROM sys.computed_columns ORDER BY column_id",
        [("total", "([price]*[quantity])", False), ("label", "(upper([category]))", True)],
    ),
    "defaults": (
        "SELECT COL_NAME(parent_object_id, parent_column_id), definition FROM sys.default_constraints "
        "ORDER BY 1",
        [("active", "((1))"), ("price", "((0))")],
    ),
    "checks": (
        "SELECT name, definition, is_not_trusted FROM sys.check_constraints",
        [("CK_Items_price", "([price]>=(0))", False)],
    ),
    "keys and indexes": (
        "SELECT name, type_desc, is_unique, is_primary_key, is_unique_constraint, filter_definition FROM "
        "sys.indexes "
        "WHERE object_id IN (OBJECT_ID('Items'), OBJECT_ID('Categories'), OBJECT_ID('archive.Notes')) "
        "ORDER BY name",
        [
            (None, "HEAP", False, False, False, None),
            ("IX_Items", "NONCLUSTERED", False, False, False, "([active]=(1))"),
            ("PK_Categories", "CLUSTERED", True, True, False, None),
            ("PK_Items", "CLUSTERED", True, True, False, None),
            ("UQ_Categories", "NONCLUSTERED", True, False, True, None),
        ],
    ),
    "index columns, descending and included": (
        "SELECT c.name, x.key_ordinal, x.is_descending_key, x.is_included_column FROM sys.index_columns x "
        "JOIN sys.indexes i ON i.object_id = x.object_id AND i.index_id = x.index_id AND i.name = 'IX_Items' "
        "JOIN sys.columns c ON c.object_id = x.object_id AND c.column_id = x.column_id ORDER BY "
        "x.index_column_id",
        [("category", 1, False, False), ("price", 2, True, False), ("quantity", 0, False, True)],
    ),
    "a composite foreign key": (
        "SELECT f.name, p.name, r.name, f.is_not_trusted, f.delete_referential_action_desc FROM "
        "sys.foreign_keys f "
        "JOIN sys.foreign_key_columns k ON k.constraint_object_id = f.object_id "
        "JOIN sys.columns p ON p.object_id = k.parent_object_id AND p.column_id = k.parent_column_id "
        "JOIN sys.columns r ON r.object_id = k.referenced_object_id AND r.column_id = k.referenced_column_id "
        "ORDER BY k.constraint_column_id",
        [
            ("FK_Items_Categories", "category", "Name", True, "CASCADE"),
            ("FK_Items_Categories", "region", "region", True, "CASCADE"),
        ],
    ),
    "row counts": (
        "SELECT OBJECT_NAME(object_id), SUM(rows) FROM sys.partitions WHERE index_id IN (0, 1) GROUP BY "
        "object_id ORDER BY 2",
        [("Notes", 0), ("Categories", 2), ("Items", 4)],
    ),
    "comments": (
        "SELECT CAST(value AS nvarchar(100)) FROM sys.extended_properties WHERE name = 'MS_Description' "
        "AND minor_id = 0",
        [("Groups of items",)],
    ),
    "types beyond the base": (
        "SELECT name, system_type_id, user_type_id FROM sys.types WHERE system_type_id IN (231, 240) ORDER "
        "BY user_type_id",
        [
            ("hierarchyid", 240, 128),
            ("geometry", 240, 129),
            ("geography", 240, 130),
            ("nvarchar", 231, 231),
            ("sysname", 231, 256),
        ],
    ),
    "INFORMATION_SCHEMA": (
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, COLUMN_DEFAULT FROM "
        "INFORMATION_SCHEMA.COLUMNS "
        "WHERE TABLE_NAME = 'items' AND ORDINAL_POSITION IN (2, 4) ORDER BY ORDINAL_POSITION",
        [("category", "nvarchar", 50, None), ("price", "decimal", None, "((0))")],
    ),
    "key columns": (
        "SELECT COLUMN_NAME, ORDINAL_POSITION FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE "
        "WHERE CONSTRAINT_NAME = 'FK_Items_Categories' ORDER BY 2",
        [("category", 1), ("region", 2)],
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_catalog_tells_of(shop: Shop, question: str) -> None:
    query, expected = QUESTIONS[question]
    assert shop.ask(query) == expected


def test_sys_views_answer_for_the_database_named(shop: Shop) -> None:
    shop.engine.create_database("Empty", collation="Latin1_General_BIN2")
    assert shop.ask("SELECT name FROM Empty.sys.tables") == []
    assert shop.value("SELECT COUNT(*) FROM shop.SYS.TABLES") == 3


def test_the_catalog_follows_the_data(shop: Shop) -> None:
    rows = "SELECT SUM(rows) FROM sys.partitions WHERE object_id = OBJECT_ID('archive.Notes')"
    shop.database.execute_native("INSERT INTO archive.Notes VALUES ('one')")
    assert shop.value(rows) == 1
    shop.database.execute_native("DELETE FROM archive.Notes")
    assert shop.value(rows) == 0
