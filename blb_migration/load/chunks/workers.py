"""Loading the open chunks of a load: several connections at once, a transaction per chunk.

Each worker has a session on either side and three threads: one reads the next open chunk, and the one
after it while the first is still written; one converts, encodes and digests; one locks the chunk's row in
the ledger, copies its rows and sets it to finished, all in one transaction, so that the chunk is there as a
whole or not at all, whatever happens to this process. The first error stops the other workers, whose open
chunks are rolled back; what was finished stays. If a worker cannot connect, the others take its chunks.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from blb_migration.errors import SourceUnreachable, TargetUnreachable
from blb_migration.feed.source_feed import SourceFeed, stream_feeds
from blb_migration.feed.source_rows import SourceRows
from blb_migration.load.chunks.planning import ChunkColumn
from blb_migration.load.guards import LOCK_TIMEOUT_SECONDS
from blb_migration.load.task import LoadTask
from blb_migration.load.write import write_chunk
from blb_migration.migration import TableProgress
from blb_migration.postgres.copy import EncodedRows
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.chunks import TableChunk, claim_chunk, finish_chunk
from blb_migration.postgres.names import TargetConnection
from blb_migration.sqlserver.batch_sizes import TARGET_BATCH_BYTES
from blb_migration.sqlserver.chunk_keys import build_key_range

_POLL_SECONDS = 0.2  # so that an interrupt is noticed on Windows too, where join() cannot be


class ChunkWorkers:
    """The workers of one load; ``run`` it once."""

    def __init__(self, task: LoadTask, column: ChunkColumn, chunks: Sequence[TableChunk]) -> None:
        self._task = task
        self._column = column.column
        self._finished = [each for each in chunks if each.is_finished]
        self._waiting = deque(each for each in chunks if not each.is_finished)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._first_error: BaseException | None = None
        self._not_connected: SourceUnreachable | TargetUnreachable | None = None
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
        if self._waiting and self._not_connected is not None:
            raise self._not_connected

    def _report_kept(self) -> None:
        if self._task.on_progress is None:
            return
        table = self._task.table
        for kept in self._finished:
            self._task.on_progress(
                TableProgress(
                    table.label,
                    kept.rows_written,
                    table.source.row_estimate,
                    kept.bytes_read,
                    0.0,
                    kept.chunk_no,
                    is_kept=True,
                )
            )

    def _work(self) -> None:
        migration = self._task.migration
        try:
            with (
                migration.target.connect(lock_timeout_seconds=LOCK_TIMEOUT_SECONDS) as connection,
                closing(stream_feeds(migration.source, self._take_chunks())) as feeds,
            ):
                for feed, rows in feeds:
                    self._load_chunk(connection, feed, rows)
        except _Stopped:
            pass
        except (SourceUnreachable, TargetUnreachable) as error:  # sessions are opened before a chunk is taken
            self._not_connected = error
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            with self._lock:
                self._first_error = self._first_error or error
            self._stopped.set()

    def _take_chunks(self) -> Iterator[SourceFeed]:
        """Take one open chunk after the other, when it is to be read."""
        while not self._stopped.is_set():
            try:
                taken = self._waiting.popleft()
            except IndexError:
                return
            key_range = build_key_range(self._column, taken.first_key, taken.before_key)
            rows = SourceRows(self._task.table, key_range=key_range, batch_bytes=self._batch_bytes)
            yield SourceFeed(rows, taken.chunk_no, self._task.on_progress)

    def _load_chunk(
        self, connection: TargetConnection, feed: SourceFeed, rows: Iterator[EncodedRows]
    ) -> None:
        load_id = self._task.load_id
        with target_errors(f"table {self._task.target_name}"), connection.transaction():
            if claim_chunk(connection, load_id, feed.chunk_no):
                written = write_chunk(self._task, connection, feed, self._until_stopped(rows))
                finish_chunk(connection, load_id, feed.chunk_no, written)

    def _until_stopped(self, rows: Iterator[EncodedRows]) -> Generator[EncodedRows, None, None]:
        for some in rows:
            if self._stopped.is_set():
                raise _Stopped
            yield some


class _Stopped(Exception):
    """Another worker has failed, or the load was interrupted."""
