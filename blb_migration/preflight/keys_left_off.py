"""Foreign keys that a run has left dropped, and rows that came in meanwhile which keep them out. Only reads.

The plan counts these keys as if they were in place (``postgres.catalog``), so what the load itself brings is
asked of the source like for any other key. Here it is about rows that no load replaces.
"""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.first_few import name_some
from blb_migration.plan.project import Project
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys
from blb_migration.postgres.ledger.versions import has_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.orphans import find_orphans

_KEYS_SHOWN = 5


def find_keys_left_off(connection: TargetConnection, project: Project) -> Iterator[Finding]:
    """Find what the ledger has as dropped. Raises TargetError."""
    keys = [key for _, key in read_dropped_keys(connection)] if has_ledger(connection) else []
    if not keys:
        return
    named = name_some([f"{key.name} of {key.table}" for key in keys], _KEYS_SHOWN)
    yield Finding(
        Code.FOREIGN_KEYS_DROPPED,
        Severity.WARNING,
        "target",
        f"{len(keys)} foreign keys are dropped since a run that did not come to its end, so nothing keeps "
        f"the application from breaking them: {named}; a load restores them at its end",
        "to have them back without a load, run 'blb-migrate restore-keys'",
    )
    loaded = {table.target.name for table in project.plan_in_place.tables}
    known = project.target.tables_by_name
    for key in keys:
        if key.table in loaded or key.is_not_valid or not {key.table, key.referred_table} <= known.keys():
            continue
        orphans = find_orphans(connection, key)
        if orphans.row_count:
            yield Finding(
                Code.ORPHANS_IN_TARGET,
                Severity.WARNING,
                str(key.table),
                f"rows of the target that refer to no row of {key.referred_table} now. No load replaces "
                f"them: unless their parents come with one, foreign key {key.name} stays dropped",
                "correct these rows in the target",
                row_count=orphans.row_count,
                first_keys=orphans.first_keys,
            )
