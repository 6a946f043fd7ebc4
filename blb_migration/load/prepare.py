"""The first stage that writes: the ledger in the target, and foreign keys dropped in one short step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blb_migration.findings import Finding
from blb_migration.load.scratch import clear_left_scratch, create_scratch
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.dropping.foreign_key_drops import drop_recorded_foreign_keys
from blb_migration.postgres.ledger.live_mark import refuse_live_target
from blb_migration.postgres.ledger.records import (
    DecisionRecord,
    NotMigratedRecord,
    ServerFacts,
)
from blb_migration.postgres.ledger.runs import record_decisions, record_findings, record_preparation
from blb_migration.postgres.ledger.table_definitions import record_definitions
from blb_migration.replacing import find_word
from blb_migration.run_entry import describe_finding, ensure_run


@dataclass(frozen=True)
class PreparedTarget:
    """The foreign keys that were dropped just now, as ``table.name``; none of them on a repetition."""

    dropped: tuple[str, ...]


def prepare_target(
    migration: Migration, findings: Sequence[Finding], facts: ServerFacts | None = None
) -> PreparedTarget:
    """Record the run and what preflight found, and drop the foreign keys around the planned tables.

    ``facts`` are preflight's too. Repeating it is harmless. Raises TargetNotOurs for a
    target that is live, and TargetError, transient when a lock was
    not to be had in time.
    """
    plan = migration.project.plan
    with migration.target.connect() as connection:
        refuse_live_target(connection, "the target")
        ensure_run(connection, migration)
        clear_left_scratch(connection, migration.run.run_id)
        if migration.project.scratch_prefix is not None:
            create_scratch(connection, migration.project)
        with connection.transaction():
            run_id = migration.run.run_id
            if record_preparation(connection, run_id, facts, list(_iterate_not_migrated(plan))):
                record_findings(connection, run_id, [describe_finding(finding) for finding in findings])
                record_decisions(connection, run_id, list(_iterate_decisions(migration)))
        record_definitions(connection, migration.run.run_id, plan.target_tables)
        keys = drop_recorded_foreign_keys(connection, migration.run.run_id, plan.target_tables)
    return PreparedTarget(tuple(f"{key.table}.{key.name}" for key in keys))


def _iterate_not_migrated(plan: Plan) -> Iterator[NotMigratedRecord]:
    for left in plan.not_migrated:
        kind = "table" if left.column is None else "column"
        yield NotMigratedRecord(kind, left.subject, left.reason, left.row_estimate)


def _iterate_decisions(migration: Migration) -> Iterator[DecisionRecord]:
    plan = migration.project.plan
    for left in plan.not_migrated:
        yield DecisionRecord(left.subject, "skip", left.reason, left.row_estimate)
    for table in plan.tables:
        word = find_word(migration, table)
        if word is not None:
            yield DecisionRecord(table.label, word.decision, word.reason)
        for column in table.hidden:
            yield DecisionRecord(f"{table.label}.{column.source}", "hide", column.reason)
