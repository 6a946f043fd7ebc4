"""Foreign keys dropped for a load and restored after it: the only module that drops one.

What is dropped is first recorded in the ledger, in the same transaction, so that a crash at any moment
leaves each key either in place or on record. Dropping needs ACCESS EXCLUSIVE locks on parents and children
alike: that is why a whole run does it in one short step up front, and not inside each table's long
transaction; in several short ones where there are many keys, since a server has locks for a few thousand
objects. A table that is loaded alone drops its own at the beginning of its load.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from blb_migration.cancellation import NEVER, Cancellation
from blb_migration.errors import KeysNotRestored, TargetError
from blb_migration.first_few import name_some
from blb_migration.model import TableName
from blb_migration.postgres.bulk_settings import BulkSettings, apply_bulk_settings, read_bulk_settings
from blb_migration.postgres.connect import set_lock_timeout
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import ForeignKeyDefinition, find_foreign_keys
from blb_migration.postgres.ledger.dropped_keys import (
    read_dropped_keys,
    record_dropped_key,
    record_restore_failure,
    record_restored_key,
)
from blb_migration.postgres.names import TargetConnection, qualified_name, quote_identifier, server_text
from blb_migration.postgres.orphans import find_orphans

# Each takes seven locks: its table, the parent, itself and its four triggers. A server that is set up as most
# are has some 8,000 for all of its sessions (max_locks_per_transaction).
_KEYS_AT_ONCE = 50
# Once one key's tables were locked for so long, others' probably are too, by the same session.
_LOCK_TIMEOUT_AFTER_ONE_SECONDS = 1.0
_CANCEL_TIMEOUT_SECONDS = 2
_KEYS_IN_MESSAGE = 10
_BROKEN_OFF = "broken off while it was being validated"
_GIVEN_UP = "not tried: the restoring was broken off"

KeyListener = Callable[["KeyBegun"], None]


@dataclass(frozen=True)
class KeyBegun:
    """A foreign key is about to be restored: which one, and the how manieth of how many."""

    key: ForeignKeyDefinition
    number: int
    total: int

    def __str__(self) -> str:
        return f"foreign key {self.number} of {self.total}: {self.key.name} of {self.key.table}"


@dataclass(frozen=True)
class RestoredKey:
    """What became of one foreign key; ``error`` None means that it is in place again.

    With an error it is still on record. ``orphan_count`` rows refer to no parent, the first of
    them are in ``first_keys`` as text. ``is_locked_out``: another session held its tables for too long.
    """

    name: str
    table: TableName
    error: str | None = None
    orphan_count: int = 0
    first_keys: tuple[str, ...] = ()
    is_locked_out: bool = False

    def __str__(self) -> str:
        if not self.orphan_count:
            return f"{self.table}.{self.name}: {self.error or 'in place'}"
        return (
            f"{self.table}.{self.name}: {self.orphan_count:,} rows refer to no parent,"
            f" first {', '.join(self.first_keys)}"
        )


def drop_recorded_foreign_keys(
    connection: TargetConnection,
    run_id: str,
    tables: Sequence[TableName],
    *,
    lock_timeout_seconds: float | None = None,
) -> tuple[ForeignKeyDefinition, ...]:
    """Drop every foreign key from or onto ``tables``, fifty in a transaction.

    Returns those dropped now; repeating it is harmless. Raises TargetError, transient when a lock was not to
    be had in time; the keys of the transactions before are dropped then, and on record.
    """
    keys = find_foreign_keys(connection, tables)
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        with target_errors("the target's foreign keys"), connection.transaction():
            set_lock_timeout(connection, lock_timeout_seconds, in_transaction=True)
            _record_and_drop(connection, run_id, keys[start : start + _KEYS_AT_ONCE])
    return keys


def drop_foreign_keys(
    connection: TargetConnection, run_id: str, tables: Sequence[TableName]
) -> tuple[ForeignKeyDefinition, ...]:
    """Record and drop every foreign key from or onto ``tables``, within the open transaction.

    The ledger must have been created. Takes ACCESS EXCLUSIVE on both ends of each key. Raises TargetError.
    """
    keys = find_foreign_keys(connection, tables)
    _record_and_drop(connection, run_id, keys)
    return keys


def _record_and_drop(connection: TargetConnection, run_id: str, keys: Sequence[ForeignKeyDefinition]) -> None:
    for key in keys:
        record_dropped_key(connection, run_id, key)
        with target_errors(key):
            connection.execute(
                sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                    qualified_name(key.table), quote_identifier(key.name)
                )
            )


def restore_foreign_keys(
    connection: TargetConnection,
    *,
    names: Collection[tuple[str, str, str]] | None = None,
    giving_up: Cancellation = NEVER,
    on_key: KeyListener | None = None,
) -> tuple[RestoredKey, ...]:
    """Add every foreign key on record back, or those of ``names`` (schema, table, name) alone.

    Each in a transaction of its own (a savepoint within an open one), so one key that rows violate does not
    keep the others out: it stays on record, with its orphans counted and the reason noted. A key that was
    NOT VALID is restored NOT VALID. A key that someone has added again by hand, under the same name on the
    same table, counts as back if it is the same. ``on_key`` hears of each before it begins. Once
    ``giving_up`` is asked for, the key at hand is broken off, and it and all others stay on record.
    """
    pending = [
        (dropped_key_id, key)
        for dropped_key_id, key in read_dropped_keys(connection)
        if names is None or (key.table.schema, key.table.name, key.name) in names
    ]
    # The server gives maintenance_work_mem to the query that validates a key.
    settings = read_bulk_settings(connection) if pending else BulkSettings()
    outcomes: list[RestoredKey] = []
    lock_timeout_seconds: float | None = None  # as BLB_LOCK_WAIT says
    with giving_up.breaking(lambda: _break_off(connection)):
        for number, (dropped_key_id, key) in enumerate(pending, start=1):
            if giving_up.is_asked:
                outcomes.append(RestoredKey(key.name, key.table, _GIVEN_UP))
                continue
            if on_key is not None:
                on_key(KeyBegun(key, number, len(pending)))
            outcome = _restore_one(connection, dropped_key_id, key, lock_timeout_seconds, settings)
            if outcome.is_locked_out:
                lock_timeout_seconds = _LOCK_TIMEOUT_AFTER_ONE_SECONDS
            if giving_up.is_asked and outcome.error is not None:
                outcome = replace(outcome, error=_BROKEN_OFF)
            outcomes.append(outcome)
    return tuple(outcomes)


def _break_off(connection: TargetConnection) -> None:
    with suppress(psycopg.Error):  # it has ended meanwhile, or the server is gone
        connection.cancel_safe(timeout=_CANCEL_TIMEOUT_SECONDS)


def require_restored(
    outcomes: Sequence[RestoredKey], subject: str, *, next_act: str, next_act_on_rows: str | None = None
) -> None:
    """Raise KeysNotRestored about ``subject``, naming the keys that could not be restored, if any.

    ``next_act_on_rows`` is said instead where rows are in the way of one.
    """
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        shown = name_some(failed, _KEYS_IN_MESSAGE, "; ")
        raise KeysNotRestored(
            subject,
            found=f"{len(failed)} of {len(outcomes)} could not be restored: {shown}",
            next_act=(any(key.orphan_count for key in failed) and next_act_on_rows) or next_act,
        )


def _restore_one(
    connection: TargetConnection,
    dropped_key_id: int,
    key: ForeignKeyDefinition,
    lock_timeout_seconds: float | None,
    settings: BulkSettings,
) -> RestoredKey:
    try:
        with target_errors(key), connection.transaction():
            set_lock_timeout(connection, lock_timeout_seconds, in_transaction=True)
            apply_bulk_settings(connection, settings)
            existing = _find_same_name(connection, key)
            if existing is None:
                _add_foreign_key(connection, key)
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


def _add_foreign_key(connection: TargetConnection, key: ForeignKeyDefinition) -> None:
    """Add one foreign key as it was, comment included; the server validates it unless it was NOT VALID."""
    connection.execute(
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
            qualified_name(key.table), quote_identifier(key.name), server_text(key.definition)
        )
    )
    if key.comment is not None:
        connection.execute(
            sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}").format(
                quote_identifier(key.name), qualified_name(key.table), key.comment
            )
        )


def _report_failure(
    connection: TargetConnection, dropped_key_id: int, key: ForeignKeyDefinition, error: TargetError
) -> RestoredKey:
    record_restore_failure(connection, dropped_key_id, str(error))
    if not isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
        is_locked_out = isinstance(error.__cause__, psycopg.errors.LockNotAvailable)
        return RestoredKey(key.name, key.table, str(error), is_locked_out=is_locked_out)
    orphans = find_orphans(connection, key)
    return RestoredKey(key.name, key.table, str(error), orphans.row_count, orphans.first_keys)


def _find_same_name(connection: TargetConnection, key: ForeignKeyDefinition) -> ForeignKeyDefinition | None:
    for existing in find_foreign_keys(connection, [key.table]):
        if (existing.table, existing.name) == (key.table, key.name):
            return existing
    return None
