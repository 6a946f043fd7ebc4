"""The first stage that writes: the ledger in the target, and foreign keys dropped in one short step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blb_migration.findings import Finding
from blb_migration.load.scratch import create_scratch
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.dropping.foreign_key_drops import drop_recorded_foreign_keys
from blb_migration.postgres.ledger.records import (
    DecisionRecord,
    FindingRecord,
    NotMigratedRecord,
    ServerFacts,
)
from blb_migration.postgres.ledger.runs import record_decisions, record_findings, record_preparation
from blb_migration.postgres.ledger.table_definitions import record_definitions
from blb_migration.run_entry import ensure_run


@dataclass(frozen=True)
class PreparedTarget:
    """The foreign keys that were dropped just now, as ``table.name``; none of them on a repetition."""

    dropped: tuple[str, ...]


def prepare_target(
    migration: Migration, findings: Sequence[Finding], facts: ServerFacts | None = None
) -> PreparedTarget:
    """Record the run and what preflight found, and drop the foreign keys around the planned tables.

    ``facts`` are preflight's too. Repeating it is harmless. Raises TargetError, transient when a lock was
    not to be had in time.
    """
    plan = migration.project.plan
    with migration.target.connect() as connection:
        ensure_run(connection, migration)
        if migration.project.scratch_prefix is not None:
            create_scratch(connection, migration.project)
        with connection.transaction():
            run_id = migration.run.run_id
            if record_preparation(connection, run_id, facts, list(_iterate_not_migrated(plan))):
                record_findings(connection, run_id, [_as_record(finding) for finding in findings])
                record_decisions(connection, run_id, list(_iterate_decisions(plan)))
        record_definitions(connection, migration.run.run_id, plan.target_tables)
        keys = drop_recorded_foreign_keys(connection, migration.run.run_id, plan.target_tables)
    return PreparedTarget(tuple(f"{key.table}.{key.name}" for key in keys))


def _as_record(finding: Finding) -> FindingRecord:
    details: dict[str, object] = {
        "row_count": finding.row_count,
        "first_keys": list(finding.first_keys),
        "decision": finding.decision,
    }
    return FindingRecord(finding.code, finding.severity, finding.subject, finding.message, details)


def _iterate_not_migrated(plan: Plan) -> Iterator[NotMigratedRecord]:
    for left in plan.not_migrated:
        kind = "table" if left.column is None else "column"
        yield NotMigratedRecord(kind, left.subject, left.reason, left.row_estimate)


def _iterate_decisions(plan: Plan) -> Iterator[DecisionRecord]:
    for left in plan.not_migrated:
        yield DecisionRecord(left.subject, "skip", left.reason, left.row_estimate)
    for table in plan.tables:
        if table.replace_rows is not None:
            yield DecisionRecord(table.label, "replace_rows", table.replace_rows)
