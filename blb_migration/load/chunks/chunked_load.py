"""A large table's way: split into chunks that are loaded one by one, so that a killed load goes on.

Begin (``split_begin``), load the open chunks (``split_workers``), and the end, here: the chunks' rows are
counted against the source, indexes and keys are built side by side, and one transaction puts back what was
taken off, sets the sequences, adds the digests up and finishes the load. A crash at any moment leaves the
table marked as loaded in part, and the next load of it goes on where this one stopped.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from blb_migration.errors import MigrationError, SourceError
from blb_migration.load.chunks.begin import BegunChunkedLoad, begin_or_resume
from blb_migration.load.chunks.planning import ChunkColumn, choose_chunk_column
from blb_migration.load.chunks.workers import ChunkWorkers, add_up_decisions
from blb_migration.load.connections import choose_connections
from blb_migration.load.next_values import continue_sequences
from blb_migration.migration import LoadPhase, Migration, PhaseBegun, ProgressListener
from blb_migration.plan.build import TablePlan
from blb_migration.postgres.copy import lock_table
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.indexes import build_indexes, finish_index
from blb_migration.postgres.ledger.chunked_loads import (
    UnfinishedChunkedLoad,
    end_chunked_load,
    forbid_resuming,
)
from blb_migration.postgres.ledger.chunks import TableChunk, forget_digests, read_chunks, read_merged_digest
from blb_migration.postgres.ledger.loads import finish_load, record_digest
from blb_migration.postgres.ledger.records import LoadedTable
from blb_migration.postgres.ledger.runs import is_prepared, record_decisions
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.statistics import vacuum_table
from blb_migration.postgres.triggers import enable_triggers
from blb_migration.sqlserver.identities import read_last_identity
from blb_migration.sqlserver.table_metrics import count_rows


def begin_chunked_load(
    migration: Migration,
    table: TablePlan,
    connection: TargetConnection,
    load_id: int,
    unfinished: UnfinishedChunkedLoad | None,
) -> ChunkedLoad | None:
    """Begin a chunked load, or go on with the unfinished one; None for a table that is to be loaded whole.

    Raises what ``begin_or_resume`` raises.
    """
    with migration.source.connect() as session:
        split = choose_chunk_column(session, table, migration.loading)
        if split is None:
            return None
        begun = begin_or_resume(
            migration,
            table,
            split,
            session=session,
            connection=connection,
            load_id=load_id,
            unfinished=unfinished,
        )
    return None if begun is None else ChunkedLoad(migration, table, split, begun, connection)


class ChunkedLoad:
    """One chunked load that has begun; ``finish`` brings it to its end."""

    def __init__(
        self,
        migration: Migration,
        table: TablePlan,
        split: ChunkColumn,
        begun: BegunChunkedLoad,
        connection: TargetConnection,
    ) -> None:
        self.begun = begun
        self._migration = migration
        self._table = table
        self._split = split
        self._connection = connection
        self._on_progress: ProgressListener | None = None
        self._started_at = time.monotonic()

    def finish(self, on_progress: ProgressListener | None) -> tuple[LoadedTable, int]:
        """Load the open chunks and put the table in order; returns what that did, and the bytes read.

        Both count what was loaded before, too. Raises the first error; the load can go on then.
        """
        self._on_progress = on_progress
        connections = choose_connections(self._migration.loading, self._connection)
        with self._migration.source.keeping_sessions(), self._migration.target.keeping_sessions():
            ChunkWorkers(self._migration, self._table, self._split, self.begun, self._on_progress).run(
                connections
            )
            chunks = read_chunks(self._connection, self.begun.load_id)
            last_identity = self._compare_counts(chunks)
            self._build_indexes(connections)
        loaded = self._end(chunks, last_identity)
        if not is_prepared(self._connection, self._migration.run.run_id):
            # Without COPY FREEZE the visibility map is empty; a whole run fills all of them at its end.
            self._begin_phase("analyzing")
            vacuum_table(self._connection, self._table.target.name)
        return loaded, sum(each.bytes_read for each in chunks)

    def _compare_counts(self, chunks: tuple[TableChunk, ...]) -> int | None:
        """Refuse chunks that do not hold what the source holds; returns its last identity number."""
        name = self._table.source.name
        with self._migration.source.connect() as session:
            source_count = count_rows(session, name)
            last_identity = read_last_identity(session, name)
        written = sum(each.rows_written for each in chunks)
        if written != source_count:
            forbid_resuming(self._connection, self.begun.load_id)
            raise SourceError(
                str(name),
                found=f"its {len(chunks):,} chunks gave {written:,} rows, but it holds {source_count:,}",
                expected="a source that nobody changes while it is read",
                next_act="Freeze the source, then run the table again; it begins afresh",
            )
        return last_identity

    def _build_indexes(self, connections: int) -> None:
        indexes = tuple(reversed(self.begun.parts.indexes))
        if not indexes:
            return
        self._begin_phase("building indexes")
        with ExitStack() as stack:
            sessions = [
                stack.enter_context(self._migration.target.connect())
                for _ in range(min(connections, len(indexes)))
            ]
            build_indexes(sessions, indexes)

    def _end(self, chunks: tuple[TableChunk, ...], last_identity: int | None) -> LoadedTable:
        connection, load_id = self._connection, self.begun.load_id
        with target_errors(f"table {self._table.target.name}"), connection.transaction():
            lock_table(connection, self._table.target.name)
            for index in reversed(self.begun.parts.indexes):
                finish_index(connection, index)
            enable_triggers(connection, self.begun.parts.triggers)
            numbering = continue_sequences(connection, self._table, last_identity)
            digest = read_merged_digest(connection, load_id)
            written = sum(each.rows_written for each in chunks)
            if digest.row_count != written:
                raise MigrationError(
                    str(self._table.target.name),
                    found=f"the digests of its chunks are of {digest.row_count:,} rows, not of {written:,}",
                    next_act="Report this as a bug; BLB_RESUME=0 loads the table afresh",
                )
            loaded = LoadedTable(
                rows_read=digest.row_count,
                rows_written=written,
                bytes_written=sum(each.bytes_written for each in chunks),
                elapsed_seconds=time.monotonic() - self._started_at,
                sequence_column=numbering.column if numbering else None,
                next_sequence_value=numbering.next_value if numbering else None,
                digest=digest.hexdigest(),
            )
            record_digest(connection, load_id, digest)
            finish_load(connection, load_id, loaded, None)
            decisions = add_up_decisions(self._table, chunks)
            record_decisions(connection, self._migration.run.run_id, decisions)
            end_chunked_load(connection, load_id)
            forget_digests(connection, load_id)
        return loaded

    def _begin_phase(self, phase: LoadPhase) -> None:
        if self._on_progress is not None:
            self._on_progress(PhaseBegun(self._table.label, phase))
