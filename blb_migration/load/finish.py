"""After the last table: every foreign key that was dropped is restored, validated by the target.

Before that the planner's statistics are taken, which the proof of large keys profits from as well: no load's
snapshot is in the way of the visibility map any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.load.analyze import take_all_statistics
from blb_migration.migration import Migration
from blb_migration.postgres.dropping.foreign_key_drops import (
    RestoredKey,
    require_restored,
    restore_foreign_keys,
)
from blb_migration.run_entry import ensure_run


@dataclass(frozen=True)
class RestoredConstraints:
    """Every foreign key that is in place again."""

    restored: tuple[RestoredKey, ...]


def restore_constraints(migration: Migration) -> RestoredConstraints:
    """Restore whatever the ledger says is dropped, whichever run did that.

    Raises TargetError when rows violate a key: that key stays on record, all others are in place.
    """
    with migration.target.connect() as connection:
        ensure_run(connection, migration)
        take_all_statistics(migration)
        outcomes = restore_foreign_keys(connection)
    require_restored(
        outcomes,
        "foreign keys of the target",
        next_act="Correct these rows (at the source, then load the table again), then run"
        " constraints_restored again; the other keys are in place",
    )
    return RestoredConstraints(outcomes)
