"""What a dry run did, in the report: no more than it came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blb_migration.report.facts import TableFacts
from blb_migration.report.sentences import Ending


def describe_dry_run(tables: Sequence[TableFacts], ending: Ending) -> dict[str, Any]:
    """Where a dry run loaded; all counts of its report are of what was really loaded and compared there."""
    schemas = sorted({table.planned.table.schema for table in tables})
    loaded = [table for table in tables if table.load is not None and table.load.loaded]
    if len(loaded) == len(tables) and tables and ending is Ending.COMPLETED:
        what = (
            "everything was loaded into scratch copies of the target's tables, with all their constraints,"
            " compared there, and dropped again"
        )
    elif loaded:
        what = (
            f"{len(loaded)} of {len(tables)} tables were loaded into scratch copies of the target's tables,"
            " which are dropped again"
        )
    else:
        what = "nothing was loaded, not even into scratch copies of the target's tables"
    return {"scratch_schemas": schemas, "meaning": f"A dry run: {what}. The target itself was not changed."}
