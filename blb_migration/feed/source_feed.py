"""The source's rows of one table, or of one chunk of its key: read, converted, digested, encoded for COPY.

Three threads share the work: one reads, one converts, encodes and digests, and whoever takes the rows
sends them. Nothing is written here; what is counted on the way belongs to the load's record.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pyarrow as pa

from blb_migration.feed.convert import BatchConverter
from blb_migration.feed.digesting import ReadDigester, find_order
from blb_migration.feed.read_ahead import read_ahead
from blb_migration.migration import LoadPhase, Migration, PhaseBegun, ProgressListener, TableProgress
from blb_migration.plan.build import TablePlan
from blb_migration.plan.columns import ColumnPlan
from blb_migration.postgres.binary.digest import TableDigest
from blb_migration.postgres.copy import CopyEncoder, EncodedRows
from blb_migration.postgres.ledger.records import DecisionRecord
from blb_migration.questions import Question
from blb_migration.sqlserver.batch_sizes import TARGET_BATCH_BYTES
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.identities import read_last_identity
from blb_migration.sqlserver.probes import build_condition
from blb_migration.sqlserver.read import KeyRange, read_batches
from blb_migration.value_decisions import ValueDecision


class SourceFeed:
    """The rows once, in the target's form. ``rows_read``, ``source_bytes`` (of Arrow batches) grow meanwhile.

    ``last_identity`` is known after the last row, and only of a whole table. ``part`` numbers the chunk
    for progress.
    """

    def __init__(
        self,
        migration: Migration,
        table: TablePlan,
        on_progress: ProgressListener | None = None,
        *,
        key_range: KeyRange | None = None,
        part: int = 0,
        batch_bytes: int = TARGET_BATCH_BYTES,
    ) -> None:
        self._migration = migration
        self._table = table
        self._on_progress = on_progress
        self._key_range = key_range
        self._part = part
        self._batch_bytes = batch_bytes
        self._started_at = time.monotonic()
        self._converter = BatchConverter(table.columns)
        self._encoder = CopyEncoder(
            table.target.name, [column.target for column in table.columns], self._converter.schema
        )
        self._digester = ReadDigester(table, self._converter.schema, self._encoder.rows)
        self.rows_read = 0
        self.source_bytes = 0
        self.last_identity: int | None = None

    def iterate_rows(self) -> Generator[EncodedRows, None, None]:
        """The encoded rows, to be taken to the end, or closed.

        Raises SourceError, TargetError for a value that the target would cut, ValueError for one that
        does not fit or rows that come in another order than the digest needs.
        """
        for rows in read_ahead(self._open_encoded):
            yield rows
            self.report_progress()

    def report_progress(self) -> None:
        """Say how far it is."""
        if self._on_progress is not None:
            self._on_progress(
                TableProgress(
                    self._table.label,
                    self.rows_read,
                    self._table.source.row_estimate,
                    self.source_bytes,
                    time.monotonic() - self._started_at,
                    self._part,
                )
            )

    def begin_phase(self, phase: LoadPhase) -> None:
        """Say that the load goes on with something else than rows."""
        if self._on_progress is not None:
            self._on_progress(PhaseBegun(self._table.label, phase))

    def finish_digest(self) -> TableDigest:
        """The digest of all rows, once they were taken."""
        return self._digester.finish()

    def describe_decisions(self) -> list[DecisionRecord]:
        """What was decided about values, and how many rows it has changed."""
        return [
            replace(record, row_count=self._converter.rows_changed[column, decision])
            for record, column, decision in list_decisions(self._table)
        ]

    @contextmanager
    def _open_encoded(self) -> Iterator[Iterator[EncodedRows]]:
        with closing(read_ahead(self._open_source)) as batches:
            yield map(self.encode, batches)

    def encode(self, batch: pa.RecordBatch) -> EncodedRows:
        """One batch as it goes to COPY, counted and digested; for whoever has threads of his own."""
        self.rows_read += batch.num_rows
        self.source_bytes += batch.nbytes
        converted = self._converter.convert(batch)
        encoded = self._encoder.encode(converted)
        self._digester.add(converted, encoded.buffer)
        return encoded

    def read(self, session: SourceSession) -> Generator[pa.RecordBatch, None, None]:
        """The source's batches, for ``encode``. Raises SourceError."""
        return read_batches(
            session,
            self._table.source.name,
            [column.source for column in self._table.columns],
            key_range=self._key_range,
            order_by=find_order(self._table),
            marks=[
                build_condition(self._table.source, Question(column.source.name, "lone_surrogate"))
                for column in self._converter.marked_columns
            ],
            row_estimate=self._table.source.row_estimate,
            target_batch_bytes=self._batch_bytes,
        )

    @contextmanager
    def _open_source(self) -> Iterator[Iterator[pa.RecordBatch]]:
        with self._migration.source.connect() as session:
            yield self.read(session)
            if self._key_range is None:
                # After the rows, so that it is not behind them.
                self.last_identity = read_last_identity(session, self._table.source.name)


def list_decisions(table: TablePlan) -> list[tuple[DecisionRecord, ColumnPlan, ValueDecision]]:
    """What was decided about values, as the ledger has it, with no count of rows yet."""
    return [
        (
            DecisionRecord(f"{table.label}.{column.source.name}", str(decision), decision.reason),
            column,
            decision,
        )
        for column in table.columns
        for decision in column.decisions
    ]
