"""The source schema as SQL Server would tell it."""

from __future__ import annotations

import pytest

from blb_migration.model import ColumnType, Table, TableName
from blb_migration.sandbox.erp.erp_schema import (
    SOURCE_COLLATION,
    build_source_catalog,
    parse_column_type,
    stored_default,
    stored_expression,
)


def table(name: str) -> Table:
    return build_source_catalog().tables_by_name[TableName("dbo", name)]


def test_every_table_column_and_foreign_key_is_there() -> None:
    catalog = build_source_catalog()
    assert (catalog.engine, catalog.database) == ("sqlserver", "BLB3D_ERP")
    assert len(catalog.tables) == 49
    assert sum(len(each.columns) for each in catalog) == 827
    assert sum(len(each.foreign_keys) for each in catalog) == 82
    assert sum(column.identity is not None for each in catalog for column in each.columns) == 48


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("int", ColumnType("int")),
        ("decimal(18,4)", ColumnType("decimal", precision=18, scale=4)),
        ("nvarchar(max)", ColumnType("nvarchar")),
        ("varchar(50)", ColumnType("varchar", length=50)),
        ("datetime2(7)", ColumnType("datetime2", scale=7)),
        ("datetime", ColumnType("datetime", scale=3)),
        ("varbinary(max)", ColumnType("varbinary")),
    ],
)
def test_types_are_resolved(declared: str, expected: ColumnType) -> None:
    assert parse_column_type(declared) == expected


def test_a_type_that_does_not_parse_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a SQL Server type"):
        parse_column_type("decimal(18")


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("0", "((0))"),
        ("1.0", "((1.0))"),
        ("'EA'", "('EA')"),
        ("GETDATE()", "(getdate())"),
        ("CURRENT_TIMESTAMP", "(getdate())"),
        ("GETUTCDATE()", "(getutcdate())"),
        ("CAST(GETDATE() AS DATE)", "(CONVERT([date],getdate()))"),
    ],
)
def test_defaults_are_in_the_servers_stored_form(written: str, stored: str) -> None:
    assert stored_default(written) == stored


def test_expressions_are_in_the_servers_stored_form() -> None:
    available = table("inventory").columns_by_name["available_quantity"].computed
    assert available is not None and available.persisted
    assert available.expression == "([on_hand_quantity]-[allocated_quantity])"
    (check,) = table("mrp_runs").checks
    assert check.expression.startswith("([status]='cancelled' OR [status]='failed'")
    filters = {index.name: index.filter for index in table("users").indexes if index.filter}
    assert filters == {"ix_users_customer_number": "([customer_number] IS NOT NULL)"}


def test_an_expression_without_a_known_stored_form_is_an_error() -> None:
    with pytest.raises(ValueError, match="no stored form"):
        stored_expression("LEN(code) BETWEEN 1 AND 3")


def test_nameless_constraints_get_stable_names_that_differ() -> None:
    names = [
        constraint.name.lower()
        for each in build_source_catalog()
        for constraint in (each.primary_key, *each.unique_keys, *each.foreign_keys, *each.checks)
        if constraint is not None
    ]
    assert len(set(names)) == len(names)
    key = table("bom_lines").primary_key
    assert key is not None and key.name == "PK__bom_line__20FAEA351204ACEE"
    assert "FK__bom_lines__bom_i__7BD66EA9" in {key.name for key in table("bom_lines").foreign_keys}


def test_text_has_the_databases_collation() -> None:
    columns = [column for each in build_source_catalog() for column in each.columns]
    assert {column.collation for column in columns if "char" in column.type.name} == {SOURCE_COLLATION}
    assert {column.collation for column in columns if "char" not in column.type.name} == {None}
