"""How a load begins, within one transaction: judged, cut into chunks, made ready. Copies no rows.

Beginning afresh drops what is to be restored at the end and empties the table. Where it has more than one
chunk, these are recorded as open and the transaction is to be committed: from then on until the load's end
the table is neither as before nor complete. What an earlier chunked load has left is looked at here and
nowhere else: the load goes on with it, or begins again and restores that load's parts, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from blb_migration.feed.digesting import build_content_form
from blb_migration.load.chunks.planning import ChunkColumn, choose_chunk_column, plan_chunks
from blb_migration.load.chunks.resuming import build_basis, may_resume
from blb_migration.load.guards import refuse_what_is_not_ours
from blb_migration.load.task import LoadTask
from blb_migration.postgres.copy import empty_table
from blb_migration.postgres.dropping.parts import DroppedParts, drop_parts
from blb_migration.postgres.ledger.chunked_loads import (
    UnfinishedChunkedLoad,
    end_chunked_load,
    read_table_oid,
    read_unfinished_chunked_load,
    record_chunked_load,
    take_over_chunked_load,
)
from blb_migration.postgres.ledger.chunks import TableChunk, forget_chunks_before, read_chunks, record_chunks
from blb_migration.postgres.ledger.left_rows import record_left_rows

# Below this many rows, keeping indexes up while loading costs less than dropping and building them.
REBUILD_INDEXES_FROM_ROWS = 20_000


@dataclass(frozen=True)
class BegunLoad:
    """A table that is ready for its rows, and what is to be restored once it has them.

    ``chunks`` are those of a chunked load, finished and open, along ``column``. Without it the whole table is
    the only chunk, to be loaded in the transaction that has begun.
    """

    parts: DroppedParts
    column: ChunkColumn | None = None
    chunks: tuple[TableChunk, ...] = ()

    @property
    def is_chunked(self) -> bool:
        """Whether each chunk has a transaction of its own, so that this one is to be committed now."""
        return self.column is not None


def begin_table(task: LoadTask) -> BegunLoad:
    """Make the table ready for its open chunks, within the open transaction.

    Raises TargetNotOurs, SourceError, TargetError.
    """
    connection, load_id, name = task.connection, task.load_id, task.target_name
    with task.migration.source.connect() as session:
        column = choose_chunk_column(session, task.table, task.source_size, task.migration.loading)
        unfinished = read_unfinished_chunked_load(connection, name)
        chunks = () if unfinished is None else read_chunks(connection, unfinished.load_id, locks=True)
        refuse_what_is_not_ours(task)
        ends, basis = None, {}
        if column is not None:
            basis = build_basis(task, column.column, session, is_aligned=column.is_aligned)
            if unfinished is not None and may_resume(task, unfinished, basis, chunks):
                take_over_chunked_load(connection, unfinished.load_id, load_id)
                return BegunLoad(_take_over(task, unfinished), column, chunks)
            ends = plan_chunks(session, task.table, column)
    parts = _drop_parts(task, unfinished, is_chunked=ends is not None)
    empty_table(connection, name)
    record_left_rows(connection, load_id, name, build_content_form(task.table))
    forget_chunks_before(connection, load_id)
    if ends is None:
        return BegunLoad(parts)
    dropped_parts = parts.to_json()
    record_chunked_load(
        connection, load_id, name, basis=basis, dropped_parts=dropped_parts, chunk_count=len(ends)
    )
    record_chunks(connection, load_id, ends)
    return BegunLoad(parts, column, read_chunks(connection, load_id))


def _drop_parts(
    task: LoadTask, unfinished: UnfinishedChunkedLoad | None, *, is_chunked: bool
) -> DroppedParts:
    """Drop what the load is to restore, and take over what an unfinished one has dropped."""
    connection, name = task.connection, task.target_name
    estimate = task.table.source.row_estimate
    is_small = estimate is not None and estimate < REBUILD_INDEXES_FROM_ROWS
    keeps_indexes = is_small and not is_chunked and unfinished is None
    parts = drop_parts(connection, name, task.migration.run.run_id, keeps_indexes=keeps_indexes)
    if unfinished is None:
        return parts
    end_chunked_load(connection, unfinished.load_id)
    # A later table of the same name has nothing to do with it.
    if unfinished.basis["table_oid"] != read_table_oid(connection, name):
        return parts
    return parts.including(_take_over(task, unfinished))


def _take_over(task: LoadTask, unfinished: UnfinishedChunkedLoad) -> DroppedParts:
    """Read what an unfinished load has dropped and this one is to restore."""
    parts = DroppedParts.from_json(unfinished.dropped_parts)
    # The end of a whole run restores every foreign key on record.
    return replace(parts, foreign_keys=()) if task.is_prepared else parts
