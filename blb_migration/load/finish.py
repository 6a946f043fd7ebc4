"""Every foreign key that was dropped is restored and validated: by the last stage, or at the run's end.

``restore_constraints`` is the stage after the last table. A run that fails does not get there, so its end
(``restore_after_run``) restores whatever can be; ``restore_dropped_keys`` is what both do, and all that
``blb-migrate restore-keys`` does.

Before the stage the planner's statistics are taken, which the proof of large keys profits from as well: no
load's snapshot is in the way of the visibility map any more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from blb_migration.cancellation import NEVER, Cancellation
from blb_migration.load.analyze import take_all_statistics
from blb_migration.migration import Migration
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.dropping.foreign_key_drops import (
    KeyListener,
    RestoredKey,
    require_restored,
    restore_foreign_keys,
)
from blb_migration.postgres.ledger.dropped_keys import read_keys_to_restore
from blb_migration.postgres.ledger.live_mark import refuse_live_target
from blb_migration.postgres.ledger.versions import upgrade_ledger
from blb_migration.run_entry import ensure_run

_RUN_AGAIN = "Run 'blb-migrate restore-keys', or the migration again"


@dataclass(frozen=True)
class RestoredConstraints:
    """What became of every foreign key that was dropped: in place again, or on record with what is in its
    way."""

    restored: tuple[RestoredKey, ...]

    def require_all(self) -> None:
        """Raise KeysNotRestored, naming the keys that are not in place and the rows in their way, if any."""
        require_restored(
            self.restored,
            "foreign keys of the target",
            next_act=f"{_RUN_AGAIN}. All other keys are in place",
            next_act_on_rows="Correct these rows, at the source for a table that is loaded again. Then"
            f" {_RUN_AGAIN[0].lower()}{_RUN_AGAIN[1:]}. All other keys are in place",
        )


def restore_constraints(migration: Migration, on_key: KeyListener | None = None) -> RestoredConstraints:
    """Restore whatever the ledger says is dropped, whichever run did that.

    Raises KeysNotRestored when rows violate a key: that key stays on record, all others are in place. Raises
    TargetNotOurs for a target that is live, and TargetError.
    """
    with migration.target.connect() as connection:
        refuse_live_target(connection, "the target's foreign keys")
        ensure_run(connection, migration)
        take_all_statistics(migration)
        restored = RestoredConstraints(restore_foreign_keys(connection, on_key=on_key))
    restored.require_all()
    return restored


def restore_after_run(
    target: TargetConnector,
    run_id: str,
    *,
    giving_up: Cancellation = NEVER,
    on_key: KeyListener | None = None,
) -> RestoredConstraints:
    """Restore what a run is answerable for at its end, however it ended.

    For a run that has prepared the target that is every key on record, for another those that it dropped
    itself. Returns every key tried, none for a run that wrote nothing. Raises TargetError.
    """
    with target.connect(outlives_cancel=True) as connection:
        if not upgrade_ledger(connection):
            return RestoredConstraints(())
        names = read_keys_to_restore(connection, run_id)
    if not names:
        return RestoredConstraints(())
    return restore_dropped_keys(target, names=names, giving_up=giving_up, on_key=on_key)


def restore_dropped_keys(
    target: TargetConnector,
    *,
    names: Collection[tuple[str, str, str]] | None = None,
    giving_up: Cancellation = NEVER,
    on_key: KeyListener | None = None,
) -> RestoredConstraints:
    """Restore every foreign key on record, or those of ``names`` (schema, table, name), in any case.

    What cannot be restored stays on record; ``require_all`` of the result says so. Once ``giving_up`` is
    asked for, no further key is tried. Raises TargetError.
    """
    with target.connect(outlives_cancel=True) as connection:
        if not upgrade_ledger(connection):
            return RestoredConstraints(())
        return RestoredConstraints(
            restore_foreign_keys(connection, names=names, giving_up=giving_up, on_key=on_key)
        )
