"""The first stage that writes: the ledger in the target, and foreign keys dropped in one short step."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blb_migration import __version__
from blb_migration.checks import CHECK_NAMES
from blb_migration.findings import Finding
from blb_migration.load.scratch import create_scratch
from blb_migration.migration import Migration
from blb_migration.plan.build import Plan, TablePlan
from blb_migration.postgres.key_restoration import drop_recorded_foreign_keys
from blb_migration.postgres.ledger.ledger import Ledger
from blb_migration.postgres.ledger.planned import record_planned_tables, record_preparation
from blb_migration.postgres.ledger.records import (
    DecisionRecord,
    FindingRecord,
    NotMigratedRecord,
    PlannedTable,
    RunStart,
    ServerFacts,
)
from blb_migration.postgres.ledger.table_definitions import record_definitions


@dataclass(frozen=True)
class PreparedTarget:
    """The foreign keys that were dropped just now, as ``table.name``; none of them on a repetition."""

    dropped: tuple[str, ...]


def prepare_target(
    migration: Migration, findings: Sequence[Finding], facts: ServerFacts | None = None
) -> PreparedTarget:
    """Record the run and what preflight found, and set the foreign keys around the planned tables aside.

    ``facts`` are preflight's too. Repeating it is harmless. Raises TargetError, transient when a lock was
    not to be had in time.
    """
    plan = migration.project.plan
    with migration.target.connect() as connection:
        ledger = Ledger(connection)
        ledger.create()
        if migration.project.scratch_prefix is not None:
            create_scratch(connection, migration.project)
        with connection.transaction():
            ensure_run(ledger, migration)
            run_id = migration.run.run_id
            if record_preparation(connection, run_id, facts, list(_iterate_not_migrated(plan))):
                ledger.record_findings(run_id, [_as_record(finding) for finding in findings])
                ledger.record_decisions(run_id, list(_iterate_decisions(plan)))
        record_definitions(connection, migration.run.run_id, plan.target_tables)
        keys = drop_recorded_foreign_keys(connection, migration.run.run_id, plan.target_tables)
    return PreparedTarget(tuple(f"{key.table}.{key.name}" for key in keys))


def ensure_run(ledger: Ledger, migration: Migration) -> None:
    """Record that this run exists, and its plan; every stage that writes to the ledger calls it first."""
    plan = migration.project.plan
    start = RunStart(
        run_id=migration.run.run_id,
        kind=migration.run.kind,
        tool_version=__version__,
        plan_hash=plan.hash,
        project=migration.project.name,
        source_identity=str(migration.source.settings.identity),
        operator=_read_operator(),
        host=platform.node() or "unknown",
    )
    with ledger.connection.transaction():
        if ledger.start_run(start):
            record_planned_tables(ledger.connection, start.run_id, [*map(_as_planned, plan.tables)])


def _as_planned(table: TablePlan) -> PlannedTable:
    return PlannedTable(
        label=table.label,
        table=table.target.name,
        source_table=table.source.name,
        group=table.group,
        column_count=len(table.columns) + len(table.computed),
        required_checks=CHECK_NAMES,
    )


def _read_operator() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in this container's password file
        return "unknown"


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
