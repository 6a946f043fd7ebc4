"""A table's rows, or one chunk of them, on their way from the source to COPY: encoded, digested, counted.

Nothing is written here; what is counted on the way belongs to the load's record.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import groupby

import pyarrow as pa

from blb_migration.feed.digesting import ReadDigester
from blb_migration.feed.read_ahead import read_ahead
from blb_migration.feed.source_end import SourceEnd, read_source_end
from blb_migration.feed.source_rows import SourceRows
from blb_migration.migration import ProgressListener, TableProgress
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.binary.digest import TableDigest
from blb_migration.postgres.copy import CopyEncoder, EncodedRows
from blb_migration.postgres.ledger.records import DecisionRecord
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.value_decisions import ValueDecision


class SourceFeed:
    """The rows of one chunk, once; ``rows_read`` and ``source_bytes`` (of Arrow batches) grow meanwhile.

    ``chunk_no`` is 0 for a whole table, of which ``source_end`` is known after the last row. Times count from
    when the feed was made.
    """

    def __init__(
        self, rows: SourceRows, chunk_no: int = 0, on_progress: ProgressListener | None = None
    ) -> None:
        self.chunk_no = chunk_no
        self.rows_read = 0
        self.source_bytes = 0
        self.source_end = SourceEnd()
        self._rows = rows
        self._on_progress = on_progress
        self._started_at = time.monotonic()
        self._encoder = CopyEncoder(
            rows.table.target.name, [column.target for column in rows.columns], rows.schema
        )
        self._digester = ReadDigester(rows.table, rows.schema, self._encoder.rows)

    @property
    def elapsed_seconds(self) -> float:
        """How long it takes so far."""
        return time.monotonic() - self._started_at

    def read(self, session: SourceSession) -> Generator[pa.RecordBatch, None, None]:
        """Read the source's batches, for ``encode``. Raises SourceError."""
        with closing(self._rows.read(session)) as batches:
            yield from batches
        if self._rows.key_range is None:  # while the last rows are still on their way to the target
            self.source_end = read_source_end(session, self._rows.table.source)

    def encode(self, batch: pa.RecordBatch) -> EncodedRows:
        """Encode one batch for COPY, counted and digested.

        Raises TargetError for a value that the target would cut, ValueError for one that does not fit or
        rows that come in another order than the digest needs.
        """
        self.rows_read += batch.num_rows
        self.source_bytes += batch.nbytes
        converted = self._rows.convert(batch)
        encoded = self._encoder.encode(converted)
        self._digester.add(converted, encoded.buffer)
        return encoded

    def report_progress(self) -> None:
        """Say how far it is."""
        if self._on_progress is not None:
            table = self._rows.table
            self._on_progress(
                TableProgress(
                    table.label,
                    self.rows_read,
                    table.source.row_estimate,
                    self.source_bytes,
                    self.elapsed_seconds,
                    self.chunk_no,
                )
            )

    def finish_digest(self) -> TableDigest:
        """Return the digest of all rows, once they were taken."""
        return self._digester.finish()

    def count_decided(self) -> dict[str, int]:
        """Count the rows that each decision about values has changed, for ``describe_decisions``."""
        return {
            _name(record): self._rows.rows_changed[column, decision]
            for record, column, decision in _list_decisions(self._rows.table)
        }


_Item = tuple[SourceFeed, pa.RecordBatch | None]
_EncodedItem = tuple[SourceFeed, EncodedRows | None]


def stream_feeds(
    source: SourceConnector, feeds: Iterable[SourceFeed]
) -> Generator[tuple[SourceFeed, Iterator[EncodedRows]], None, None]:
    """Yield each feed with its encoded rows, one feed after the other, all by one session of the source.

    Three threads share the work: one reads, the next feed already while the one before is still written;
    one converts, encodes and digests; whoever takes the rows sends them. ``feeds`` is iterated by the reading
    thread. Rows are to be taken in their order, to the end, or this iterator to be closed. Raises what
    ``SourceFeed.read`` and ``encode`` raise.
    """

    @contextmanager
    def open_read() -> Iterator[Iterator[_Item]]:
        with source.connect() as session, closing(_read_all(session, feeds)) as items:
            yield items

    @contextmanager
    def open_encoded() -> Iterator[Iterator[_EncodedItem]]:
        with closing(read_ahead(open_read)) as items:
            yield ((feed, None if batch is None else feed.encode(batch)) for feed, batch in items)

    with closing(read_ahead(open_encoded)) as items:
        for feed, group in groupby(items, key=lambda item: item[0]):
            yield feed, (rows for _, rows in group if rows is not None)


def _read_all(session: SourceSession, feeds: Iterable[SourceFeed]) -> Generator[_Item, None, None]:
    for feed in feeds:
        yield feed, None  # a chunk may have no rows
        with closing(feed.read(session)) as batches:
            for batch in batches:
                yield feed, batch


def describe_decisions(table: TablePlan, rows_decided: Mapping[str, int]) -> list[DecisionRecord]:
    """Describe for the ledger what was decided about the table's values, and how many rows it has changed."""
    return [
        replace(record, row_count=rows_decided.get(_name(record), 0))
        for record, _, _ in _list_decisions(table)
    ]


def _list_decisions(table: TablePlan) -> list[tuple[DecisionRecord, ColumnPlan, ValueDecision]]:
    return [
        (
            DecisionRecord(f"{table.label}.{column.source.name}", str(decision), decision.reason),
            column,
            decision,
        )
        for column in table.columns
        for decision in column.decisions
    ]


def _name(decision: DecisionRecord) -> str:
    return f"{decision.subject}: {decision.decision}"
