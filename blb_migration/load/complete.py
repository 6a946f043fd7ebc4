"""How a load ends: dropped parts are restored, sequences carried on, the ledger's row is finished.

``complete_table`` works within one transaction: that which wrote the rows, or, of a chunked load, one after
them. Foreign keys of a table loaded alone come last, in that same transaction or after it.
"""

from __future__ import annotations

from blb_migration.errors import MigrationError
from blb_migration.feed.digesting import build_content_form
from blb_migration.feed.source_feed import describe_decisions
from blb_migration.load.begin import BegunLoad
from blb_migration.load.next_values import continue_sequences
from blb_migration.load.task import LoadTask
from blb_migration.load.write import WrittenTable
from blb_migration.postgres.copy import lock_table
from blb_migration.postgres.dropping.foreign_key_drops import require_restored, restore_foreign_keys
from blb_migration.postgres.dropping.parts import DroppedParts, restore_parts
from blb_migration.postgres.ledger.chunked_loads import end_chunked_load
from blb_migration.postgres.ledger.chunks import forget_digests
from blb_migration.postgres.ledger.identity_evidence import record_identity_evidence
from blb_migration.postgres.ledger.left_rows import record_others_digest
from blb_migration.postgres.ledger.loads import finish_load, record_digest
from blb_migration.postgres.ledger.records import LoadedTable
from blb_migration.postgres.ledger.runs import record_decisions
from blb_migration.postgres.left_content import digest_others
from blb_migration.postgres.ownership import read_load_xid
from blb_migration.postgres.statistics import analyze_table, vacuum_table


def complete_table(task: LoadTask, begun: BegunLoad, written: WrittenTable) -> LoadedTable:
    """Put the table in order and finish its load, within the open transaction. Raises TargetError.

    Returns what was loaded.
    """
    connection, name, load_id = task.connection, task.target_name, task.load_id
    source_end = written.source_end
    if begun.is_chunked:
        lock_table(connection, name)
    elif begun.parts.indexes:
        task.begin_phase("building indexes")
    restore_parts(connection, begun.parts, are_indexes_built=begun.is_chunked)
    sequence = continue_sequences(connection, task.table, source_end.identity)
    rows = written.rows
    if rows.digest.row_count != rows.rows_written:
        raise MigrationError(
            str(name),
            found=f"the digest is of {rows.digest.row_count:,} rows, but {rows.rows_written:,} were written",
            next_act="Report this as a bug; BLB_RESUME=0 loads the table afresh",
        )
    loaded = LoadedTable(
        rows_read=rows.digest.row_count,
        rows_written=rows.rows_written,
        bytes_written=rows.bytes_written,
        elapsed_seconds=task.elapsed_seconds,
        sequence_column=sequence.column if sequence else None,
        next_sequence_value=sequence.next_value if sequence else None,
        digest=rows.digest.hexdigest(),
    )
    record_digest(connection, load_id, rows.digest)
    if sequence is not None and sequence.evidence is not None:
        record_identity_evidence(connection, load_id, sequence.evidence)
    others_digest = digest_others(connection, task.table.target, build_content_form(task.table))
    if others_digest is not None:
        record_others_digest(connection, load_id, others_digest)
    if begun.is_chunked:  # whose rows have a transaction each, on record in their chunks
        end_chunked_load(connection, load_id)
        forget_digests(connection, load_id)
        finish_load(connection, load_id, loaded, None, source_end.marker)
    else:
        finish_load(connection, load_id, loaded, read_load_xid(connection, name), source_end.marker)
    decisions = describe_decisions(task.table, rows.rows_decided)
    record_decisions(connection, task.migration.run.run_id, decisions)
    return loaded


def take_statistics_alone(task: LoadTask, *, is_frozen: bool) -> None:
    """Take the planner's statistics of a table loaded alone; a whole run takes all of them at its end.

    Rows that COPY could not freeze are made visible to index-only scans, too: outside any transaction.
    """
    if task.is_prepared:
        return
    if is_frozen:
        analyze_table(task.connection, task.target_name)
    else:
        task.begin_phase("analyzing")
        vacuum_table(task.connection, task.target_name)


def restore_own_foreign_keys(task: LoadTask, parts: DroppedParts) -> None:
    """Restore the foreign keys that the load itself has dropped; a whole run has done that before it.

    Raises TargetError when rows violate one.
    """
    if parts.foreign_keys:
        outcomes = restore_foreign_keys(task.connection, names=parts.foreign_keys)
        require_restored(outcomes, f"foreign keys around {task.target_name}", next_act="Correct these rows")
