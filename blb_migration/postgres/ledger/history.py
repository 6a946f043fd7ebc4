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
SELECT * FROM (
    SELECT run_id, kind, started_at, ended_at, outcome, tables_loaded, loads_failed, rows_loaded, mismatches,
           checks_done
    FROM blb_migration.run_history
    ORDER BY started_at DESC, run_id DESC
    LIMIT %s
) AS recent
ORDER BY started_at, run_id
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
        RunSummary(run_id, kind, started_at, ended_at, outcome, *counts)
        for run_id, kind, started_at, ended_at, outcome, *counts in rows
    )
