"""Whether a chunked load that was broken off may go on, or the table is to be loaded afresh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from blb_migration import __version__
from blb_migration.load.task import LoadTask
from blb_migration.model import Column
from blb_migration.postgres.binary.hash_functions import CURRENT_HASH
from blb_migration.postgres.ledger.chunked_loads import UnfinishedChunkedLoad, read_table_oid
from blb_migration.postgres.ledger.chunks import TableChunk
from blb_migration.postgres.ownership import count_written_rows
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.origin import read_origin

# What was read longer ago than this is too old to be completed by what is there now.
OLDEST_RESUMED_SECONDS = 24 * 3600.0


def build_basis(
    task: LoadTask, column: Column, session: SourceSession, *, is_aligned: bool
) -> dict[str, Any]:
    """Collect what must be the same for chunks of two loads, or of two processes, to belong together."""
    return {
        "tool_version": __version__,
        "plan_hash": task.migration.project.plan.hash,
        "source_identity": str(task.migration.source.settings.identity),
        "source_origin": asdict(read_origin(session)),
        "isolation": session.isolation,
        "key_column": column.name,
        "is_aligned": is_aligned,
        "hash_function": CURRENT_HASH,
        "table_oid": read_table_oid(task.connection, task.target_name),
    }


def may_resume(
    task: LoadTask, unfinished: UnfinishedChunkedLoad, basis: dict[str, Any], chunks: Sequence[TableChunk]
) -> bool:
    """Whether the finished ``chunks`` are worth keeping, and their rows are all there and nothing else is."""
    if not task.migration.loading.resumes or task.migration.project.scratch_prefix is not None:
        return False
    if not unfinished.is_resumable or unfinished.basis != basis:
        return False
    if unfinished.age_seconds > OLDEST_RESUMED_SECONDS:
        return False
    expected = sum(each.rows_written for each in chunks if each.is_finished)
    return count_written_rows(task.connection, task.target_name, unfinished.load_id) == (expected, expected)
