"""What the ledger remembers, for the report: a run's plan and findings, the tables' status, earlier runs.

Only reading; SELECT on the ledger's schema is enough. Every function raises TargetError.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.records import (
    DecisionRecord,
    FindingRecord,
    NotMigratedRecord,
    PlannedTable,
    RunStart,
)
from blb_migration.postgres.names import TargetConnection

_SUBJECT = "the target's ledger"

_RUNS = """
SELECT run_id, kind, tool_version, plan_hash, project, source_identity, operator, host,
       started_at, finished_at, outcome, errors,
       source_server, target_server, isolation, source_driver, notes, prepared_at IS NOT NULL
FROM blb_migration.runs
"""
_HISTORY = """
WITH recent AS (
    SELECT run_id, kind, started_at, finished_at, outcome
    FROM blb_migration.runs
    ORDER BY started_at DESC, run_id DESC
    LIMIT %s
), loads AS (
    SELECT run_id,
           count(DISTINCT (table_schema, table_name)) FILTER (WHERE status = 'finished') AS tables_loaded,
           count(*) FILTER (WHERE status = 'failed') AS loads_failed,
           sum(rows_written) FILTER (WHERE status = 'finished') AS rows_loaded,
           max(table_loads.finished_at) AS last_at
    FROM blb_migration.table_loads JOIN recent USING (run_id) GROUP BY run_id
), checks AS (
    SELECT run_id, count(*) FILTER (WHERE NOT passed) AS mismatches, count(*) AS checks_done,
           max(checked_at) AS last_at
    FROM blb_migration.check_results JOIN recent USING (run_id) GROUP BY run_id
)
SELECT recent.run_id, recent.kind, recent.started_at,
       coalesce(recent.finished_at, greatest(loads.last_at, checks.last_at)),
       recent.outcome,
       coalesce(loads.tables_loaded, 0), coalesce(loads.loads_failed, 0), coalesce(loads.rows_loaded, 0),
       coalesce(checks.mismatches, 0), coalesce(checks.checks_done, 0)
FROM recent LEFT JOIN loads USING (run_id) LEFT JOIN checks USING (run_id)
ORDER BY recent.started_at, recent.run_id
"""


@dataclass(frozen=True)
class RecordedRun:
    """One run as the ledger has it. ``outcome`` and ``finished_at`` are None while it lasts or after a crash.

    Servers, ``isolation`` and ``source_driver`` are None for a run that did not look at them;
    ``is_prepared`` says whether findings, decisions and what is not migrated were recorded with it.
    """

    start: RunStart
    started_at: datetime.datetime
    finished_at: datetime.datetime | None
    outcome: str | None
    errors: tuple[str, ...]
    source_server: str | None
    target_server: str | None
    isolation: str | None
    source_driver: str | None
    notes: tuple[str, ...]
    is_prepared: bool


@dataclass(frozen=True)
class RunSummary:
    """One run in the history; ``ended_at`` is its end, or the last thing known of it.

    ``mismatch_count`` counts checks that found a difference.
    """

    run_id: str
    kind: str
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    outcome: str | None
    tables_loaded: int
    failed_load_count: int
    rows_loaded: int
    mismatch_count: int
    check_count: int

    @property
    def elapsed_seconds(self) -> float | None:
        """How long it took, None when nothing is known but its beginning."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None


@dataclass(frozen=True)
class StatusRecord:
    """One row of the view ``table_status``."""

    label: str
    is_equal: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class CutoverAnswer:
    """The one row of the view ``may_we_cut_over``."""

    answer: bool
    is_equal: bool
    reasons: tuple[str, ...]


def read_recorded_run(connection: TargetConnection, run_id: str) -> RecordedRun | None:
    """One run, or None."""
    rows = _read(connection, f"{_RUNS} WHERE run_id = %s", run_id)
    return _build_run(rows[0]) if rows else None


def read_run_in_force(connection: TargetConnection) -> RecordedRun | None:
    """The run by whose plan the views judge the target, or None when nothing was carried out yet."""
    rows = _read(connection, f"{_RUNS} WHERE run_id = (SELECT run_id FROM blb_migration.plan_in_force)")
    return _build_run(rows[0]) if rows else None


def read_preparing_run(connection: TargetConnection, run: RecordedRun) -> RecordedRun | None:
    """The latest run up to ``run`` that prepared the target under the same plan, or None."""
    rows = _read(
        connection,
        f"{_RUNS} WHERE plan_hash = %s AND prepared_at IS NOT NULL AND started_at <= %s"
        " ORDER BY started_at DESC, run_id DESC LIMIT 1",
        run.start.plan_hash,
        run.started_at,
    )
    return _build_run(rows[0]) if rows else None


def read_planned_tables(connection: TargetConnection, run_id: str) -> tuple[PlannedTable, ...]:
    """A run's tables in load order."""
    rows = _read(
        connection,
        "SELECT label, table_schema, table_name, source_schema, source_table, table_group, column_count,"
        " required_checks FROM blb_migration.planned_tables WHERE run_id = %s ORDER BY position",
        run_id,
    )
    return tuple(
        PlannedTable(
            label,
            TableName(schema, name),
            TableName(source_schema, source_name),
            group,
            columns,
            tuple(checks),
        )
        for label, schema, name, source_schema, source_name, group, columns, checks in rows
    )


def read_table_statuses(connection: TargetConnection) -> tuple[StatusRecord, ...]:
    """The view ``table_status``: every table of the plan in force, in load order."""
    rows = _read(
        connection,
        "SELECT label, is_equal, reasons FROM blb_migration.table_status ORDER BY position",
    )
    return tuple(StatusRecord(label, is_equal, tuple(reasons)) for label, is_equal, reasons in rows)


def read_cutover_answer(connection: TargetConnection) -> CutoverAnswer:
    """The view ``may_we_cut_over``."""
    rows = _read(connection, "SELECT answer, is_equal, reasons FROM blb_migration.may_we_cut_over")
    answer, is_equal, reasons = rows[0]
    return CutoverAnswer(answer, is_equal, tuple(reasons))


def read_findings(connection: TargetConnection, run_id: str) -> tuple[FindingRecord, ...]:
    """What preflight found in a run, in its order."""
    rows = _read(
        connection,
        "SELECT kind, severity, subject, message, details FROM blb_migration.findings"
        " WHERE run_id = %s ORDER BY finding_id",
        run_id,
    )
    return tuple(FindingRecord(*row) for row in rows)


def read_decisions(connection: TargetConnection, run_id: str) -> tuple[DecisionRecord, ...]:
    """The decisions a run followed, in their order."""
    rows = _read(
        connection,
        "SELECT subject, decision, reason, row_count FROM blb_migration.decisions"
        " WHERE run_id = %s ORDER BY decision_id",
        run_id,
    )
    return tuple(DecisionRecord(*row) for row in rows)


def read_not_migrated(connection: TargetConnection, run_id: str) -> tuple[NotMigratedRecord, ...]:
    """What a run did not migrate, sorted by kind and subject."""
    rows = _read(
        connection,
        "SELECT kind, subject, reason, row_count FROM blb_migration.not_migrated WHERE run_id = %s"
        ' ORDER BY kind, subject COLLATE "C"',
        run_id,
    )
    return tuple(NotMigratedRecord(*row) for row in rows)


def read_history(connection: TargetConnection, limit: int) -> tuple[RunSummary, ...]:
    """The last ``limit`` runs, oldest first."""
    rows = _read(connection, _HISTORY, limit)
    return tuple(
        RunSummary(run_id, kind, started_at, ended_at, outcome, *map(int, counts))
        for run_id, kind, started_at, ended_at, outcome, *counts in rows
    )


def _build_run(row: tuple[Any, ...]) -> RecordedRun:
    started_at, finished_at, outcome, errors = row[8:12]
    source_server, target_server, isolation, source_driver, notes, is_prepared = row[12:]
    return RecordedRun(
        RunStart(*row[:8]),
        started_at,
        finished_at,
        outcome,
        tuple(errors),
        source_server,
        target_server,
        isolation,
        source_driver,
        tuple(notes),
        is_prepared,
    )


def _read(connection: TargetConnection, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with target_errors(_SUBJECT):
        return connection.execute(statement.encode(), values or None).fetchall()
