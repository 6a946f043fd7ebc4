"""The end of a run, written into its ledger entry, so that the history and a rebuilt report know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from blb_migration.compare.verdict import read_verdict
from blb_migration.migration import Migration
from blb_migration.postgres.ledger.records import Run
from blb_migration.postgres.ledger.runs import add_run_errors, finish_run, read_run
from blb_migration.postgres.ledger.versions import has_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.report.sentences import Ending


def record_ending(migration: Migration, ending: Ending, errors: Sequence[str] = ()) -> None:
    """Record how the run ended: as ``ending`` says, or by the verdict where it came to its end.

    ``errors`` are sentences without secrets. A run that wrote nothing has no entry, and gets none. Raises
    TargetError.
    """
    with _open_entry(migration) as (connection, run):
        if run is not None:
            finish_run(connection, run.start.run_id, _name_outcome(connection, migration, ending), errors)


def record_open_ending(migration: Migration) -> None:
    """Record the verdict as the run's end, unless an end is recorded already. Raises TargetError."""
    with _open_entry(migration) as (connection, run):
        if run is not None and run.outcome is None:
            finish_run(connection, run.start.run_id, _name_outcome(connection, migration, Ending.COMPLETED))


def record_failures(migration: Migration, ending: Ending, errors: Sequence[str]) -> None:
    """Record that the run has failed, beside what other processes of it have recorded. Raises TargetError.

    Its other steps may still go on.
    """
    with _open_entry(migration) as (connection, run):
        if run is not None:
            add_run_errors(connection, run.start.run_id, ending.value, errors)


@contextmanager
def _open_entry(migration: Migration) -> Iterator[tuple[TargetConnection, Run | None]]:
    """Yield a connection, and the run's entry in the ledger if it has one."""
    with migration.target.connect(outlives_cancel=True) as connection:
        yield connection, read_run(connection, migration.run.run_id) if has_ledger(connection) else None


def _name_outcome(connection: TargetConnection, migration: Migration, ending: Ending) -> str:
    if ending is not Ending.COMPLETED:
        return ending.value
    return "equal" if read_verdict(connection, migration.project.plan).is_equal else "not equal"
