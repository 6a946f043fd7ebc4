"""Copies of the target's tables to try a load on: same columns, same constraints, no rows, then gone.

What a copy must have comes from the server itself (CREATE TABLE ... LIKE), but for three things: foreign
keys and the sequences behind column defaults, which LIKE leaves pointing at the original, and partitions,
which it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from psycopg import sql

from blb_migration.model import Column, ForeignKey, Table, TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import (
    TargetConnection,
    comma_separated,
    qualified_name,
    qualified_text,
    quote_identifier,
    server_text,
)
from blb_migration.postgres.schemas import drop_schema_if_there
from blb_migration.types import TARGET_TYPES, Family, name_target_types

SCRATCH_PREFIX = "blb_dry_run_"
_PARTITION_KEY = "SELECT pg_get_partkeydef(to_regclass(%s))"
_PARTITIONS = """
SELECT n.nspname::text, t.relname::text, pg_get_expr(t.relpartbound, t.oid), pg_get_partkeydef(t.oid)
FROM pg_catalog.pg_inherits h
JOIN pg_catalog.pg_class t ON t.oid = h.inhrelid AND t.relispartition
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE h.inhparent = to_regclass(%s)
  AND NOT coalesce((to_jsonb(h) ->> 'inhdetachpending')::boolean, false)
ORDER BY 1, 2
"""
_FOREIGN_KEYS = """
SELECT t.relname::text, c.conname::text FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class t ON t.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = %s AND c.contype = 'f' AND c.conparentid = 0
"""
_TABLES = """
SELECT t.relname::text FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = %s AND t.relkind IN ('r', 'p') AND NOT t.relispartition
"""
# In one transaction: a server has locks for a few thousand objects, and a table is fifteen of them or more,
# its index, sequence, types, defaults, constraints and their triggers.
_TABLES_AT_ONCE = 20
_INTEGERS = name_target_types(Family.INTEGER)
_T = TypeVar("_T")


def create_scratch_tables(connection: TargetConnection, copies: Sequence[tuple[TableName, Table]]) -> None:
    """Make each copy, given as (the original's name, the copy as it shall be).

    Schemas of the copies that are there already, from a run that was killed, are dropped first. Raises
    TargetError; what was made until then is there, for ``drop_scratch_schemas``.
    """
    schemas = sorted({copy.name.schema for _, copy in copies})
    with target_errors("the scratch tables of the dry run"):
        drop_scratch_schemas(connection, schemas)
        for schema in schemas:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(quote_identifier(schema)))
        sequences: set[TableName] = set()
        for some in _iterate_parts(copies):
            with connection.transaction():
                for original, copy in some:
                    _create_like(connection, original, copy.name)
                    _give_own_sequences(connection, copy, sequences)
        for some in _iterate_parts(copies):
            with connection.transaction():
                for _, copy in some:
                    for key in copy.foreign_keys:
                        _add_foreign_key(connection, copy.name, key)


def _iterate_parts(tables: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(tables), _TABLES_AT_ONCE):
        yield tables[start : start + _TABLES_AT_ONCE]


def drop_scratch_schemas(connection: TargetConnection, schemas: Sequence[str]) -> None:
    """Drop those scratch schemas that exist, and all in them; refuses any that does not bear the prefix.

    Outside of a transaction, so that none has to hold the locks of all tables. Raises TargetError.
    """
    for schema in schemas:
        if not schema.startswith(SCRATCH_PREFIX):
            raise ValueError(f"{schema} is not a scratch schema")
        with target_errors(f"schema {schema}"):
            # First the keys: with a table would go, in the same transaction, all those that refer to it.
            for table, key in connection.execute(_FOREIGN_KEYS, (schema,)).fetchall():
                connection.execute(
                    sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                        qualified_name(TableName(schema, table)), quote_identifier(key)
                    )
                )
            tables = [TableName(schema, name) for (name,) in connection.execute(_TABLES, (schema,))]
            for some in _iterate_parts(tables):
                names = sql.SQL(", ").join(map(qualified_name, some))
                connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(names))
            drop_schema_if_there(connection, schema)


def _create_like(connection: TargetConnection, original: TableName, copy: TableName) -> None:
    """Make the copy of one table, partitioned as the original is: a row may have no partition to go to."""
    row = connection.execute(_PARTITION_KEY, (qualified_text(original),)).fetchone()
    key = row[0] if row else None
    connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING IDENTITY){}").format(
            qualified_name(copy),
            qualified_name(original),
            sql.SQL("") if key is None else sql.SQL(" PARTITION BY {}").format(server_text(key)),
        )
    )
    if key is not None:
        _copy_partitions(connection, original, copy)


def _copy_partitions(connection: TargetConnection, original: TableName, copy: TableName) -> None:
    for number, (schema, name, bound, key) in enumerate(
        connection.execute(_PARTITIONS, (qualified_text(original),)).fetchall()
    ):
        own = TableName(copy.schema, f"{SCRATCH_PREFIX}{copy.name[:30]}_{number}")
        connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} {}{}").format(
                qualified_name(own),
                qualified_name(copy),
                server_text(bound),
                sql.SQL("") if key is None else sql.SQL(" PARTITION BY {}").format(server_text(key)),
            )
        )
        if key is not None:
            _copy_partitions(connection, TableName(schema, name), own)


def _give_own_sequences(connection: TargetConnection, copy: Table, made: set[TableName]) -> None:
    """Let each column that numbers itself draw from a copy of its sequence, which tables may share."""
    for column in copy.columns:
        if column.identity is None or column.identity.sequence is None:
            continue
        sequence = column.identity.sequence
        if sequence not in made:
            _create_sequence(connection, sequence, copy, column)
            made.add(sequence)
        connection.execute(
            sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT nextval({}::regclass)").format(
                qualified_name(copy.name), quote_identifier(column.name), qualified_text(sequence)
            )
        )


def _create_sequence(connection: TargetConnection, sequence: TableName, table: Table, column: Column) -> None:
    integer = column.type.name if column.type.name in _INTEGERS else "bigint"
    low, high = TARGET_TYPES[integer].range or (0, 0)
    connection.execute(
        sql.SQL("CREATE SEQUENCE {} AS {} INCREMENT BY {} MINVALUE {} MAXVALUE {} OWNED BY {}").format(
            qualified_name(sequence),
            sql.SQL(integer),
            column.identity.increment if column.identity is not None else 1,
            low,
            high,
            sql.Identifier(table.name.schema, table.name.name, column.name),
        )
    )


def _add_foreign_key(connection: TargetConnection, table: TableName, key: ForeignKey) -> None:
    connection.execute(
        sql.SQL(
            "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){} "
            "ON DELETE {} ON UPDATE {}{}"
        ).format(
            qualified_name(table),
            quote_identifier(key.name),
            comma_separated(key.columns),
            qualified_name(key.referred_table),
            comma_separated(key.referred_columns),
            sql.SQL(" MATCH FULL" if key.matches_full else ""),
            sql.SQL(key.on_delete),
            sql.SQL(key.on_update),
            sql.SQL("" if key.trusted else " NOT VALID" if key.enabled else " NOT ENFORCED"),
        )
    )
