"""One table's way: source rows, Arrow batches, binary COPY, and the table as it was around new rows.

Every load begins (``begin``), writes chunks (``write``) and ends (``complete``). An ordinary table is one
chunk, and all of it is one transaction: a crash leaves the table either as it was or complete, so a rerun is
safe at any time. A large one has many, each with a transaction of its own between the first and the last:
if it is killed, the next load of it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from blb_migration.errors import (
    MigrationError,
    SourceUnreachable,
    TableFailed,
    TargetNotOurs,
    TargetUnreachable,
)
from blb_migration.load.begin import begin_table
from blb_migration.load.chunks.chunked_load import add_up_chunks, write_chunks
from blb_migration.load.complete import complete_table, restore_own_foreign_keys, take_statistics_alone
from blb_migration.load.guards import holding_right
from blb_migration.load.task import LoadTask
from blb_migration.load.write import write_table
from blb_migration.migration import Migration, ProgressListener
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.loads import begin_load, fail_load, read_effective_load
from blb_migration.postgres.ledger.sources import register_source
from blb_migration.postgres.ledger.versions import asking_version_once
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.session_slots import SessionSlots
from blb_migration.run_entry import ensure_run, has_prepared
from blb_migration.source_marker import NOT_JUDGED, MarkerVerdict, SourceMarker, compare_markers
from blb_migration.sqlserver.chunk_keys import TableSize, read_table_size
from blb_migration.sqlserver.marker import read_marker


@dataclass(frozen=True)
class TableLoad:
    """What a load did. ``source_bytes`` are of the Arrow batches read, ``copy_bytes`` of the COPY stream.

    ``source_movement``: whether somebody wrote to the source's table while it was read, and what tells that.
    """

    label: str
    load_id: int
    rows_read: int
    rows_written: int
    source_bytes: int
    copy_bytes: int
    elapsed_seconds: float
    next_sequence_value: int | None
    source_movement: MarkerVerdict = NOT_JUDGED


def load_table(
    migration: Migration, table: TablePlan, on_progress: ProgressListener | None = None
) -> TableLoad:
    """Replace the target table's rows by the source's: all or nothing, or, where it is large, chunk by chunk.

    Raises TargetNotOurs when the table holds rows of others or the target is live, SourceUnreachable
    or TargetUnreachable without a connection, and TableFailed for everything else that can happen to
    one table. Nothing of a failed load stays; of a chunked one its finished chunks do: the table counts as
    loaded in part, and loading it again goes on from there.
    """
    started_at = time.monotonic()
    # The two connections: one whose notes stay whatever happens, one that commits everything or nothing.
    target = migration.target
    with (
        migration.source.keeping_sessions(),
        target.keeping_sessions(),
        target.connect(outlives_cancel=True) as notes,
        target.connect() as connection,
    ):
        ensure_run(notes, migration)
        slots = SessionSlots(connection, migration.loading.source_sessions, migration.loading.target_sessions)
        with (
            asking_version_once(connection),
            holding_right(connection, table),
            slots.holding_pair(table.label),
        ):
            with migration.source.connect() as session:
                marker = read_marker(session, [table.source.name])
                size = read_table_size(session, table.source.name)
            table = _estimate_anew(table, size)
            load_id = begin_load(
                notes,
                migration.run.run_id,
                table.target.name,
                table.source.name,
                source_id=register_source(notes, marker.origin),
                source_before=marker,
            )
            with _noting_failure(notes, load_id, table), target_errors(f"table {table.target.name}"):
                prepared = has_prepared(notes, migration)
                task = LoadTask(
                    migration, table, connection, load_id, slots, prepared, on_progress, started_at, size
                )
                return _load(task, marker)


def _estimate_anew(table: TablePlan, size: TableSize | None) -> TablePlan:
    """Return the table with its size now: the plan's estimate is as old as the project's catalog.json."""
    if size is None:
        return table
    return replace(table, source=replace(table.source, row_estimate=size.row_count))


def _load(task: LoadTask, source_before: SourceMarker) -> TableLoad:
    """Load the table: in one transaction, or in one that begins, one per chunk, and one that completes."""
    with task.connection.transaction():
        begun = begin_table(task)
        if begun.column is None:
            written = write_table(task)
            loaded = complete_table(task, begun, written)
            take_statistics_alone(task, is_frozen=True)
            restore_own_foreign_keys(task, begun.parts)
    if begun.column is not None:
        source_end = write_chunks(task, begun.column, begun.chunks, begun.parts.indexes)
        with task.connection.transaction():
            written = add_up_chunks(task, source_end)
            loaded = complete_table(task, begun, written)
        take_statistics_alone(task, is_frozen=False)
        restore_own_foreign_keys(task, begun.parts)
    source_after = written.source_end.marker
    return TableLoad(
        label=task.table.label,
        load_id=task.load_id,
        rows_read=loaded.rows_read,
        rows_written=loaded.rows_written,
        source_bytes=written.rows.bytes_read,
        copy_bytes=loaded.bytes_written,
        elapsed_seconds=task.elapsed_seconds,
        next_sequence_value=loaded.next_sequence_value,
        source_movement=NOT_JUDGED if source_after is None else compare_markers(source_before, source_after),
    )


@contextmanager
def _noting_failure(notes: TargetConnection, load_id: int, table: TablePlan) -> Iterator[None]:
    """Write a failed load's reason into the ledger, and name the table in the error."""
    try:
        yield
    except (SourceUnreachable, TargetUnreachable, TargetNotOurs) as error:
        fail_load(notes, load_id, str(error))
        raise
    except (MigrationError, ValueError) as error:
        fail_load(notes, load_id, str(error))
        failure = TableFailed(
            f"table {table.label}",
            found=str(error),
            next_act=_describe_what_stayed(notes, load_id, table),
        )
        failure.is_transient = getattr(error, "is_transient", False)
        failure.was_waited_out = getattr(error, "was_waited_out", False)
        raise failure from error
    except BaseException as error:
        fail_load(notes, load_id, str(error) or type(error).__name__)
        raise


def _describe_what_stayed(notes: TargetConnection, load_id: int, table: TablePlan) -> str:
    """Say what the failed load has left in the table, and what to do."""
    effective = read_effective_load(notes, table.target.name)
    if effective is None or effective.load_id != load_id:
        return "Nothing of this load stayed. Settle the cause, then run the table again"
    if effective.status == "finished":
        return "The table is loaded. Settle the cause, then run constraints_restored"
    return "Its finished chunks stayed. Settle the cause, then run the table again"
