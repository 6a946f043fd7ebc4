"""What a load of many chunks does between beginning and end: load the open ones, count, build indexes.

A transaction per chunk, by several connections at once (``workers``). Then the chunks' rows are counted
against the source, and indexes are built side by side. A crash at any moment leaves the table marked as
loaded in part, and the next load of it goes on where this one stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from blb_migration.errors import SourceError
from blb_migration.feed.source_end import SourceEnd, read_source_end
from blb_migration.load.chunks.planning import ChunkColumn
from blb_migration.load.chunks.workers import ChunkWorkers
from blb_migration.load.connections import choose_connections
from blb_migration.load.task import LoadTask
from blb_migration.load.write import WrittenTable
from blb_migration.postgres.dropping.indexes import IndexDefinition, build_indexes
from blb_migration.postgres.ledger.chunked_loads import forbid_resuming
from blb_migration.postgres.ledger.chunks import LoadedChunk, TableChunk, read_chunks, read_merged_digest
from blb_migration.sqlserver.table_metrics import count_rows


def write_chunks(
    task: LoadTask, column: ChunkColumn, chunks: Sequence[TableChunk], indexes: Sequence[IndexDefinition]
) -> SourceEnd:
    """Load the open ones of ``chunks`` and build the dropped ``indexes``.

    Returns what the source says after the last row. Raises the first error; the load can go on then.
    """
    connections = choose_connections(task.migration.loading, task.connection)
    ChunkWorkers(task, column.column, chunks).run(connections)
    source_end = _compare_counts(task)
    if indexes:
        task.begin_phase("building indexes")
        with ExitStack() as stack:
            sessions = [
                stack.enter_context(task.migration.target.connect())
                for _ in range(min(connections, len(indexes)))
            ]
            build_indexes(sessions, indexes)
    return source_end


def add_up_chunks(task: LoadTask, source_end: SourceEnd) -> WrittenTable:
    """Add up all chunks, earlier ones included, within the open transaction. Raises TargetError."""
    chunks = read_chunks(task.connection, task.load_id)
    rows_decided = Counter[str]()
    for each in chunks:
        rows_decided.update(each.rows_decided)
    rows = LoadedChunk(
        sum(each.rows_written for each in chunks),
        sum(each.bytes_read for each in chunks),
        sum(each.bytes_written for each in chunks),
        rows_decided,
        read_merged_digest(task.connection, task.load_id),
        task.elapsed_seconds,
    )
    return WrittenTable(rows, source_end)


def _compare_counts(task: LoadTask) -> SourceEnd:
    """Refuse chunks that do not hold what the source holds; returns what it says after the last row."""
    name = task.table.source.name
    with task.migration.source.connect() as session:
        source_count = count_rows(session, name)
        source_end = read_source_end(session, task.table.source)
    chunks = read_chunks(task.connection, task.load_id)
    written = sum(each.rows_written for each in chunks)
    if written != source_count:
        forbid_resuming(task.connection, task.load_id)
        raise SourceError(
            str(name),
            found=f"its {len(chunks):,} chunks gave {written:,} rows, but it holds {source_count:,}",
            expected="a source that nobody changes while it is read",
            next_act="Freeze the source, then run the table again; it begins afresh",
        )
    return source_end
