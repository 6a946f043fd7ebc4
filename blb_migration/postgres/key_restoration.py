"""Foreign keys dropped for a whole run, and restored after it.

What is dropped is first recorded in the ledger, in the same transaction, so that a crash at any
moment leaves each key either in place or on record. Dropping needs ACCESS EXCLUSIVE locks on
parents and children alike: that is why it is one short step up front and not part of each table's
long transaction. Keys, indexes and triggers of a single table are in ``indexes`` and ``triggers``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg

from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.bulk_settings import BulkSettings, apply_bulk_settings, read_bulk_settings
from blb_migration.postgres.connect import set_lock_timeout
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import (
    ForeignKeyDefinition,
    add_foreign_key,
    drop_foreign_key,
    find_foreign_keys,
)
from blb_migration.postgres.ledger.dropped_keys import (
    read_dropped_keys,
    record_dropped_key,
    record_restore_failure,
    record_restored_key,
)
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.orphans import find_orphans

LOCK_TIMEOUT_SECONDS = 10.0  # an idle session on a parent would otherwise stop the run without a word


@dataclass(frozen=True)
class RestoredKey:
    """What became of one foreign key; ``error`` None means that it is in place again.

    With an error it is still on record. ``orphan_count`` rows refer to no parent, the first of
    them are in ``first_keys`` as text.
    """

    name: str
    table: TableName
    error: str | None = None
    orphan_count: int = 0
    first_keys: tuple[str, ...] = ()


def drop_recorded_foreign_keys(
    connection: TargetConnection,
    run_id: str,
    tables: Sequence[TableName],
    *,
    lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
) -> tuple[ForeignKeyDefinition, ...]:
    """Record and drop every foreign key from or onto ``tables``; returns those dropped now.

    One transaction: all or none. The ledger must have been created. Repeating it is harmless: what is
    dropped already stays so. Raises TargetError, transient when a lock was not to be had in time.
    """
    with target_errors("the target's foreign keys"), connection.transaction():
        set_lock_timeout(connection, lock_timeout_seconds, in_transaction=True)
        keys = find_foreign_keys(connection, tables)
        for key in keys:
            record_dropped_key(connection, run_id, key)
            drop_foreign_key(connection, key)
    return keys


def restore_foreign_keys(
    connection: TargetConnection,
    *,
    names: Collection[tuple[str, str, str]] | None = None,
    lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
) -> tuple[RestoredKey, ...]:
    """Add every foreign key on record back, or those of ``names`` (schema, table, name) alone.

    Each in a transaction of its own, so one key that rows violate does not keep the others out: it stays on
    record, with its orphans counted and the reason noted. A key that was NOT VALID comes back NOT VALID. A
    key that someone has added again by hand, under the same name on the same table, counts as back if it is
    the same. Call it outside any transaction.
    """
    pending = [
        (dropped_key_id, key)
        for dropped_key_id, key in read_dropped_keys(connection)
        if names is None or (key.table.schema, key.table.name, key.name) in names
    ]
    # The server gives maintenance_work_mem to the query that proves a key.
    settings = read_bulk_settings(connection) if pending else BulkSettings()
    return tuple(
        _restore_one(connection, dropped_key_id, key, lock_timeout_seconds, settings)
        for dropped_key_id, key in pending
    )


def _restore_one(
    connection: TargetConnection,
    dropped_key_id: int,
    key: ForeignKeyDefinition,
    lock_timeout_seconds: float,
    settings: BulkSettings,
) -> RestoredKey:
    try:
        with target_errors(key), connection.transaction():
            set_lock_timeout(connection, lock_timeout_seconds, in_transaction=True)
            apply_bulk_settings(connection, settings)
            existing = _find_same_name(connection, key)
            if existing is None:
                add_foreign_key(connection, key)
            elif existing.definition != key.definition:
                raise TargetError(
                    str(key),
                    found=f"another one of this name is in place: {existing.definition}",
                    expected=key.definition,
                    next_act="Drop or rename the one in place, then run again",
                )
            record_restored_key(connection, dropped_key_id)
    except TargetError as error:
        return _report_failure(connection, dropped_key_id, key, error)
    return RestoredKey(key.name, key.table)


def _report_failure(
    connection: TargetConnection, dropped_key_id: int, key: ForeignKeyDefinition, error: TargetError
) -> RestoredKey:
    record_restore_failure(connection, dropped_key_id, str(error))
    if not isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
        return RestoredKey(key.name, key.table, str(error))
    orphans = find_orphans(connection, key)
    return RestoredKey(key.name, key.table, str(error), orphans.row_count, orphans.first_keys)


def _find_same_name(connection: TargetConnection, key: ForeignKeyDefinition) -> ForeignKeyDefinition | None:
    for existing in find_foreign_keys(connection, [key.table]):
        if (existing.table, existing.name) == (key.table, key.name):
            return existing
    return None
