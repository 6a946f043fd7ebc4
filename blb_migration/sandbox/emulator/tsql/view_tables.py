"""Catalog views as Arrow tables in storage form, and the list of views that exist."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache

import pyarrow as pa

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tsql import (
    catalog_changes,
    catalog_keys,
    catalog_security,
    catalog_sessions,
    catalog_storage,
    catalog_views,
    information_schema,
)
from blb_migration.sandbox.emulator.tsql.catalog_views import CatalogView
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.sandbox.emulator.tsql.datatypes import is_text
from blb_migration.sandbox.emulator.tsql.macros import UNIX_EPOCH_TICKS
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue
from blb_migration.sandbox.emulator.tsql.type_names import parse_type
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_name

_SYS_VIEWS = (
    catalog_views.VIEWS
    | catalog_keys.VIEWS
    | catalog_storage.VIEWS
    | catalog_changes.VIEWS
    | catalog_security.VIEWS
    | catalog_sessions.VIEWS
)
_VIEWS: dict[tuple[str, str], CatalogView] = {
    **{("sys", name): view for name, view in _SYS_VIEWS.items()},
    **{("information_schema", name): view for name, view in information_schema.VIEWS.items()},
}
_ARROW_TYPES = {
    "bit": pa.bool_(), "tinyint": pa.uint8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(),
    "datetime": pa.int64(), "uniqueidentifier": pa.binary(),
    "sql_variant": pa.struct([("base_type", pa.string()), ("value", pa.string())]),
}  # fmt: skip


def find_view(schema: str, name: str) -> CatalogView | None:
    """Find the catalog view of that name, in any case."""
    return _VIEWS.get((schema.lower(), name.lower()))


@cache
def _column_types(columns: str) -> tuple[tuple[str, ColumnType, bool], ...]:
    parsed: list[tuple[str, ColumnType, bool]] = []
    for each in columns.split(", "):
        name, type_text = each.split(" ", 1)
        parsed.append((name, parse_type(type_text.rstrip("?")), type_text.endswith("?")))
    return tuple(parsed)


def view_columns(view: CatalogView, database: Database) -> tuple[NamedValue, ...]:
    """Return the view's columns with their types."""
    return tuple(
        NamedValue(
            name,
            Typed(
                quote_name(name),
                column_type,
                nullable,
                collation=database.collation if is_text(column_type) else None,
            ),
        )
        for name, declared, nullable in _column_types(view.columns)
        for column_type in [database.oddities.view_type(declared)]
    )


def build_view_table(view: CatalogView, database: Database, everything: Sequence[Database]) -> pa.Table:
    """Build the view's rows for one database."""
    rows = [list(row) for row in view.rows(database, everything)]
    names: list[str] = []
    arrays: list[pa.Array] = []
    for position, (name, column_type, _) in enumerate(_column_types(view.columns)):
        arrow_type = _ARROW_TYPES.get(column_type.name, pa.string())
        names.append(name)
        arrays.append(pa.array([_storage_value(row[position]) for row in rows], arrow_type))
    return pa.Table.from_arrays(arrays, names=names)


def _storage_value(value: object) -> object:
    if isinstance(value, dt.datetime):
        microseconds = (value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
        return UNIX_EPOCH_TICKS + microseconds * 10
    return value
