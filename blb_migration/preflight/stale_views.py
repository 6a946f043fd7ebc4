"""Materialized views of the target, which a load does not touch. Only reads."""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.materialized_views import find_materialized_views
from blb_migration.postgres.names import TargetConnection, qualified_text


def find_stale_views(connection: TargetConnection, plan: Plan) -> Iterator[Finding]:
    """Yield one finding per materialized view over tables that a load fills. Raises TargetError."""
    for view in find_materialized_views(connection, plan.target_tables):
        yield Finding(
            Code.MATERIALIZED_VIEW_IS_STALE,
            Severity.WARNING,
            str(view),
            "it is a materialized view over tables that a load fills: until it is refreshed it goes on "
            "showing the rows from before",
            "after the load, before the application starts: "
            f"REFRESH MATERIALIZED VIEW {qualified_text(view)}",
        )
