"""Rows that refer to no parent: counted and named by key, when a foreign key cannot be restored.

Only reads. Nothing is deleted here or anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import ForeignKeyDefinition
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_name,
    qualified_text,
    quote_identifier,
)

FIRST_KEYS = 10  # enough to see a pattern, few enough for a message

_PRIMARY_KEY = """
SELECT a.attname FROM pg_catalog.pg_constraint c
CROSS JOIN unnest(c.conkey) WITH ORDINALITY k (number, position)
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
WHERE c.conrelid = %s::regclass AND c.contype = 'p' ORDER BY k.position
"""
# Types whose operators are PostgreSQL's own; citext, for one, has another "=" than text.
_HAS_OTHER_TYPES = """
SELECT count(*) > 0 FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type given ON given.oid = a.atttypid
JOIN pg_catalog.pg_type t ON t.oid = CASE given.typtype WHEN 'd' THEN given.typbasetype ELSE given.oid END
WHERE t.typnamespace <> 'pg_catalog'::regnamespace
  AND (a.attrelid = %s::regclass AND a.attname = ANY (%s)
       OR a.attrelid = %s::regclass AND a.attname = ANY (%s))
"""


@dataclass(frozen=True)
class Orphans:
    """How many rows refer to no parent, and the first of them as text: ``id=17 (product_id=99)``."""

    row_count: int
    first_keys: tuple[str, ...] = ()


def find_orphans(connection: TargetConnection, key: ForeignKeyDefinition) -> Orphans:
    """Find the rows of ``key.table`` whose key columns are filled in but match no referred row.

    A NULL in any column refers to nothing (MATCH SIMPLE); under MATCH FULL a key that is only
    partly filled in is a violation and counts. Rows without a primary key are named by their
    place in the table (``ctid``). Raises TargetError.
    """
    with target_errors(key):
        condition = _build_condition(key, _read_equality(connection, key))
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM {} child WHERE {}").format(qualified_name(key.table), condition)
        ).fetchone()
        row_count = int(row[0]) if row else 0
        if row_count == 0:
            return Orphans(0)
        names = read_primary_key(connection, key.table) or ("ctid",)
        columns = [*names, *key.columns]
        rows = connection.execute(
            sql.SQL("SELECT {} FROM {} child WHERE {} ORDER BY {} LIMIT {}").format(
                sql.SQL(", ").join(sql.SQL("{}::text").format(_child(name)) for name in columns),
                qualified_name(key.table),
                condition,
                sql.SQL(", ").join(_child(name) for name in names),
                FIRST_KEYS,
            )
        ).fetchall()
    return Orphans(
        row_count,
        tuple(
            f"{_render(names, own[: len(names)])} ({_render(key.columns, own[len(names) :])})" for own in rows
        ),
    )


def count_referring_rows(connection: TargetConnection, key: ForeignKeyDefinition) -> int:
    """Count the rows of ``key.table`` whose key columns are all filled in. Raises TargetError."""
    statement = sql.SQL("SELECT count(*) FROM {} child WHERE {}").format(
        qualified_name(key.table), _join_filled(key, " AND ")
    )
    with target_errors(key):
        row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0


def read_primary_key(connection: TargetConnection, table: TableName) -> tuple[str, ...]:
    """Read the columns of the table's primary key in key order; empty when it has none."""
    return tuple(name for (name,) in connection.execute(_PRIMARY_KEY, (qualified_text(table),)))


def _read_equality(connection: TargetConnection, key: ForeignKeyDefinition) -> sql.SQL:
    """Return the operator that compares both sides: of PostgreSQL's own types none of the owner's."""
    row = connection.execute(
        _HAS_OTHER_TYPES,
        (
            *(qualified_text(key.table), list(key.columns)),
            *(qualified_text(key.referred_table), list(key.referred_columns)),
        ),
    ).fetchone()
    return sql.SQL("=" if row and row[0] else "OPERATOR(pg_catalog.=)")


def _join_filled(key: ForeignKeyDefinition, word: Literal[" AND ", " OR "]) -> sql.Composed:
    return sql.SQL(word).join(sql.SQL("{} IS NOT NULL").format(_child(column)) for column in key.columns)


def _build_condition(key: ForeignKeyDefinition, equality: sql.SQL) -> sql.Composed:
    filled = _join_filled(key, " OR " if key.matches_full else " AND ")
    matches = sql.SQL(" AND ").join(
        sql.SQL("parent.{} {} {}").format(quote_identifier(referred), equality, _child(column))
        for column, referred in zip(key.columns, key.referred_columns, strict=True)
    )
    return sql.SQL("({}) AND NOT EXISTS (SELECT FROM {} parent WHERE {})").format(
        filled, qualified_name(key.referred_table), matches
    )


def _child(column: str) -> sql.Composed:
    return sql.SQL("child.{}").format(quote_identifier(column))


def _render(names: tuple[str, ...], values: tuple[str | None, ...]) -> str:
    return ", ".join(
        f"{name}={'NULL' if value is None else value}" for name, value in zip(names, values, strict=True)
    )
