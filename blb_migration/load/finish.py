"""After the last table: every foreign key that was set aside comes back, proven by the target.

Before that the planner's statistics are taken, which the proof of large keys profits from as well: no load's
snapshot is in the way of the visibility map any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.errors import TargetError
from blb_migration.load.analyze import take_all_statistics
from blb_migration.load.prepare import ensure_run
from blb_migration.migration import Migration
from blb_migration.postgres.key_restoration import BroughtBack, bring_back
from blb_migration.postgres.ledger.ledger import Ledger

_KEYS_IN_MESSAGE = 10


@dataclass(frozen=True)
class RestoredConstraints:
    """Every foreign key that is in place again."""

    brought_back: tuple[BroughtBack, ...]


def restore_constraints(migration: Migration) -> RestoredConstraints:
    """Bring back whatever the ledger says is set aside, whichever run did that.

    Raises TargetError when rows violate a key: that key stays on record, all others are in place.
    """
    with migration.target.connect() as connection:
        ledger = Ledger(connection)
        ledger.create()
        ensure_run(ledger, migration)
        take_all_statistics(migration)
        outcomes = bring_back(connection)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if failed:
        shown = "; ".join(_describe(outcome) for outcome in failed[:_KEYS_IN_MESSAGE])
        raise TargetError(
            "foreign keys of the target",
            found=f"{len(failed)} of {len(outcomes)} could not be brought back: {shown}",
            next_act="Correct these rows (at the source, then load the table again), then run "
            "constraints_restored again; the other keys are in place",
        )
    return RestoredConstraints(outcomes)


def _describe(outcome: BroughtBack) -> str:
    if outcome.orphan_count:
        keys = ", ".join(outcome.first_keys)
        return (
            f"{outcome.table}.{outcome.name}: {outcome.orphan_count:,} rows refer to no parent, first {keys}"
        )
    return f"{outcome.table}.{outcome.name}: {outcome.error}"
