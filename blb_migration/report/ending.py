"""The end of a run, written into its ledger entry, so that the history and a rebuilt report know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from blb_migration.compare.verdict import read_verdict
from blb_migration.migration import Migration
from blb_migration.postgres.ledger.ledger import Ledger
from blb_migration.report.sentences import Ending


def record_ending(migration: Migration, ending: Ending, errors: Sequence[str] = ()) -> None:
    """Record how the run ended: as ``ending`` says, or by the verdict where it came to its end.

    ``errors`` are sentences without secrets. A run that wrote nothing has no entry, and gets none. Raises
    TargetError.
    """
    with _open_ledger(migration) as ledger:
        if ledger is not None:
            ledger.finish_run(migration.run.run_id, _name_outcome(ledger, migration, ending), errors)


def record_open_ending(migration: Migration) -> None:
    """Record the verdict as the run's end, unless an end is recorded already. Raises TargetError."""
    with _open_ledger(migration) as ledger:
        if ledger is not None:
            run = ledger.read_run(migration.run.run_id)
            if run is not None and run.outcome is None:
                outcome = _name_outcome(ledger, migration, Ending.COMPLETED)
                ledger.finish_run(migration.run.run_id, outcome)


def record_failures(migration: Migration, ending: Ending, errors: Sequence[str]) -> None:
    """Record that the run has failed, beside what other processes of it have recorded. Raises TargetError.

    Its other steps may still go on.
    """
    with _open_ledger(migration) as ledger:
        if ledger is not None:
            ledger.add_run_errors(migration.run.run_id, ending.value, errors)


@contextmanager
def _open_ledger(migration: Migration) -> Iterator[Ledger | None]:
    """The ledger, if it has an entry of the run."""
    with migration.target.connect() as connection:
        ledger = Ledger(connection)
        has_entry = ledger.exists() and ledger.read_run(migration.run.run_id) is not None
        yield ledger if has_entry else None


def _name_outcome(ledger: Ledger, migration: Migration, ending: Ending) -> str:
    if ending is not Ending.COMPLETED:
        return ending.value
    return "equal" if read_verdict(ledger, migration.project.plan).is_equal else "not equal"
