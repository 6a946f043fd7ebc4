"""What on the target stands in the way of a load, or will be dropped for it. Only reads."""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.ledger.runs import read_cutover_moment
from blb_migration.postgres.ledger.versions import upgrade_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import ForeignRows, find_foreign_rows
from blb_migration.postgres.traits import TableTraits, read_table_traits


def find_target_obstacles(connection: TargetConnection, project: Project) -> Iterator[Finding]:
    """Everything about the target's tables that refuses a load or changes what it does.

    Asks what only a user with all rights on them may ask (``target_rights``).
    """
    upgrade_ledger(connection)
    if read_cutover_moment(connection) is not None:
        yield Finding(
            Code.TARGET_IS_LIVE,
            Severity.ERROR,
            "target",
            "it was cut over and is live; a load would remove what its users have entered since",
            "load into another database",
        )
        return
    known = project.target.tables_by_name
    tables = [table for table in project.plan_in_place.tables if table.target.name in known]
    traits = read_table_traits(connection, [table.target.name for table in tables])
    for table in tables:
        own = traits.get(table.target.name)
        if own is None:
            continue
        yield from _judge_traits(table, own)
        foreign = find_foreign_rows(connection, table.target)
        yield from _judge_rows(table, foreign)


def _judge_traits(table: TablePlan, own: TableTraits) -> Iterator[Finding]:
    if own.has_row_security and own.forces_row_security:
        yield Finding(
            Code.ROW_SECURITY_FORCED,
            Severity.ERROR,
            table.label,
            "row security is forced on the owner too; COPY does not work under it",
            "ALTER TABLE ... NO FORCE ROW LEVEL SECURITY for the time of the migration",
        )
    if own.enabled_triggers:
        yield Finding(
            Code.TRIGGERS_DISABLED_FOR_THE_LOAD,
            Severity.NOTE,
            table.label,
            f"its triggers do not fire for loaded rows: {', '.join(own.enabled_triggers)}",
        )
    if own.children and not own.is_partitioned:
        yield Finding(
            Code.TABLE_HAS_INHERITING_TABLES,
            Severity.ERROR,
            table.label,
            f"other tables inherit from it, emptying it would empty them: {', '.join(own.children)}",
            "detach them (ALTER TABLE ... NO INHERIT) for the time of the migration",
        )


def _judge_rows(table: TablePlan, foreign: ForeignRows) -> Iterator[Finding]:
    if foreign.row_count:
        decided = table.replace_rows is not None
        yield Finding(
            Code.TARGET_ROWS_NOT_OURS,
            Severity.WARNING if decided else Severity.ERROR,
            table.label,
            "the target table holds rows that this tool did not load"
            + (f"; they will be removed by decision: {table.replace_rows}" if decided else ""),
            None
            if decided
            else "move these rows away yourself, or decide: "
            f"tables: {{{table.label}: {{replace_rows: the reason}}}}",
            row_count=foreign.row_count,
            first_keys=foreign.first_keys,
        )
    elif foreign.updated_count:
        yield Finding(
            Code.TARGET_ROWS_CHANGED_SINCE_THE_LOAD,
            Severity.WARNING,
            table.label,
            "rows that this tool loaded were changed on the target since; loading again undoes that",
            row_count=foreign.updated_count,
            first_keys=foreign.first_keys,
        )
