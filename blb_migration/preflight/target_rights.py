"""Rights that the target's user lacks, as findings with the statement that grants each. Only reads."""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.migration import Migration
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.rights import find_missing_rights


def find_rights_missing(connection: TargetConnection, migration: Migration) -> Iterator[Finding]:
    """Yield a finding for each right that is missing; one statement may mend several.

    What only a dry run needs refuses a dry run, and is a warning otherwise. Raises TargetError.
    """
    known = migration.project.target.tables_by_name
    planned = [table.target.name for table in migration.project.plan_in_place.tables]
    for missing in find_missing_rights(connection, [name for name in planned if name in known]):
        is_needed = not missing.only_for_dry_run or migration.run.kind == "dry_run"
        yield Finding(
            Code.TARGET_RIGHT_MISSING,
            Severity.ERROR if is_needed else Severity.WARNING,
            missing.subject,
            f"the target's user lacks a right: {missing.reason}",
            f"as its owner, run: {missing.statement}",
        )
