"""The ledger's record of how each table was defined before it was loaded; ``fingerprint`` reads the facts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from blb_migration.model import TableName
from blb_migration.postgres.fingerprint import read_definitions
from blb_migration.postgres.foreign_keys import ForeignKeyDefinition
from blb_migration.postgres.ledger.chunked_loads import read_unfinished_tables
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys
from blb_migration.postgres.ledger.ledger_sql import read, read_one, write_each
from blb_migration.postgres.names import TargetConnection

# What our own load sets on purpose: a sequence takes over the source's step.
_STEP_OF_SEQUENCE = 7

_RECORD = """
INSERT INTO blb_migration.table_definitions (table_schema, table_name, run_id, definitions)
VALUES (%s, %s, %s, %s)
ON CONFLICT (table_schema, table_name) DO UPDATE
SET run_id = excluded.run_id, definitions = excluded.definitions, recorded_at = clock_timestamp()
"""


def record_definitions(connection: TargetConnection, run_id: str, tables: Sequence[TableName]) -> None:
    """Record the tables as they are defined now, before anything of them is dropped.

    Keys that an earlier run dropped and that are not back yet are recorded as they will be again. What was
    recorded of a table whose chunked load is not finished stands: its indexes are off. Raises TargetError.
    """
    unfinished = read_unfinished_tables(connection)
    tables = [table for table in tables if table not in unfinished]
    dropped: dict[TableName, list[ForeignKeyDefinition]] = {}
    for _, key in read_dropped_keys(connection):
        dropped.setdefault(key.table, []).append(key)
    printed = _print_names(connection, tables)
    rows = []
    for table, definitions in read_table_definitions(connection, tables).items():
        in_place = {json.loads(fact)[2] for fact in definitions if json.loads(fact)[0] == "constraint"}
        missing = [
            _describe_dropped(printed[table], key)
            for key in dropped.get(table, ())
            if key.name not in in_place
        ]
        rows.append((table.schema, table.name, run_id, sorted({*definitions, *missing})))
    write_each(connection, _RECORD, rows)


def _describe_dropped(printed_table: str, key: ForeignKeyDefinition) -> str:
    """Return the fact that ``fingerprint`` reads of the key while it is in place."""
    is_valid = not key.is_not_valid
    fact = ["constraint", printed_table, key.name, key.definition, is_valid, key.is_deferrable]
    return json.dumps([*fact, key.is_deferred, True, key.comment], ensure_ascii=False)


def read_recorded_definitions(connection: TargetConnection, table: TableName) -> tuple[str, ...] | None:
    """Return what was recorded of the table, or None. Raises TargetError."""
    row = read_one(
        connection,
        "SELECT definitions FROM blb_migration.table_definitions WHERE table_schema = %s AND table_name = %s",
        table.schema,
        table.name,
    )
    return tuple(row[0]) if row else None


def read_table_definitions(
    connection: TargetConnection, tables: Sequence[TableName]
) -> dict[TableName, tuple[str, ...]]:
    """Each table's own definitions as they are now: a foreign key is its child's alone.

    Raises TargetError.
    """
    by_printed_name: dict[str, list[str]] = {}
    for definition in read_definitions(connection, tables):
        fact = json.loads(definition)
        if fact[0] == "sequence":
            del fact[_STEP_OF_SEQUENCE]
        by_printed_name.setdefault(fact[1], []).append(json.dumps(fact, ensure_ascii=False))
    printed = _print_names(connection, tables)
    return {table: tuple(by_printed_name.get(printed[table], ())) for table in tables}


def _print_names(connection: TargetConnection, tables: Sequence[TableName]) -> dict[TableName, str]:
    """Return the tables' names as the server prints a regclass with no search path."""
    names = [(table.schema, table.name) for table in tables]
    rows = read(
        connection,
        "SELECT format('%%I.%%I', s, n) FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY t (s, n, i)"
        " ORDER BY i",
        [schema for schema, _ in names],
        [name for _, name in names],
    )
    return {table: row[0] for table, row in zip(tables, rows, strict=True)}
