"""What on the target stands in the way of a load, or will be dropped for it. Only reads."""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.ledger.live_mark import LIVE_NEXT_ACT, read_live_mark
from blb_migration.postgres.ledger.versions import upgrade_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import ChangedRows, find_changed_rows
from blb_migration.postgres.traits import TableTraits, read_table_traits
from blb_migration.replacing import describe_next_act, find_word, read_loader


def find_target_obstacles(connection: TargetConnection, migration: Migration) -> Iterator[Finding]:
    """Everything about the target's tables that refuses a load or changes what it does.

    Asks what only a user with all rights on them may ask (``target_rights``).
    """
    upgrade_ledger(connection)
    mark = read_live_mark(connection)
    if mark is not None:
        yield Finding(
            Code.TARGET_IS_LIVE,
            Severity.ERROR,
            "target",
            f"{mark}; a load would remove what its users have entered since",
            LIVE_NEXT_ACT,
        )
        return
    project = migration.project
    known = project.target.tables_by_name
    tables = [table for table in project.plan_in_place.tables if table.target.name in known]
    traits = read_table_traits(connection, [table.target.name for table in tables])
    for table in tables:
        own = traits.get(table.target.name)
        if own is None:
            continue
        yield from _judge_traits(table, own)
        if own.forces_row_security:
            continue  # its rows cannot be asked for either
        changed = find_changed_rows(connection, table.target, read_loader(migration))
        if changed is not None:
            yield _judge_rows(migration, table, changed)


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


def _judge_rows(migration: Migration, table: TablePlan, changed: ChangedRows) -> Finding:
    word = find_word(migration, table)
    return Finding(
        Code.TARGET_ROWS_CHANGED_SINCE_THE_LOAD if changed.was_loaded else Code.TARGET_ROWS_NOT_OURS,
        Severity.ERROR if word is None else Severity.WARNING,
        table.label,
        changed.found
        + (f"; a load removes that, allowed by {word.decision}: {word.reason}" if word is not None else ""),
        describe_next_act(migration, table.label) if word is None else None,
        row_count=changed.row_count,
        first_keys=changed.first_keys,
    )
