"""Loading the open chunks of a load: several connections at once, a transaction per chunk.

Each worker has a session on either side and three threads: one claims and reads the next open chunk, and the
one after it while the first is still written; one converts, encodes and digests; one locks the chunk's row in
the ledger, copies its rows and sets it to finished, all in one transaction, so that the chunk is there as a
whole or not at all, whatever happens to this process. The first error stops the other workers, whose open
chunks are rolled back; what was finished stays. If a worker cannot connect, the others take its chunks.

Other processes, on any machine, may take chunks of the same load (``helping``): the one that has begun it
waits for those, and takes back what they give up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager

from blb_migration import waiting
from blb_migration.errors import SourceUnreachable, TargetUnreachable
from blb_migration.feed.source_feed import SourceFeed, stream_feeds
from blb_migration.feed.source_rows import SourceRows
from blb_migration.load.task import LoadTask
from blb_migration.load.write import write_chunk
from blb_migration.migration import TableProgress
from blb_migration.model import Column
from blb_migration.postgres.copy import EncodedRows
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.chunk_claims import ChunkClaims
from blb_migration.postgres.ledger.chunks import TableChunk, finish_chunk, lock_chunk
from blb_migration.postgres.names import TargetConnection
from blb_migration.progress.quantities import count
from blb_migration.sqlserver.batch_sizes import TARGET_BATCH_BYTES
from blb_migration.sqlserver.chunk_keys import build_key_range

_POLL_SECONDS = 0.2  # so that an interrupt is noticed on Windows too, where join() cannot be
_LOOK_SECONDS = 2.0  # how often others' finished chunks are counted in


class ChunkWorkers:
    """This process's workers of one load; ``run`` them once. ``chunks`` are the load's when it began."""

    def __init__(self, task: LoadTask, column: Column, chunks: Sequence[TableChunk]) -> None:
        self._task = task
        self._column = column
        self._claims = ChunkClaims(task.connection, task.load_id)
        self._kept = [each for each in chunks if each.is_finished]
        # Chunks that the meter knows of: finished before, or read here.
        self._counted = {each.chunk_no for each in self._kept}
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._first_error: BaseException | None = None
        self._not_connected: SourceUnreachable | TargetUnreachable | None = None
        self._batch_bytes = TARGET_BATCH_BYTES
        self._look_at = time.monotonic() + _LOOK_SECONDS

    def run(self, connections: int) -> None:
        """Load every open chunk by so many connections at once, and wait for those that others load.

        Raises the first error of any connection.
        """
        for kept in self._kept:
            self._report(kept, is_kept=True)
        pace = waiting.SayPace(waiting.SAY_EVERY_SECONDS)
        while True:
            open_chunks = self._claims.count_open()
            if open_chunks.unclaimed:
                self.run_once(min(connections, open_chunks.unclaimed))
                pace = waiting.SayPace(waiting.SAY_EVERY_SECONDS)
                continue
            if not open_chunks.count:
                self._count_others(at_once=True)
                return
            if pace.is_due():
                waiting.tell(
                    f"table {self._task.table.label}: waiting for {count(open_chunks.count, 'chunk')} that"
                    " other processes load"
                )
            time.sleep(_POLL_SECONDS)
            self._count_others()

    def run_once(self, connections: int) -> None:
        """Load open chunks by so many connections at once until none is to be had.

        Raises the first error of any of them.
        """
        # Two connections peak at 192 MB like this, a whole table at 184, and two with full batches at 250;
        # the processor time is the same.
        self._batch_bytes = TARGET_BATCH_BYTES // (2 * connections)
        self._not_connected = None
        threads = [
            threading.Thread(target=self._work, args=(number,), name=f"blb-chunks-{number}", daemon=True)
            for number in range(1, connections + 1)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(_POLL_SECONDS)
                    self._count_others()
        except BaseException:
            self._stopped.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            raise
        if self._first_error is not None:
            raise self._first_error
        if self._not_connected is not None and self._claims.count_open().unclaimed:
            raise self._not_connected

    def _count_others(self, *, at_once: bool = False) -> None:
        """Let the meter know of chunks that other processes have finished meanwhile."""
        if self._task.on_progress is None or not (at_once or time.monotonic() >= self._look_at):
            return
        self._look_at = time.monotonic() + _LOOK_SECONDS
        for chunk in self._claims.read_finished(self._counted):
            self._counted.add(chunk.chunk_no)
            self._report(chunk)

    def _report(self, chunk: TableChunk, *, is_kept: bool = False) -> None:
        if self._task.on_progress is not None:
            table = self._task.table
            self._task.on_progress(
                TableProgress(
                    table.label,
                    chunk.rows_written,
                    table.source.row_estimate,
                    chunk.bytes_read,
                    0.0,
                    chunk.chunk_no,
                    is_kept=is_kept,
                )
            )

    def _work(self, number: int) -> None:
        migration = self._task.migration
        try:
            with (
                self._holding_slots(number),
                migration.target.connect() as connection,
                closing(stream_feeds(migration.source, self._claim_chunks())) as feeds,
            ):
                for feed, rows in feeds:
                    self._load_chunk(connection, feed, rows)
                    self._claims.release(feed.chunk_no)
        except _Stopped:
            pass
        except (
            SourceUnreachable,
            TargetUnreachable,
        ) as error:  # sessions are opened before a chunk is claimed
            self._not_connected = error
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            with self._lock:
                self._first_error = self._first_error or error
            self._stopped.set()

    @contextmanager
    def _holding_slots(self, number: int) -> Iterator[None]:
        """Hold a slot at either side: the first worker has the load's own, others wait while chunks are left.

        Raises _Stopped where none are, or another worker has failed.
        """
        if number == 1:
            yield
            return
        slots = self._task.slots
        while not slots.take_pair():
            if self._stopped.wait(_POLL_SECONDS) or not self._claims.count_open().unclaimed:
                raise _Stopped
        try:
            yield
        finally:
            slots.give_back_pair()

    def _claim_chunks(self) -> Iterator[SourceFeed]:
        """Claim one open chunk after the other, when it is to be read."""
        while not self._stopped.is_set():
            claimed = self._claims.claim()
            if claimed is None:
                return
            self._counted.add(claimed.chunk_no)
            key_range = build_key_range(self._column, claimed.first_key, claimed.before_key)
            rows = SourceRows(self._task.table, key_range=key_range, batch_bytes=self._batch_bytes)
            yield SourceFeed(rows, claimed.chunk_no, self._task.on_progress)

    def _load_chunk(
        self, connection: TargetConnection, feed: SourceFeed, rows: Iterator[EncodedRows]
    ) -> None:
        load_id = self._task.load_id
        with target_errors(f"table {self._task.target_name}"), connection.transaction():
            if lock_chunk(connection, load_id, feed.chunk_no):
                written = write_chunk(self._task, connection, feed, self._until_stopped(rows))
                finish_chunk(connection, load_id, feed.chunk_no, written)

    def _until_stopped(self, rows: Iterator[EncodedRows]) -> Generator[EncodedRows, None, None]:
        for some in rows:
            if self._stopped.is_set():
                raise _Stopped
            yield some


class _Stopped(Exception):
    """Another worker has failed, the load was interrupted, or nothing is left to load."""
