"""A stored table as FROM reads it: its columns, and those it computes. Stores nothing."""

from __future__ import annotations

from blb_migration.model import Column
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.context import OpenedTable, StatementContext
from blb_migration.sandbox.emulator.tsql.conversions import convert
from blb_migration.sandbox.emulator.tsql.databases import Database, StoredTable
from blb_migration.sandbox.emulator.tsql.datatypes import is_text
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue, Scope, Source
from blb_migration.sandbox.emulator.tsql.server_errors import invalid_column
from blb_migration.sandbox.emulator.tsql.standalone import compile_standalone
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_name

_INTERNAL_GRAPH_TYPES = (1, 3, 4, 6, 7)
_NOT_IN_SNAPSHOT = (
    "Memory optimized tables and natively compiled modules cannot be accessed or created when the session "
    "TRANSACTION ISOLATION LEVEL is set to SNAPSHOT."
)


def open_stored_table(database: Database, stored: StoredTable, context: StatementContext) -> OpenedTable:
    """Read stored columns, and compute those that are not persisted. Raises error 41332."""
    table = stored.table
    schema, name = table.name.schema.lower(), table.name.name.lower()
    if database.table_flags.get((schema, name), {}).get("is_memory_optimized"):
        context.is_volatile = True  # it may be read in one session and not in another
        if context.facts.isolation_level == "SNAPSHOT":
            raise SqlServerError(41332, _NOT_IN_SNAPSHOT)
    values = {each.name: _column_value(database, stored, each) for each in stored.stored_columns}
    sql = stored.physical_name
    if len(values) < len(table.columns):
        shown = [
            quote_name(each.name)
            if each.name in values
            else f"{computed_value(database, stored, each, context).sql} AS {quote_name(each.name)}"
            for each in table.columns
        ]
        sql = f"(SELECT {', '.join(shown)} FROM {stored.physical_name})"
    columns = tuple(
        NamedValue(
            each.name,
            _column_value(database, stored, each),
            is_internal=database.column_flags.get((schema, name, each.name.lower()), {}).get("graph_type")
            in _INTERNAL_GRAPH_TYPES,
        )
        for each in table.columns
    )
    qualifiers = frozenset({f"{schema}.{name}", f"{database.name.lower()}.{schema}.{name}"})
    return OpenedTable(sql, columns, qualifiers)


def computed_value(
    database: Database, stored: StoredTable, column: Column, context: StatementContext | None = None
) -> Typed:
    """Compute a column over the stored columns, which go by their bare names; raises error 207."""
    if column.computed is None:
        raise invalid_column(column.name)
    plain = tuple(
        NamedValue(each.name, _column_value(database, stored, each))
        for each in stored.table.columns
        if each.computed is None
    )
    scope = Scope([Source(stored.table.name.name, plain)])
    return convert(compile_standalone(column.computed.expression, database, scope, context), column.type)


def compute_column(database: Database, stored: StoredTable, column: Column) -> str:
    """Write a computed column's value as DuckDB text."""
    return computed_value(database, stored, column).sql


def _column_value(database: Database, stored: StoredTable, column: Column) -> Typed:
    return Typed(
        quote_name(column.name),
        column.type,
        column.nullable,
        collation=(column.collation or database.collation) if is_text(column.type) else None,
        identity=column.identity is not None,
        hides_surrogates=column.name in stored.hidden_text,
    )
