"""How a chunked load begins: afresh, or where an earlier one was broken off. Copies no rows.

Beginning afresh is one short transaction: the rows' owner is judged, the table is emptied, its indexes, keys
and triggers are recorded and taken off, and its chunks are written down as open. From then on until the
load's end the table is neither as before nor complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blb_migration import __version__
from blb_migration.load.chunks.planning import ChunkColumn, plan_chunks
from blb_migration.load.guards import refuse_what_is_not_ours
from blb_migration.migration import Migration
from blb_migration.plan.build import TablePlan
from blb_migration.postgres.copy import empty_table
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import drop_foreign_key, find_foreign_keys
from blb_migration.postgres.indexes import drop_keys, drop_secondary_indexes
from blb_migration.postgres.ledger.chunked_loads import (
    DroppedParts,
    UnfinishedChunkedLoad,
    end_chunked_load,
    read_table_oid,
    record_chunked_load,
    take_over_chunked_load,
)
from blb_migration.postgres.ledger.chunks import (
    TableChunk,
    forget_chunks_before,
    read_chunks,
    record_chunks,
)
from blb_migration.postgres.ledger.dropped_keys import record_dropped_key
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import count_written_rows
from blb_migration.postgres.triggers import disable_triggers
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.origin import read_origin

# What was read longer ago than this is too old to be completed by what is there now.
OLDEST_RESUMED_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class BegunChunkedLoad:
    """A chunked load under way: its chunks, finished and open, and what must come back at its end."""

    load_id: int
    chunks: tuple[TableChunk, ...]
    parts: DroppedParts
    is_resumed: bool


def begin_or_resume(
    migration: Migration,
    table: TablePlan,
    split: ChunkColumn,
    *,
    session: SourceSession,
    connection: TargetConnection,
    load_id: int,
    unfinished: UnfinishedChunkedLoad | None,
) -> BegunChunkedLoad | None:
    """Ready the table for its open chunks; None, and nothing done, when no chunks can be made.

    ``unfinished`` is what an earlier load left. Raises TargetNotOurs, SourceError, TargetError.
    """
    name = table.target.name
    with target_errors(f"table {name}"), connection.transaction():
        if unfinished is not None:
            chunks = read_chunks(connection, unfinished.load_id, locks=True)
        refuse_what_is_not_ours(connection, table)
        basis = _build_basis(migration, split, session, read_table_oid(connection, name))
        if unfinished is not None and _may_resume(migration, table, connection, unfinished, basis, chunks):
            take_over_chunked_load(connection, unfinished.load_id, load_id)
            return BegunChunkedLoad(load_id, chunks, unfinished.parts, is_resumed=True)
        planned = plan_chunks(session, table, split)
        if planned is None:
            return None
        parts = take_off(migration, table, connection, unfinished)
        empty_table(connection, name)
        record_chunked_load(connection, load_id, name, basis=basis, parts=parts, chunk_count=len(planned))
        record_chunks(connection, load_id, planned)
        forget_chunks_before(connection, load_id)
        return BegunChunkedLoad(load_id, read_chunks(connection, load_id), parts, is_resumed=False)


def take_off(
    migration: Migration,
    table: TablePlan,
    connection: TargetConnection,
    unfinished: UnfinishedChunkedLoad | None,
) -> DroppedParts:
    """Take off what would slow or disturb the load; with what an unfinished load has not put back.

    Foreign keys go on the ledger's own record of them, from which a whole run's have gone already. The
    unfinished load is struck off. Raises TargetError.
    """
    name = table.target.name
    keys = find_foreign_keys(connection, [name])
    for key in keys:
        record_dropped_key(connection, migration.run.run_id, key)
        drop_foreign_key(connection, key)
    parts = DroppedParts(
        read_table_oid(connection, name),
        drop_secondary_indexes(connection, name) + drop_keys(connection, name),
        disable_triggers(connection, name),
        tuple((key.table.schema, key.table.name, key.name) for key in keys),
    )
    if unfinished is None:
        return parts
    end_chunked_load(connection, unfinished.load_id)
    return parts.including(unfinished.parts)


def _build_basis(
    migration: Migration, split: ChunkColumn, session: SourceSession, table_oid: int
) -> dict[str, Any]:
    """What must be the same for chunks of two loads to belong together."""
    return {
        "tool_version": __version__,
        "plan_hash": migration.project.plan.hash,
        "source_identity": str(migration.source.settings.identity),
        "source_origin": list(read_origin(session)),
        "isolation": session.isolation,
        "key_column": split.column.name,
        "is_aligned": split.is_aligned,
        "table_oid": table_oid,
    }


def _may_resume(  # noqa: PLR0917  # two pairs to compare
    migration: Migration,
    table: TablePlan,
    connection: TargetConnection,
    unfinished: UnfinishedChunkedLoad,
    basis: dict[str, Any],
    chunks: tuple[TableChunk, ...],
) -> bool:
    """Whether the finished chunks are worth keeping, and their rows are all there and nothing else is."""
    if not migration.loading.resumes or migration.project.scratch_prefix is not None:
        return False
    if not unfinished.is_resumable or unfinished.basis != basis:
        return False
    if unfinished.age_seconds > OLDEST_RESUMED_SECONDS:
        return False
    expected = sum(each.rows_written for each in chunks if each.is_finished)
    return count_written_rows(connection, table.target.name, unfinished.load_id) == (expected, expected)
