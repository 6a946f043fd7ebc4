"""What the report is made of, read from the ledger in the target: by a run's own plan, or by the ledger's.

A run that has just ended judges the target by the plan it carried out (``read_run_facts``); whoever asks
later has only the ledger, whose views judge by the plan in force (``read_ledger_facts``). Nothing is
written, and nothing is worded: that is ``document`` and ``sentences``.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

from blb_migration.compare.verdict import Verdict, read_verdict
from blb_migration.errors import TargetError
from blb_migration.migration import Migration
from blb_migration.model import TableName
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger import history as ledger_history
from blb_migration.postgres.ledger.history import RecordedRun, RunSummary
from blb_migration.postgres.ledger.ledger import Ledger
from blb_migration.postgres.ledger.records import (
    CheckResult,
    DecisionRecord,
    FindingRecord,
    NotMigratedRecord,
    TableLoad,
)

HISTORY_LENGTH = 20


@dataclass(frozen=True)
class TableFacts:
    """One planned table: the load whose rows it should hold, the latest checks, what speaks against it.

    ``failures`` are the reasons why loads of it failed in this run and no later one of the run finished.
    """

    label: str
    source: TableName
    target: TableName
    group: str
    column_count: int
    load: TableLoad | None
    checks: tuple[CheckResult, ...]
    reasons: tuple[str, ...]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunFacts:
    """Which run is reported on. ``source`` and ``target`` hold no password.

    What was not recorded is None: servers and isolation of a run that never looked at them, the end of a
    run that did not come to one.
    """

    run_id: str
    kind: str
    project: str
    plan_hash: str
    tool_version: str
    source: str
    target: str
    operator: str | None = None
    host: str | None = None
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None
    outcome: str | None = None
    errors: tuple[str, ...] = ()
    source_server: str | None = None
    target_server: str | None = None
    isolation: str | None = None
    source_driver: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportFacts:
    """Everything the document is composed of. ``is_equal`` None means that nothing was judged."""

    run: RunFacts
    is_equal: bool | None = None
    tables: tuple[TableFacts, ...] = ()
    dropped_keys: tuple[str, ...] = ()
    loads: tuple[TableLoad, ...] = ()
    findings: tuple[FindingRecord, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()
    not_migrated: tuple[NotMigratedRecord, ...] = ()
    history: tuple[RunSummary, ...] = ()


def read_run_facts(migration: Migration, run: RunFacts) -> ReportFacts:
    """The target judged by ``migration``'s own plan; ``run`` is completed by what the ledger knows of it.

    Raises TargetError when the target does not answer.
    """
    with migration.target.connect() as connection:
        ledger = Ledger(connection)
        verdict = read_verdict(ledger, migration.project.plan)
        if not ledger.exists():
            return ReportFacts(run, verdict.is_equal, build_table_facts(verdict))
        recorded = ledger_history.read_recorded_run(connection, run.run_id)
        facts = _read_recorded(ledger, recorded, run)
        return replace(
            facts,
            is_equal=verdict.is_equal,
            tables=_with_failures(build_table_facts(verdict), facts.loads),
            dropped_keys=verdict.dropped_keys,
        )


def read_ledger_facts(target: TargetConnector) -> ReportFacts:
    """The target judged by its ledger alone; SELECT on the ledger's schema is enough.

    Raises TargetError when the target does not answer, or holds no ledger or an empty one.
    """
    with target.connect() as connection:
        ledger = Ledger(connection)
        recorded = ledger_history.read_run_in_force(connection) if ledger.exists() else None
        if recorded is None:
            raise TargetError(
                target.settings.masked_url,
                found="it holds no ledger of a migration",
                expected="a database that blb-migrate has loaded",
                next_act="Migrate first, or name another database with --target-conn",
            )
        start = recorded.start
        run = RunFacts(
            start.run_id,
            start.kind,
            start.project,
            start.plan_hash,
            start.tool_version,
            start.source_identity,
            target.settings.masked_url,
        )
        facts = _read_recorded(ledger, recorded, run)
        return replace(
            facts,
            is_equal=ledger_history.read_cutover_answer(connection).is_equal,
            tables=_with_failures(_read_statuses(ledger, start.run_id), facts.loads),
            dropped_keys=tuple(f"{key.table}.{key.name}" for _, key in ledger.pending_foreign_keys()),
        )


def build_table_facts(verdict: Verdict) -> tuple[TableFacts, ...]:
    """The tables of a verdict, in load order."""
    return tuple(
        TableFacts(
            status.table.label,
            status.table.source.name,
            status.table.target.name,
            status.table.group,
            len(status.table.columns) + len(status.table.computed),
            status.load,
            status.checks,
            status.reasons,
        )
        for status in verdict.tables
    )


def _read_statuses(ledger: Ledger, run_id: str) -> tuple[TableFacts, ...]:
    statuses = {s.label: s for s in ledger_history.read_table_statuses(ledger.connection)}
    checks = {(check.table, check.check_name): check for check in ledger.latest_checks()}
    return tuple(
        TableFacts(
            planned.label,
            planned.source_table,
            planned.table,
            planned.group,
            planned.column_count,
            ledger.latest_finished_load(planned.table),
            tuple(
                checks[key] for name in planned.required_checks if (key := (planned.table, name)) in checks
            ),
            statuses[planned.label].reasons,
        )
        for planned in ledger_history.read_planned_tables(ledger.connection, run_id)
    )


def _read_recorded(ledger: Ledger, recorded: RecordedRun | None, run: RunFacts) -> ReportFacts:
    """What the ledger says of a run besides its tables; a run that is not in it has only a history."""
    connection = ledger.connection
    history = ledger_history.read_history(connection, HISTORY_LENGTH)
    if recorded is None:
        return ReportFacts(run, history=history)
    prepared = ledger_history.read_preparing_run(connection, recorded)
    looked = prepared or recorded
    return ReportFacts(
        run=replace(
            run,
            operator=recorded.start.operator,
            host=recorded.start.host,
            started_at=recorded.started_at,
            finished_at=recorded.finished_at,
            outcome=recorded.outcome,
            errors=run.errors or recorded.errors,
            source_server=looked.source_server or run.source_server,
            target_server=looked.target_server or run.target_server,
            isolation=looked.isolation or run.isolation,
            source_driver=looked.source_driver or run.source_driver,
            notes=looked.notes or run.notes,
        ),
        loads=ledger.loads_of_run(recorded.start.run_id),
        findings=ledger_history.read_findings(connection, looked.start.run_id),
        decisions=ledger_history.read_decisions(connection, looked.start.run_id),
        not_migrated=ledger_history.read_not_migrated(connection, looked.start.run_id),
        history=history,
    )


def _with_failures(tables: tuple[TableFacts, ...], loads: tuple[TableLoad, ...]) -> tuple[TableFacts, ...]:
    """Name the reason for each table whose last attempt in this run failed."""
    last_attempts = {load.table: load for load in loads}
    return tuple(
        replace(table, failures=(attempt.error or "failed",))
        if (attempt := last_attempts.get(table.target)) is not None and attempt.status == "failed"
        else table
        for table in tables
    )
