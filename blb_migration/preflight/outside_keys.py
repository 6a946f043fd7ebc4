"""Rows of tables that are not loaded and refer to rows that are. Only reads.

Their foreign keys are dropped and restored like any other; but whether the source brings the rows that they
refer to, no catalog says.
"""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.foreign_keys import find_foreign_keys
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.orphans import count_referring_rows


def find_outside_keys(connection: TargetConnection, plan: Plan) -> Iterator[Finding]:
    """Yield one finding per foreign key from a table outside the plan that has rows. Raises TargetError."""
    loaded = set(plan.target_tables)
    for key in find_foreign_keys(connection, plan.target_tables):
        if key.table in loaded or key.is_not_valid or key.referred_table not in loaded:
            continue
        row_count = count_referring_rows(connection, key)
        if row_count:
            yield Finding(
                Code.CHILD_IS_NOT_LOADED,
                Severity.WARNING,
                str(key.table),
                f"it is not loaded, and its rows refer to {key.referred_table}, whose rows a load replaces: "
                f"where one of them does not come from the source, foreign key {key.name} cannot be restored",
                "see that the source has the rows referred to, or empty the table",
                row_count=row_count,
            )
