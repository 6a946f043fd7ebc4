"""How a split load begins: afresh, or where an earlier one was broken off. Copies no rows.

Beginning afresh is one short transaction: the rows' owner is judged, the table is emptied, its indexes, keys
and triggers are recorded and taken off, and its ranges are written down as open. From then on until the
load's end the table is neither as before nor complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blb_migration import __version__
from blb_migration.load.chunks.planning import SplitColumn, plan_ranges
from blb_migration.load.guards import refuse_what_is_not_ours
from blb_migration.migration import Migration
from blb_migration.plan.build import TablePlan
from blb_migration.postgres.copy import empty_table
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import drop_foreign_key, find_foreign_keys
from blb_migration.postgres.indexes import drop_keys, drop_secondary_indexes
from blb_migration.postgres.ledger.chunked_loads import (
    SetAsideParts,
    UnfinishedSplit,
    begin_split,
    end_split,
    read_table_oid,
    resume_split,
)
from blb_migration.postgres.ledger.chunks import (
    TableRange,
    forget_ranges_before,
    read_ranges,
    record_ranges,
)
from blb_migration.postgres.ledger.dropped_keys import record_set_aside
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import count_written_rows
from blb_migration.postgres.triggers import disable_triggers
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.origin import read_origin

# What was read longer ago than this is too old to be completed by what is there now.
OLDEST_RESUMED_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class BegunSplit:
    """A split load under way: its ranges, finished and open, and what must come back at its end."""

    load_id: int
    ranges: tuple[TableRange, ...]
    parts: SetAsideParts
    is_resumed: bool


def begin_or_resume(
    migration: Migration,
    table: TablePlan,
    split: SplitColumn,
    *,
    session: SourceSession,
    connection: TargetConnection,
    load_id: int,
    unfinished: UnfinishedSplit | None,
) -> BegunSplit | None:
    """Ready the table for its open ranges; None, and nothing done, when no ranges can be made.

    ``unfinished`` is what an earlier load left. Raises TargetNotOurs, SourceError, TargetError.
    """
    name = table.target.name
    with target_errors(f"table {name}"), connection.transaction():
        if unfinished is not None:
            ranges = read_ranges(connection, unfinished.load_id, locks=True)
        refuse_what_is_not_ours(connection, table)
        basis = _build_basis(migration, split, session, read_table_oid(connection, name))
        if unfinished is not None and _may_resume(migration, table, connection, unfinished, basis, ranges):
            resume_split(connection, unfinished.load_id, load_id)
            return BegunSplit(load_id, ranges, unfinished.parts, is_resumed=True)
        planned = plan_ranges(session, table, split)
        if planned is None:
            return None
        parts = take_off(migration, table, connection, unfinished)
        empty_table(connection, name)
        begin_split(connection, load_id, name, basis=basis, parts=parts, range_count=len(planned))
        record_ranges(connection, load_id, planned)
        forget_ranges_before(connection, load_id)
        return BegunSplit(load_id, read_ranges(connection, load_id), parts, is_resumed=False)


def take_off(
    migration: Migration, table: TablePlan, connection: TargetConnection, unfinished: UnfinishedSplit | None
) -> SetAsideParts:
    """Take off what would slow or disturb the load; with what an unfinished load has not put back.

    Foreign keys go on the ledger's own record of them, from which a whole run's have gone already. The
    unfinished load is struck off. Raises TargetError.
    """
    name = table.target.name
    keys = find_foreign_keys(connection, [name])
    for key in keys:
        record_set_aside(connection, migration.run.run_id, key)
        drop_foreign_key(connection, key)
    parts = SetAsideParts(
        read_table_oid(connection, name),
        drop_secondary_indexes(connection, name) + drop_keys(connection, name),
        disable_triggers(connection, name),
        tuple((key.table.schema, key.table.name, key.name) for key in keys),
    )
    if unfinished is None:
        return parts
    end_split(connection, unfinished.load_id)
    return parts.including(unfinished.parts)


def _build_basis(
    migration: Migration, split: SplitColumn, session: SourceSession, table_oid: int
) -> dict[str, Any]:
    """What must be the same for ranges of two loads to belong together."""
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
    unfinished: UnfinishedSplit,
    basis: dict[str, Any],
    ranges: tuple[TableRange, ...],
) -> bool:
    """Whether the finished ranges are worth keeping, and their rows are all there and nothing else is."""
    if not migration.loading.resumes or migration.project.scratch_prefix is not None:
        return False
    if not unfinished.is_resumable or unfinished.basis != basis:
        return False
    if unfinished.age_seconds > OLDEST_RESUMED_SECONDS:
        return False
    expected = sum(each.rows_written for each in ranges if each.is_finished)
    return count_written_rows(connection, table.target.name, unfinished.load_id) == (expected, expected)
