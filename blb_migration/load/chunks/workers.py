"""Loading the open chunks of a chunked load: several connections at once, a transaction per chunk.

Each worker has a session on either side and three threads: one reads the next open chunk, and the one
after it while the first is still written; one converts, encodes and digests; one locks the chunk's row in
the ledger, copies its rows and sets it to finished, all in one transaction, so that the chunk is there as a
whole or not at all, whatever happens to this process. The first error stops the other workers, whose open
chunks are rolled back; what was finished stays. A worker that a server lets not in leaves its share to the
others.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

import pyarrow as pa

from blb_migration.errors import SourceUnreachable, TargetUnreachable
from blb_migration.feed.read_ahead import read_ahead
from blb_migration.feed.source_feed import SourceFeed, list_decisions
from blb_migration.load.chunks.begin import BegunChunkedLoad
from blb_migration.load.chunks.planning import ChunkColumn
from blb_migration.load.guards import LOCK_TIMEOUT_SECONDS
from blb_migration.migration import Migration, ProgressListener, TableProgress
from blb_migration.plan.build import TablePlan
from blb_migration.postgres.copy import BinaryCopyWriter, EncodedRows
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.chunks import LoadedChunk, TableChunk, claim_chunk, finish_chunk
from blb_migration.postgres.ledger.records import DecisionRecord
from blb_migration.postgres.names import TargetConnection
from blb_migration.sqlserver.batch_sizes import TARGET_BATCH_BYTES
from blb_migration.sqlserver.chunk_keys import build_key_range
from blb_migration.sqlserver.connect import SourceSession

_POLL_SECONDS = 0.2  # so that an interrupt is noticed on Windows too, where join() cannot be


class ChunkWorkers:
    """The workers of one chunked load; ``run`` it once."""

    def __init__(
        self,
        migration: Migration,
        table: TablePlan,
        split: ChunkColumn,
        begun: BegunChunkedLoad,
        on_progress: ProgressListener | None,
    ) -> None:
        self._migration = migration
        self._table = table
        self._split = split
        self._begun = begun
        self._on_progress = on_progress
        self._waiting = deque(each for each in begun.chunks if not each.is_finished)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._first_error: BaseException | None = None
        self._not_let_in: SourceUnreachable | TargetUnreachable | None = None
        self._batch_bytes = TARGET_BATCH_BYTES

    def run(self, connections: int) -> None:
        """Load every open chunk by so many connections at once. Raises the first error of any of them."""
        self._report_kept()
        # Two connections peak at 192 MB like this, a whole table at 184, and two with full batches at 250;
        # the processor time is the same.
        self._batch_bytes = TARGET_BATCH_BYTES // (2 * connections)
        threads = [
            threading.Thread(target=self._work, name=f"blb-chunks-{number}", daemon=True)
            for number in range(1, min(connections, len(self._waiting)) + 1)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(_POLL_SECONDS)
        except BaseException:
            self._stopped.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            raise
        if self._first_error is not None:
            raise self._first_error
        if self._waiting and self._not_let_in is not None:
            raise self._not_let_in

    def _report_kept(self) -> None:
        if self._on_progress is None:
            return
        for kept in self._begun.chunks:
            if kept.is_finished:
                self._on_progress(
                    TableProgress(
                        self._table.label,
                        kept.rows_written,
                        self._table.source.row_estimate,
                        kept.bytes_read,
                        0.0,
                        kept.chunk_no,
                        is_kept=True,
                    )
                )

    def _work(self) -> None:
        try:
            with (
                self._migration.target.connect(lock_timeout_seconds=LOCK_TIMEOUT_SECONDS) as connection,
                closing(read_ahead(self._open_encoded)) as parts,
            ):
                for opened, group in groupby(parts, key=lambda part: part[0]):
                    self._load_chunk(connection, opened, (rows for _, rows in group if rows is not None))
        except _Stopped:
            pass
        except (SourceUnreachable, TargetUnreachable) as error:  # sessions are opened before a chunk is taken
            self._not_let_in = error
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            with self._lock:
                self._first_error = self._first_error or error
            self._stopped.set()

    @contextmanager
    def _open_encoded(self) -> Iterator[Iterator[_EncodedPart]]:
        with closing(read_ahead(self._open_read)) as parts:
            yield ((opened, None if batch is None else opened.feed.encode(batch)) for opened, batch in parts)

    @contextmanager
    def _open_read(self) -> Iterator[Iterator[_ReadPart]]:
        with self._migration.source.connect() as session:
            yield self._read_chunks(session)

    def _read_chunks(self, session: SourceSession) -> Iterator[_ReadPart]:
        """The batches of one open chunk after the other; None first, since a chunk may have no rows."""
        for table_chunk in self._take_chunks():
            key_range = build_key_range(self._split.column, table_chunk.first_key, table_chunk.before_key)
            number = table_chunk.chunk_no
            feed = SourceFeed(
                self._migration,
                self._table,
                self._on_progress,
                key_range=key_range,
                part=number,
                batch_bytes=self._batch_bytes,
            )
            opened = _OpenChunk(number, feed, time.monotonic())
            yield opened, None
            with closing(feed.read(session)) as batches:
                for batch in batches:
                    yield opened, batch

    def _take_chunks(self) -> Iterator[TableChunk]:
        while not self._stopped.is_set():
            try:
                yield self._waiting.popleft()
            except IndexError:
                return

    def _load_chunk(
        self, connection: TargetConnection, opened: _OpenChunk, rows: Iterator[EncodedRows]
    ) -> None:
        feed, load_id = opened.feed, self._begun.load_id
        with target_errors(f"table {self._table.target.name}"), connection.transaction():
            if not claim_chunk(connection, load_id, opened.chunk_no):
                return
            columns = [column.target for column in self._table.columns]
            writer = BinaryCopyWriter(connection, self._table.target.name, columns)
            copied = writer.write(self._until_stopped(feed, rows))
            loaded = LoadedChunk(
                copied.row_count,
                feed.source_bytes,
                copied.byte_count,
                {_name_decision(decision): decision.row_count or 0 for decision in feed.describe_decisions()},
                feed.finish_digest(),
                time.monotonic() - opened.started_at,
            )
            finish_chunk(connection, load_id, opened.chunk_no, loaded)

    def _until_stopped(
        self, feed: SourceFeed, rows: Iterator[EncodedRows]
    ) -> Generator[EncodedRows, None, None]:
        for some in rows:
            if self._stopped.is_set():
                raise _Stopped
            yield some
            feed.report_progress()


@dataclass(frozen=True, eq=False)
class _OpenChunk:
    """A chunk that is being read; the next one may be, while this one is still written."""

    chunk_no: int
    feed: SourceFeed
    started_at: float


_ReadPart = tuple[_OpenChunk, pa.RecordBatch | None]
_EncodedPart = tuple[_OpenChunk, EncodedRows | None]


class _Stopped(Exception):
    """Another worker has failed, or the load was interrupted."""


def add_up_decisions(table: TablePlan, chunks: Iterable[TableChunk]) -> list[DecisionRecord]:
    """What was decided about values, and how many rows of all chunks it has changed."""
    counts: Counter[str] = Counter()
    for each in chunks:
        counts.update(each.rows_decided)
    return [
        replace(record, row_count=counts[_name_decision(record)]) for record, _, _ in list_decisions(table)
    ]


def _name_decision(decision: DecisionRecord) -> str:
    return f"{decision.subject}: {decision.decision}"
