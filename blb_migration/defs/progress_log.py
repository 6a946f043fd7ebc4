"""A load's progress in Dagster's event log, where every line is a row in Dagster's storage.

So a table speaks for the first time after ten seconds, then whenever a tenth of its time so far has passed
again, at least every five minutes: 60 lines in two hours, none for a small table. The run as a whole speaks
at that pace too, beside a table, where one process sees all of it; where every step has its own process, only
the ledger knows of all tables, and the run speaks after each one that took long.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from blb_migration.cancellation import NEVER, Cancellation
from blb_migration.errors import MigrationError

if TYPE_CHECKING:
    from blb_migration.defs.run_notes import RunNotes
    from blb_migration.migration import Migration, ProgressEvent, ProgressListener
    from blb_migration.progress.rates import LogPace

# A phase gets a line of its own where the rows took so long.
_LEAST_SECONDS = 3.0
_LONG_SECONDS = 10.0  # a load of so long is followed by a line about all tables


def build_progress_listener(
    label: str,
    notes: RunNotes,
    pace: LogPace,
    log: Callable[[str], None],
    cancellation: Cancellation = NEVER,
) -> ProgressListener:
    """Pass every event on to ``notes``, and now and then a line about table ``label`` to ``log``.

    It raises Interrupted when ``cancellation`` is asked for: once a batch, where that does no harm.
    """
    from blb_migration.migration import PhaseBegun
    from blb_migration.progress.wording import describe_run, describe_table

    def on_progress(event: ProgressEvent) -> None:
        cancellation.check()
        notes.table_progressed(event)
        is_due = pace.is_due()
        if not is_due and not isinstance(event, PhaseBegun):
            return
        reading = notes.meter.read_table(label)
        if is_due or reading.seconds >= _LEAST_SECONDS:
            log(f"{label}: {describe_table(reading)}")
        if is_due and notes.sees_whole_run and notes.pace.is_due():
            log(f"all tables: {describe_run(notes.meter.read_run())}")

    return on_progress


def log_whole_run(
    migration: Migration, notes: RunNotes, elapsed_seconds: float, log: Callable[[str], None]
) -> None:
    """After a long load, say how far all tables are by the ledger, unless this process sees them all."""
    from blb_migration.postgres.ledger.loads import read_loads_of_run

    if notes.sees_whole_run or elapsed_seconds < _LONG_SECONDS:
        return
    with suppress(MigrationError), migration.target.connect() as connection:  # the load itself is done
        loads = read_loads_of_run(connection, migration.run.run_id)
        rows = {load.table: load.loaded.rows_written for load in loads if load.loaded is not None}
        tables = migration.project.plan.tables
        waiting = [table.source.row_estimate for table in tables if table.target.name not in rows]
        total = sum(rows.values())
        expected = total + sum(estimate or 0 for estimate in waiting)
        unknown = f", {waiting.count(None)} tables of unknown size" if None in waiting else ""
        log(f"all tables: {len(rows)} of {len(tables)} loaded, {total:,} of about {expected:,} rows{unknown}")
