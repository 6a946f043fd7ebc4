"""The end of a run, written into its ledger entry, so that the history and a rebuilt report know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from blb_migration.compare.source_reads import judge_movement
from blb_migration.compare.verdict import read_verdict
from blb_migration.errors import TargetError
from blb_migration.findings import Finding
from blb_migration.migration import Migration
from blb_migration.postgres.ledger.packing import pack_old_runs
from blb_migration.postgres.ledger.records import KINDS_OFF_RECORD, Run
from blb_migration.postgres.ledger.runs import add_run_errors, finish_run, read_run, record_findings
from blb_migration.postgres.ledger.versions import has_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.report.sentences import Ending
from blb_migration.run_entry import describe_finding, ensure_run


def record_ending(migration: Migration, errors: Sequence[str] = (), *, if_open: bool = False) -> None:
    """Record the verdict as the run's end; ``if_open``: unless an end is recorded already.

    ``errors`` are sentences without secrets. A run that only looked has no entry, and gets none. Raises
    TargetError, and ConfigurationError for a target of the other environment.
    """
    with _open_entry(migration) as (connection, run):
        if run is not None and not (if_open and run.outcome is not None):
            judge_movement(migration, connection)
            outcome = _name_outcome(connection, migration, Ending.COMPLETED)
            finish_run(connection, run.start.run_id, outcome, errors)
            with suppress(TargetError):  # the next run does it then
                pack_old_runs(connection)


def record_failures(
    migration: Migration, ending: Ending, errors: Sequence[str], findings: Sequence[Finding] = ()
) -> None:
    """Record that the run has failed, beside what other processes of it have recorded. Raises TargetError.

    Its other steps may still go on. ``findings`` are preflight's, for a run that it refused.
    """
    with _open_entry(migration) as (connection, run):
        if run is not None:
            add_run_errors(connection, run.start.run_id, ending.value, errors)
            if not run.is_prepared:
                record_findings(connection, run.start.run_id, [describe_finding(each) for each in findings])


def record_early_ending(migration: Migration, ending: Ending, error: str) -> None:
    """Record a run that ended before its first step, in a ledger that is there already. Raises TargetError.

    Such a run says that something is not as it was when the target was last verified.
    """
    with migration.target.connect(outlives_cancel=True) as connection:
        if not has_ledger(connection):
            return
    record_failures(migration, ending, [error])


def record_lost_end(migration: Migration, ending: Ending, errors: Sequence[str]) -> bool:
    """Record the end of a run that could not do so itself; False if it has one. Raises TargetError.

    One that has begun, and whose end nobody wrote down, was interrupted: whoever finds it first says so.
    """
    with migration.target.connect(outlives_cancel=True) as connection:
        has_begun = has_ledger(connection) and read_run(connection, migration.run.run_id) is not None
    if has_begun and ending is Ending.FAILED:
        ending = Ending.INTERRUPTED
    with _open_entry(migration) as (connection, run):
        if run is None or run.outcome is not None:
            return False
        finish_run(connection, run.start.run_id, _name_outcome(connection, migration, ending), errors)
        return True


@contextmanager
def _open_entry(migration: Migration) -> Iterator[tuple[TargetConnection, Run | None]]:
    """Yield a connection, and the run's entry in the ledger, made now if it has none."""
    with migration.target.connect(outlives_cancel=True) as connection:
        if migration.run.kind not in KINDS_OFF_RECORD:
            ensure_run(connection, migration)
        yield connection, read_run(connection, migration.run.run_id) if has_ledger(connection) else None


def _name_outcome(connection: TargetConnection, migration: Migration, ending: Ending) -> str:
    if ending is not Ending.COMPLETED:
        return ending.value
    return "equal" if read_verdict(connection, migration.project.plan).is_equal else "not equal"
