"""What the ledger remembers, for the report: a run's findings and decisions, and the runs before it.

Only reading; SELECT on the ledger's schema is enough. Every function raises TargetError.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from blb_migration.postgres.ledger.ledger_sql import read
from blb_migration.postgres.ledger.records import DecisionRecord, FindingRecord, NotMigratedRecord
from blb_migration.postgres.names import TargetConnection

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


def read_findings(connection: TargetConnection, run_id: str) -> tuple[FindingRecord, ...]:
    """Return what preflight found in a run, in its order."""
    rows = read(
        connection,
        "SELECT kind, severity, subject, message, details FROM blb_migration.findings"
        " WHERE run_id = %s ORDER BY finding_id",
        run_id,
    )
    return tuple(FindingRecord(*row) for row in rows)


def read_decisions(connection: TargetConnection, run_id: str) -> tuple[DecisionRecord, ...]:
    """Read the decisions a run followed, in their order."""
    rows = read(
        connection,
        "SELECT subject, decision, reason, row_count FROM blb_migration.decisions"
        " WHERE run_id = %s ORDER BY decision_id",
        run_id,
    )
    return tuple(DecisionRecord(*row) for row in rows)


def read_not_migrated(connection: TargetConnection, run_id: str) -> tuple[NotMigratedRecord, ...]:
    """Return what a run did not migrate, sorted by kind and subject."""
    rows = read(
        connection,
        "SELECT kind, subject, reason, row_count FROM blb_migration.not_migrated WHERE run_id = %s"
        ' ORDER BY kind, subject COLLATE "C"',
        run_id,
    )
    return tuple(NotMigratedRecord(*row) for row in rows)


def read_history(connection: TargetConnection, limit: int) -> tuple[RunSummary, ...]:
    """Read the last ``limit`` runs, oldest first."""
    rows = read(connection, _HISTORY, limit)
    return tuple(
        RunSummary(run_id, kind, started_at, ended_at, outcome, *map(int, counts))
        for run_id, kind, started_at, ended_at, outcome, *counts in rows
    )
