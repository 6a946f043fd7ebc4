"""Rows whose parents are missing: what WITH NOCHECK keys may hide, or what a key of the target would refuse.

Asked of the source before the load; nothing is ever deleted.
"""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.model import Table, TableName
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.names import quote_name, quote_table
from blb_migration.sqlserver.probes import FIRST_KEYS, OUTER_ROW, read_first_keys


@dataclass(frozen=True)
class Orphans:
    """How many rows refer to no parent, and the first of their primary keys, as text."""

    row_count: int
    first_keys: tuple[str, ...] = ()


def read_orphans(
    session: SourceSession,
    table: Table,
    columns: tuple[str, ...],
    referred_table: TableName,
    referred_columns: tuple[str, ...],
    *,
    first_keys: int = FIRST_KEYS,
) -> Orphans:
    """The table's rows with all ``columns`` filled in and no row of ``referred_table`` to match.

    As foreign keys do (MATCH SIMPLE, the only kind SQL Server has), a NULL in any column refers to nothing.
    """
    condition = build_orphan_condition(columns, referred_table, referred_columns)
    statement = f"SELECT COUNT_BIG(*) FROM {quote_table(table.name)} AS {OUTER_ROW} WHERE {condition}"
    row_count = int(
        session.read_rows(statement, action="asking for rows without parents", subject=str(table.name))[0][0]
    )
    return Orphans(row_count, read_first_keys(session, table, condition, first_keys) if row_count else ())


def build_orphan_condition(
    columns: tuple[str, ...],
    referred_table: TableName,
    referred_columns: tuple[str, ...],
) -> str:
    """True for rows, under the alias OUTER_ROW, that refer to a parent which does not exist."""
    filled = " AND ".join(f"{OUTER_ROW}.{quote_name(column)} IS NOT NULL" for column in columns)
    matches = " AND ".join(
        f"parent.{quote_name(referred)} = {OUTER_ROW}.{quote_name(column)}"
        for column, referred in zip(columns, referred_columns, strict=True)
    )
    return f"{filled} AND NOT EXISTS (SELECT 1 FROM {quote_table(referred_table)} AS parent WHERE {matches})"
