"""Writing rows: one COPY for a chunk, whether it is one of many or the whole table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from blb_migration.feed.source_end import SourceEnd
from blb_migration.feed.source_feed import SourceFeed, stream_feeds
from blb_migration.feed.source_rows import SourceRows
from blb_migration.load.task import LoadTask
from blb_migration.postgres.copy import BinaryCopyWriter, EncodedRows
from blb_migration.postgres.ledger.chunks import LoadedChunk
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.traits import read_table_traits


@dataclass(frozen=True)
class WrittenTable:
    """All rows of a table together, and what the source said after the last of them."""

    rows: LoadedChunk
    source_end: SourceEnd


def write_table(task: LoadTask) -> WrittenTable:
    """Write all rows as one chunk, frozen where possible, in the transaction that emptied the table.

    Raises SourceError, TargetError, and ValueError for a value that does not fit.
    """
    traits = read_table_traits(task.connection, [task.target_name])[task.target_name]
    feed = SourceFeed(SourceRows(task.table), on_progress=task.on_progress)
    with closing(stream_feeds(task.migration.source, [feed])) as feeds:
        for _, rows in feeds:
            written = write_chunk(task, task.connection, feed, rows, freeze=not traits.is_partitioned)
    return WrittenTable(written, feed.source_end)


def write_chunk(
    task: LoadTask,
    connection: TargetConnection,
    feed: SourceFeed,
    rows: Iterable[EncodedRows],
    *,
    freeze: bool = False,
) -> LoadedChunk:
    """Write the encoded ``rows`` of ``feed`` within the open transaction.

    Raises TargetError, and what iterating the rows raises.
    """
    columns = [column.target for column in task.table.columns]
    writer = BinaryCopyWriter(connection, task.target_name, columns, freeze=freeze)
    copied = writer.write(_reporting(feed, rows))
    return LoadedChunk(
        copied.row_count,
        feed.source_bytes,
        copied.byte_count,
        feed.count_decided(),
        feed.finish_digest(),
        feed.elapsed_seconds,
    )


def _reporting(feed: SourceFeed, rows: Iterable[EncodedRows]) -> Iterator[EncodedRows]:
    for some in rows:
        yield some
        feed.report_progress()
