"""INFORMATION_SCHEMA, as SQL Server fills it, including what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.model import UniqueKey
from blb_migration.sandbox.emulator.tsql.catalog_keys import column_id
from blb_migration.sandbox.emulator.tsql.catalog_views import CatalogView, Row, in_parentheses, sorted_tables
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.sandbox.emulator.tsql.datatypes import (
    UNICODE_TYPES,
    base_type,
    byte_length,
    catalog_digits,
    family,
    fraction_digits,
    is_text,
)


def _tables(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        yield database.name, stored.table.name.schema, stored.table.name.name, "BASE TABLE"


def _schemata(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for name in database.schemas:
        yield database.name, name, "dbo"


def _columns(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for position, column in enumerate(stored.table.columns, 1):
            kind = family(column.type)
            precision, scale = catalog_digits(column.type)
            octets = byte_length(column.type) if kind in ("text", "binary", "udt") else None
            characters = octets
            if octets is not None and octets > 0 and column.type.name in UNICODE_TYPES:
                characters = octets // 2
            is_number = kind in ("integer", "exact", "approximate") and column.type.name != "bit"
            is_temporal = kind in ("date", "time", "datetime", "datetimeoffset")
            yield (
                database.name,
                stored.table.name.schema,
                stored.table.name.name,
                column.name,
                position,
                None if column.default is None else in_parentheses(column.default),
                "YES" if column.nullable else "NO",
                base_type(column.type).name,
                characters,
                octets,
                precision if is_number else None,
                (2 if kind == "approximate" else 10) if is_number else None,
                scale if is_number and kind != "approximate" else None,
                fraction_digits(column.type) if is_temporal else None,
                ("UNICODE" if column.type.name in UNICODE_TYPES else "iso_1")
                if is_text(column.type)
                else None,
                (column.collation or database.collation) if is_text(column.type) else None,
            )


def _constraints(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        table = stored.table
        kinds = [(table.primary_key.name, "PRIMARY KEY")] if table.primary_key is not None else []
        kinds += [(key.name, "UNIQUE") for key in table.unique_keys]
        kinds += [(key.name, "FOREIGN KEY") for key in table.foreign_keys]
        kinds += [(check.name, "CHECK") for check in table.checks]
        for name, kind in kinds:
            yield (
                database.name,
                table.name.schema,
                name,
                database.name,
                table.name.schema,
                table.name.name,
                kind,
                "NO",
                "NO",
            )


def _key_column_usage(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        table = stored.table
        own_keys = [table.primary_key, *table.unique_keys, *table.foreign_keys]
        for name, columns in [(key.name, key.columns) for key in own_keys if key is not None]:
            for position, column in enumerate(columns, 1):
                shown = table.columns[column_id(stored, column) - 1].name
                yield (
                    database.name,
                    table.name.schema,
                    name,
                    database.name,
                    table.name.schema,
                    table.name.name,
                    shown,
                    position,
                )


def _referential_constraints(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    """Only keys that refer to a constraint: SQL Server leaves out those onto unique indexes."""
    for stored in sorted_tables(database):
        for key in stored.table.foreign_keys:
            referred = database.tables.get(
                (key.referred_table.schema.lower(), key.referred_table.name.lower())
            )
            if referred is None:
                continue
            candidates: list[UniqueKey | None] = [referred.table.primary_key, *referred.table.unique_keys]
            wanted = sorted(name.lower() for name in key.referred_columns)
            for candidate in candidates:
                if candidate is not None and sorted(name.lower() for name in candidate.columns) == wanted:
                    yield (
                        database.name,
                        stored.table.name.schema,
                        key.name,
                        database.name,
                        referred.table.name.schema,
                        candidate.name,
                        "SIMPLE",
                        key.on_update,
                        key.on_delete,
                    )
                    break


def _checks(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for check in stored.table.checks:
            yield database.name, stored.table.name.schema, check.name, in_parentheses(check.expression)


def _nothing(database: Database, everything: Sequence[Database]) -> Sequence[Row]:
    return ()


_TABLE = "TABLE_CATALOG nvarchar(128)?, TABLE_SCHEMA sysname?, TABLE_NAME sysname"
_CONSTRAINT = "CONSTRAINT_CATALOG nvarchar(128)?, CONSTRAINT_SCHEMA nvarchar(128)?, CONSTRAINT_NAME sysname"
VIEWS: dict[str, CatalogView] = {
    "tables": CatalogView(f"{_TABLE}, TABLE_TYPE varchar(10)?", _tables),
    "views": CatalogView(f"{_TABLE}, VIEW_DEFINITION nvarchar(4000)?", _nothing),
    "schemata": CatalogView(
        "CATALOG_NAME sysname?, SCHEMA_NAME sysname, SCHEMA_OWNER nvarchar(128)?", _schemata
    ),
    "columns": CatalogView(
        f"{_TABLE}, COLUMN_NAME sysname?, ORDINAL_POSITION int?, COLUMN_DEFAULT nvarchar(4000)?, "
        "IS_NULLABLE varchar(3)?, "
        "DATA_TYPE nvarchar(128)?, CHARACTER_MAXIMUM_LENGTH int?, CHARACTER_OCTET_LENGTH int?, "
        "NUMERIC_PRECISION tinyint?, "
        "NUMERIC_PRECISION_RADIX smallint?, NUMERIC_SCALE int?, DATETIME_PRECISION smallint?, "
        "CHARACTER_SET_NAME sysname?, "
        "COLLATION_NAME sysname?",
        _columns,
    ),
    "table_constraints": CatalogView(
        f"{_CONSTRAINT}, {_TABLE}, CONSTRAINT_TYPE varchar(11)?, IS_DEFERRABLE varchar(2), "
        "INITIALLY_DEFERRED varchar(2)",
        _constraints,
    ),
    "key_column_usage": CatalogView(
        f"{_CONSTRAINT}, {_TABLE}, COLUMN_NAME nvarchar(128)?, ORDINAL_POSITION int", _key_column_usage
    ),
    "referential_constraints": CatalogView(
        f"{_CONSTRAINT}, UNIQUE_CONSTRAINT_CATALOG nvarchar(128)?, UNIQUE_CONSTRAINT_SCHEMA nvarchar(128)?, "
        "UNIQUE_CONSTRAINT_NAME sysname?, MATCH_OPTION varchar(7)?, UPDATE_RULE varchar(11)?, DELETE_RULE "
        "varchar(11)?",
        _referential_constraints,
    ),
    "check_constraints": CatalogView(f"{_CONSTRAINT}, CHECK_CLAUSE nvarchar(4000)?", _checks),
}
