"""What a table's constraints are worth: validated, switched on, and true of every row. Only reads.

Whether they are the same as before the load is for ``ledger.table_definitions`` to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import find_foreign_keys
from blb_migration.postgres.ledger.versions import LEDGER_SCHEMA
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_definitions,
    qualified_name,
    qualified_text,
    server_text,
)
from blb_migration.postgres.orphans import find_orphans

_UNVALIDATED = """
SELECT conname FROM pg_catalog.pg_constraint
WHERE conrelid = %s::regclass AND NOT convalidated ORDER BY conname
"""
# What enforces foreign keys are triggers, which a superuser can switch off with ALL.
_SWITCHED_OFF = """
SELECT DISTINCT coalesce(c.conname, g.tgname) FROM pg_catalog.pg_trigger g
LEFT JOIN pg_catalog.pg_constraint c ON c.oid = g.tgconstraint
WHERE g.tgrelid = %s::regclass AND g.tgisinternal AND g.tgenabled = 'D' ORDER BY 1
"""
_CHECKS = """
SELECT conname, pg_get_expr(conbin, conrelid) FROM pg_catalog.pg_constraint
WHERE conrelid = %s::regclass AND contype = 'c' ORDER BY conname
"""
_OWN_SCHEMAS = """
SELECT nspname FROM pg_catalog.pg_namespace
WHERE pg_catalog.starts_with(nspname, 'blb_') AND nspname <> ALL (%s) ORDER BY nspname
"""


@dataclass(frozen=True)
class Violation:
    """Rows that one constraint does not allow; ``first_keys`` where they are known."""

    constraint: str
    row_count: int
    first_keys: tuple[str, ...] = ()


def find_unvalidated_constraints(connection: TargetConnection, table: TableName) -> tuple[str, ...]:
    """Constraints that the server has not validated (NOT VALID, NOT ENFORCED). Raises TargetError."""
    return _read_names(connection, _UNVALIDATED, table)


def find_switched_off_constraints(connection: TargetConnection, table: TableName) -> tuple[str, ...]:
    """Foreign keys, from or onto the table, whose triggers do not fire. Raises TargetError."""
    return _read_names(connection, _SWITCHED_OFF, table)


def prove_foreign_keys(connection: TargetConnection, table: TableName) -> tuple[Violation, ...]:
    """Every foreign key of the table, asked of every row anew. Raises TargetError."""
    with target_errors(f"table {table}"):
        keys = find_foreign_keys(connection, [table])
    violations = []
    for key in keys:
        if key.table == table:
            orphans = find_orphans(connection, key)
            violations.append(Violation(key.name, orphans.row_count, orphans.first_keys))
    return tuple(violations)


def prove_checks(connection: TargetConnection, table: TableName) -> tuple[Violation, ...]:
    """Every CHECK of the table, asked of every row anew in one scan. Raises TargetError."""
    with target_errors(f"table {table}"), qualified_definitions(connection):
        checks = connection.execute(_CHECKS, (qualified_text(table),)).fetchall()
        if not checks:
            return ()
        # A CHECK allows NULL: only false is a violation.
        counts = sql.SQL(", ").join(
            sql.SQL("count(*) FILTER (WHERE ({}) IS FALSE)").format(server_text(expression))
            for _, expression in checks
        )
        row = connection.execute(
            sql.SQL("SELECT {} FROM {}").format(counts, qualified_name(table))
        ).fetchone()
    return tuple(Violation(name, int(count)) for (name, _), count in zip(checks, row or (), strict=True))


def find_own_schemas(connection: TargetConnection, tables: Iterable[TableName]) -> tuple[str, ...]:
    """Schemas of this tool that should be gone: all but the ledger's, and those that ``tables`` are in.

    Raises TargetError.
    """
    in_use = [LEDGER_SCHEMA, *sorted({table.schema for table in tables})]
    with target_errors("the target's catalog"):
        rows = connection.execute(_OWN_SCHEMAS, (in_use,)).fetchall()
    return tuple(name for (name,) in rows)


def _read_names(connection: TargetConnection, statement: str, table: TableName) -> tuple[str, ...]:
    with target_errors(f"table {table}"):
        return tuple(
            name for (name,) in connection.execute(statement.encode(), (qualified_text(table),)).fetchall()
        )
