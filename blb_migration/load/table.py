"""One table's way: source rows, Arrow batches, binary COPY, one transaction on the target.

Empty the table, COPY, rebuild its keys and indexes, set its sequences, write the ledger row, commit:
a crash leaves a table either as it was or complete, so a rerun is safe at any time. In a full run the
foreign keys were dropped beforehand (``prepare``); for a table loaded alone they are dropped and
added back, proven, in the same transaction. Large tables go another way, ``split_load``'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from blb_migration.errors import (
    MigrationError,
    SourceUnreachable,
    TableFailed,
    TargetError,
    TargetNotOurs,
    TargetUnreachable,
)
from blb_migration.feed.source_feed import SourceFeed
from blb_migration.load.analyze import take_statistics_alone
from blb_migration.load.chunks.chunked_load import ChunkedLoad, begin_chunked_load
from blb_migration.load.guards import (
    LOCK_TIMEOUT_SECONDS,
    holding_right,
    refuse_what_is_not_ours,
)
from blb_migration.load.next_values import continue_sequences
from blb_migration.migration import Migration, ProgressListener
from blb_migration.plan.build import TablePlan
from blb_migration.postgres.bulk_settings import apply_bulk_settings, read_bulk_settings
from blb_migration.postgres.copy import BinaryCopyWriter, CopyResult, empty_table
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import foreign_keys_around
from blb_migration.postgres.indexes import drop_keys, drop_secondary_indexes, recreate_indexes
from blb_migration.postgres.key_restoration import restore_foreign_keys
from blb_migration.postgres.ledger.chunked_loads import (
    DroppedParts,
    UnfinishedChunkedLoad,
    end_chunked_load,
    read_table_oid,
    read_unfinished_chunked_load,
)
from blb_migration.postgres.ledger.chunks import forget_chunks_before, read_chunks
from blb_migration.postgres.ledger.loads import begin_load, fail_load, finish_load, record_digest
from blb_migration.postgres.ledger.records import LoadedTable
from blb_migration.postgres.ledger.runs import is_prepared, record_decisions
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import read_load_xid
from blb_migration.postgres.traits import read_table_traits
from blb_migration.postgres.triggers import disable_triggers, enable_triggers
from blb_migration.run_entry import ensure_run

# Below this many rows, keeping indexes up while loading costs less than dropping and building them.
REBUILD_INDEXES_FROM_ROWS = 20_000


@dataclass(frozen=True)
class TableLoad:
    """What a load did. ``source_bytes`` are of the Arrow batches read, ``copy_bytes`` of the COPY stream."""

    label: str
    load_id: int
    rows_read: int
    rows_written: int
    source_bytes: int
    copy_bytes: int
    elapsed_seconds: float
    next_sequence_value: int | None


def load_table(
    migration: Migration, table: TablePlan, on_progress: ProgressListener | None = None
) -> TableLoad:
    """Replace the target table's rows by the source's: all or nothing, or, where it is split, chunk by chunk.

    Raises TargetNotOurs when the table holds rows of others or the target is live, SourceUnreachable
    or TargetUnreachable without a connection, and TableFailed for everything else that can happen to
    one table. Nothing of a failed load stays; of a split one its finished chunks do: the table counts as
    loaded in part, and loading it again goes on from there.
    """
    started_at = time.monotonic()
    # The two connections: one whose notes stay whatever happens, one that commits everything or nothing.
    with migration.target.connect(outlives_cancel=True) as notes, migration.target.connect(
        lock_timeout_seconds=LOCK_TIMEOUT_SECONDS
    ) as connection:  # fmt: skip
        ensure_run(notes, migration)
        with holding_right(connection, table):
            load_id = begin_load(notes, migration.run.run_id, table.target.name, table.source.name)
            with _noting_failure(notes, load_id, table):
                unfinished = read_unfinished_chunked_load(connection, table.target.name)
                split = begin_chunked_load(migration, table, connection, load_id, unfinished)
            with _noting_failure(notes, load_id, table, split):
                if split is None:
                    parts = unfinished.parts if unfinished is not None else None
                    loaded, source_bytes = _load_whole(
                        migration, table, connection, load_id, unfinished=unfinished, on_progress=on_progress
                    )
                else:
                    parts = split.begun.parts
                    loaded, source_bytes = split.finish(on_progress)
                if parts is not None:
                    _restore_foreign_keys_around(migration, table, connection, parts)
    return TableLoad(
        label=table.label,
        load_id=load_id,
        rows_read=loaded.rows_read,
        rows_written=loaded.rows_written,
        source_bytes=source_bytes,
        copy_bytes=loaded.bytes_written,
        elapsed_seconds=time.monotonic() - started_at,
        next_sequence_value=loaded.next_sequence_value,
    )


def _load_whole(
    migration: Migration,
    table: TablePlan,
    connection: TargetConnection,
    load_id: int,
    *,
    unfinished: UnfinishedChunkedLoad | None,
    on_progress: ProgressListener | None,
) -> tuple[LoadedTable, int]:
    """Load the table in one transaction; returns what that did, and the bytes read of the source."""
    started_at = time.monotonic()
    with target_errors(f"table {table.target.name}"), connection.transaction():
        if unfinished is not None:
            read_chunks(connection, unfinished.load_id, locks=True)
        refuse_what_is_not_ours(connection, table)
        feed = SourceFeed(migration, table, on_progress)
        copied = _replace_rows(connection, table, feed, unfinished)
        numbering = continue_sequences(connection, table, feed.last_identity)
        take_statistics_alone(migration, connection, table.target.name)
        digest = feed.finish_digest()
        loaded = LoadedTable(
            rows_read=feed.rows_read,
            rows_written=copied.row_count,
            bytes_written=copied.byte_count,
            elapsed_seconds=time.monotonic() - started_at,
            sequence_column=numbering.column if numbering else None,
            next_sequence_value=numbering.next_value if numbering else None,
            digest=digest.hexdigest(),
        )
        record_digest(connection, load_id, digest)
        forget_chunks_before(connection, load_id)
        load_xid = read_load_xid(connection, table.target.name)
        finish_load(connection, load_id, loaded, load_xid)
        record_decisions(connection, migration.run.run_id, feed.describe_decisions())
    return loaded, feed.source_bytes


@contextmanager
def _noting_failure(
    notes: TargetConnection, load_id: int, table: TablePlan, split: ChunkedLoad | None = None
) -> Iterator[None]:
    """Write a failed load's reason into the ledger, and name the table in the error."""
    try:
        yield
    except (SourceUnreachable, TargetUnreachable, TargetNotOurs) as error:
        fail_load(notes, load_id, str(error))
        raise
    except (MigrationError, ValueError) as error:
        stayed = "Nothing of this load stayed" if split is None else "Its finished chunks stayed"
        failure = TableFailed(
            f"table {table.label}",
            found=str(error),
            next_act=f"{stayed}. Settle the cause, then run the table again",
        )
        failure.is_transient = getattr(error, "is_transient", False)
        fail_load(notes, load_id, str(error))
        raise failure from error
    except BaseException as error:
        fail_load(notes, load_id, str(error) or type(error).__name__)
        raise


def _restore_foreign_keys_around(
    migration: Migration, table: TablePlan, connection: TargetConnection, parts: DroppedParts
) -> None:
    """Put back what a chunked load of this table alone has dropped, unless the run does so at its end."""
    if not parts.foreign_keys or is_prepared(connection, migration.run.run_id):
        return
    failed = [
        key for key in restore_foreign_keys(connection, names=parts.foreign_keys) if key.error is not None
    ]
    if failed:
        raise TargetError(
            f"foreign keys around {table.target.name}",
            found="; ".join(f"{key.table}.{key.name}: {key.error}" for key in failed),
            next_act="The table is loaded. Correct these rows, then run constraints_restored",
        )


def _replace_rows(
    connection: TargetConnection, table: TablePlan, feed: SourceFeed, unfinished: UnfinishedChunkedLoad | None
) -> CopyResult:
    """Empty the table and fill it anew; what an unfinished chunked load took off it comes back as well."""
    target = table.target.name
    traits = read_table_traits(connection, [target])[target]
    with foreign_keys_around(connection, target):
        triggers = disable_triggers(connection, target)
        estimate = table.source.row_estimate
        is_large = estimate is None or estimate >= REBUILD_INDEXES_FROM_ROWS or unfinished is not None
        dropped = (
            drop_secondary_indexes(connection, target) + drop_keys(connection, target) if is_large else ()
        )
        if unfinished is not None:
            end_chunked_load(connection, unfinished.load_id)
            taken_off = DroppedParts(read_table_oid(connection, target), dropped, triggers)
            parts = taken_off.including(unfinished.parts)
            dropped, triggers = parts.indexes, parts.triggers
        empty_table(connection, target)
        columns = [column.target for column in table.columns]
        writer = BinaryCopyWriter(connection, target, columns, freeze=not traits.is_partitioned)
        with closing(feed.iterate_rows()) as rows:
            copied = writer.write(rows)
        if dropped:
            feed.begin_phase("building indexes")
            apply_bulk_settings(connection, read_bulk_settings(connection))
        recreate_indexes(connection, tuple(reversed(dropped)))
        enable_triggers(connection, triggers)
    return copied
