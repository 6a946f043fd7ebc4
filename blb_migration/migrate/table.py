"""One table's way: source rows, Arrow batches, binary COPY, one transaction on the target.

Empty the table, COPY, rebuild its keys and indexes, set its sequences, write the ledger row, commit:
a crash leaves a table either as it was or complete, so a rerun is safe at any time. In a full run the
foreign keys were set aside beforehand (``prepare``); for a table loaded alone they are dropped and
added back, proven, in the same transaction.
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
    TargetNotOurs,
    TargetUnreachable,
)
from blb_migration.migrate.context import Migration, ProgressListener
from blb_migration.migrate.feed import SourceFeed
from blb_migration.migrate.numbering import carry_numbering_on
from blb_migration.migrate.prepare import ensure_run
from blb_migration.plan.build import TablePlan
from blb_migration.postgres.copy import BinaryCopyWriter, CopyResult, empty_table, lock_table
from blb_migration.postgres.foreign_keys import foreign_keys_around
from blb_migration.postgres.indexes import drop_keys, drop_secondary_indexes, recreate_indexes
from blb_migration.postgres.ledger import Ledger, lock_table_load
from blb_migration.postgres.ledger_digests import record_digest
from blb_migration.postgres.ledger_records import LoadedTable
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import find_foreign_rows, is_cut_over, read_load_xid
from blb_migration.postgres.traits import read_table_traits
from blb_migration.postgres.triggers import disable_triggers, enable_triggers

LOCK_TIMEOUT_SECONDS = 30.0
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
    """Replace the target table's rows by the source's. All or nothing.

    Raises TargetNotOurs when the table holds rows of others or the target is live, SourceUnreachable
    or TargetUnreachable without a connection, and TableFailed for everything else that can happen to
    one table; in every case nothing of the load stays.
    """
    started_at = time.monotonic()
    # The two connections: one whose notes stay whatever happens, one that commits everything or nothing.
    with migration.target.connect() as notes, migration.target.connect(
        lock_timeout_seconds=LOCK_TIMEOUT_SECONDS
    ) as connection:  # fmt: skip
        ledger = Ledger(notes)
        ledger.create()
        ensure_run(ledger, migration)
        with connection.transaction():
            if not lock_table_load(connection, table.target.name):
                raise TableFailed(
                    table.label,
                    found="another process is loading it",
                    next_act="Wait for the other run to end, then run this table again",
                )
            load_id = ledger.begin_table_load(migration.run.run_id, table.target.name, table.source.name)
            with _noting_failure(ledger, load_id, table):
                _refuse_what_is_not_ours(connection, table)
                feed = SourceFeed(migration, table, on_progress)
                copied = _replace_rows(connection, table, feed)
                numbering = carry_numbering_on(connection, table, feed.last_identity)
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
                load_xid = read_load_xid(connection, table.target.name)
                Ledger(connection).finish_table_load(load_id, loaded, load_xid)
                Ledger(connection).record_decisions(migration.run.run_id, feed.describe_decisions())
    return TableLoad(
        label=table.label,
        load_id=load_id,
        rows_read=feed.rows_read,
        rows_written=copied.row_count,
        source_bytes=feed.source_bytes,
        copy_bytes=copied.byte_count,
        elapsed_seconds=time.monotonic() - started_at,
        next_sequence_value=loaded.next_sequence_value,
    )


@contextmanager
def _noting_failure(ledger: Ledger, load_id: int, table: TablePlan) -> Iterator[None]:
    """Write a failed load's reason into the ledger, and name the table in the error."""
    try:
        yield
    except (SourceUnreachable, TargetUnreachable, TargetNotOurs) as error:
        ledger.fail_table_load(load_id, str(error))
        raise
    except (MigrationError, ValueError) as error:
        failure = TableFailed(
            f"table {table.label}",
            found=str(error),
            next_act="Nothing of this load stayed. Settle the cause, then run the table again",
        )
        failure.is_transient = getattr(error, "is_transient", False)
        ledger.fail_table_load(load_id, str(error))
        raise failure from error
    except BaseException as error:
        ledger.fail_table_load(load_id, type(error).__name__)
        raise


def _refuse_what_is_not_ours(connection: TargetConnection, table: TablePlan) -> None:
    ledger = Ledger(connection)
    if is_cut_over(ledger):
        raise TargetNotOurs(
            table.label,
            found="the target was cut over and is live",
            next_act="Load into another database",
        )
    lock_table(connection, table.target.name)
    if table.replace_rows is not None:
        return
    foreign = find_foreign_rows(connection, table.target, ledger)
    if foreign.row_count:
        raise TargetNotOurs(
            table.label,
            found=f"the target table holds {foreign.row_count:,} rows that this tool did not load, "
            f"first {', '.join(foreign.first_keys)}",
            expected="an empty table, or only rows of an earlier load",
            next_act="Move these rows away, or decide 'replace_rows: reason' for it in decisions.yaml",
        )


def _replace_rows(connection: TargetConnection, table: TablePlan, feed: SourceFeed) -> CopyResult:
    target = table.target.name
    traits = read_table_traits(connection, [target])[target]
    with foreign_keys_around(connection, target):
        triggers = disable_triggers(connection, target)
        estimate = table.source.row_estimate
        is_large = estimate is None or estimate >= REBUILD_INDEXES_FROM_ROWS
        dropped = (
            drop_secondary_indexes(connection, target) + drop_keys(connection, target) if is_large else ()
        )
        empty_table(connection, target)
        columns = [column.target for column in table.columns]
        writer = BinaryCopyWriter(connection, target, columns, freeze=not traits.is_partitioned)
        with closing(feed.iterate_rows()) as rows:
            copied = writer.write(rows)
        if dropped:
            feed.begin_phase("building indexes")
        recreate_indexes(connection, tuple(reversed(dropped)))
        enable_triggers(connection, triggers)
    return copied
