"""After the last table: every foreign key that was dropped is restored, validated by the target.

Before that the planner's statistics are taken, which the proof of large keys profits from as well: no load's
snapshot is in the way of the visibility map any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.errors import TargetError
from blb_migration.load.analyze import take_all_statistics
from blb_migration.migration import Migration
from blb_migration.postgres.key_restoration import RestoredKey, restore_foreign_keys
from blb_migration.run_entry import ensure_run

_KEYS_IN_MESSAGE = 10


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
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        shown = "; ".join(_describe(outcome) for outcome in failed[:_KEYS_IN_MESSAGE])
        raise TargetError(
            "foreign keys of the target",
            found=f"{len(failed)} of {len(outcomes)} could not be restored: {shown}",
            next_act="Correct these rows (at the source, then load the table again), then run "
            "constraints_restored again; the other keys are in place",
        )
    return RestoredConstraints(outcomes)


def _describe(outcome: RestoredKey) -> str:
    if outcome.orphan_count:
        keys = ", ".join(outcome.first_keys)
        return (
            f"{outcome.table}.{outcome.name}: {outcome.orphan_count:,} rows refer to no parent, first {keys}"
        )
    return f"{outcome.table}.{outcome.name}: {outcome.error}"
