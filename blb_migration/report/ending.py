"""The end of a run, written into its ledger entry, so that the history and a rebuilt report know of it."""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.migrate.context import Migration
from blb_migration.postgres.ledger import Ledger
from blb_migration.reconcile.verdict import read_verdict
from blb_migration.report.sentences import Ending


def record_ending(migration: Migration, ending: Ending, errors: Sequence[str] = ()) -> None:
    """Record how the run ended: as ``ending`` says, or by the verdict where it came to its end.

    ``errors`` are sentences without secrets. A run that wrote nothing has no entry, and gets none. Raises
    TargetError.
    """
    with migration.target.connect() as connection:
        ledger = Ledger(connection)
        if not ledger.exists() or ledger.read_run(migration.run.run_id) is None:
            return
        outcome: str = ending.value
        if ending is Ending.COMPLETED:
            is_equal = read_verdict(ledger, migration.project.plan).is_equal
            outcome = "equal" if is_equal else "not equal"
        ledger.finish_run(migration.run.run_id, outcome, errors)
