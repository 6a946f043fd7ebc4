"""The ledger's record of foreign keys that were dropped and must be restored, as ``foreign_key_drops`` does.

Functions work in whatever transaction is open on the connection, and raise TargetError: a key is recorded in
the one that drops it, and struck off in the one that adds it.
"""

from __future__ import annotations

from blb_migration.postgres.foreign_keys import ForeignKeyDefinition, build_foreign_key
from blb_migration.postgres.ledger.ledger_sql import read, read_one, write
from blb_migration.postgres.names import TargetConnection

_RECORD = """
INSERT INTO blb_migration.dropped_keys
    (run_id, table_schema, table_name, constraint_name, columns, referred_schema, referred_table,
     referred_columns, definition, comment)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (table_schema, table_name, constraint_name) WHERE restored_at IS NULL
DO UPDATE SET run_id = excluded.run_id, columns = excluded.columns,
    referred_schema = excluded.referred_schema, referred_table = excluded.referred_table,
    referred_columns = excluded.referred_columns, definition = excluded.definition,
    comment = excluded.comment, dropped_at = clock_timestamp(), error = NULL
"""
_PENDING = """
SELECT dropped_key_id, table_schema, table_name, constraint_name, columns, referred_schema, referred_table,
       referred_columns, definition, comment
FROM blb_migration.dropped_keys WHERE restored_at IS NULL
ORDER BY table_schema, table_name, constraint_name
"""
_MAY_READ = """
SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'blb_migration' AND c.relname = 'dropped_keys'
"""
_TO_RESTORE = """
SELECT table_schema, table_name, constraint_name FROM blb_migration.dropped_keys
WHERE restored_at IS NULL
  AND (run_id = %s OR EXISTS (SELECT FROM blb_migration.runs
                              WHERE run_id = %s AND prepared_at IS NOT NULL AND kind <> 'dry_run'))
"""


def record_dropped_key(connection: TargetConnection, run_id: str, key: ForeignKeyDefinition) -> None:
    """Record a foreign key that is about to be dropped in this transaction.

    One that is on record already, and was added again by hand since, is recorded as it is now.
    """
    write(
        connection,
        _RECORD,
        run_id,
        key.table.schema,
        key.table.name,
        key.name,
        list(key.columns),
        key.referred_table.schema,
        key.referred_table.name,
        list(key.referred_columns),
        key.definition,
        key.comment,
    )


def read_dropped_keys(connection: TargetConnection) -> tuple[tuple[int, ForeignKeyDefinition], ...]:
    """Read the foreign keys that are still dropped, with their ids, sorted by table and name."""
    return tuple((row[0], build_foreign_key(row[1:])) for row in read(connection, _PENDING))


def read_dropped_keys_if_allowed(connection: TargetConnection) -> tuple[ForeignKeyDefinition, ...]:
    """Read the same without their ids; none where there is no ledger, or none that this user may read."""
    row = read_one(connection, _MAY_READ)
    if row is None or not row[0]:
        return ()
    return tuple(key for _, key in read_dropped_keys(connection))


def read_keys_to_restore(connection: TargetConnection, run_id: str) -> tuple[tuple[str, str, str], ...]:
    """Read the keys (schema, table, name) that a run's end is to restore.

    All that are dropped if it has prepared the target, else those that it dropped itself.
    """
    return tuple((row[0], row[1], row[2]) for row in read(connection, _TO_RESTORE, run_id, run_id))


def record_restored_key(connection: TargetConnection, dropped_key_id: int) -> None:
    """Strike a key off the record, in the transaction that added it."""
    write(
        connection,
        "UPDATE blb_migration.dropped_keys SET restored_at = clock_timestamp(), error = NULL"
        " WHERE dropped_key_id = %s",
        dropped_key_id,
    )


def record_restore_failure(connection: TargetConnection, dropped_key_id: int, error: str) -> None:
    """Note why a key could not be restored; it stays on record as dropped."""
    write(
        connection,
        "UPDATE blb_migration.dropped_keys SET error = %s WHERE dropped_key_id = %s",
        error,
        dropped_key_id,
    )
