"""The nights that a target's ledger remembers, for ``history`` to compare. Only reads; raises TargetError."""

from __future__ import annotations

from blb_migration.history.past_nights import (
    COMPARISON,
    NightDetails,
    NightFinding,
    NightTable,
    Past,
    PastNight,
)
from blb_migration.postgres.ledger.history import read_findings
from blb_migration.postgres.ledger.ledger_sql import read
from blb_migration.postgres.ledger.night_lines import read_step_durations
from blb_migration.postgres.ledger.records import KINDS_THAT_LOAD
from blb_migration.postgres.names import TargetConnection

NIGHTS_READ = 30
_NIGHTS = """
SELECT * FROM (
    SELECT run_id, kind, environment, project, source_identity, plan_hash, started_at,
           extract(epoch FROM ended_at - started_at)::float8, outcome, errors, tables_planned, tables_loaded,
           rows_loaded, mismatches,
           (SELECT lower(source.server || '/' || source.database)
            FROM blb_migration.table_loads AS load
            JOIN blb_migration.sources AS source USING (source_id)
            WHERE load.run_id = run.run_id
            ORDER BY load.load_id DESC LIMIT 1)
    FROM blb_migration.run_history AS run
    WHERE kind = ANY (%s)
    ORDER BY started_at DESC, run_id DESC
    LIMIT %s
) AS recent
ORDER BY started_at, run_id
"""
_TABLES = """
SELECT label, rows_written, elapsed_seconds, digest, coalesce(key_totals, '{}'), column_types, hash_function
FROM blb_migration.night_tables WHERE run_id = %s ORDER BY position
"""


def read_past(connection: TargetConnection) -> Past:
    """Read the last ``NIGHTS_READ`` runs that were to load, as many that only compared, and how long steps of
    cutovers took."""
    nights = _read_nights(connection, *KINDS_THAT_LOAD)
    return Past(nights, read_step_durations(connection), _read_nights(connection, COMPARISON))


def _read_nights(connection: TargetConnection, *kinds: str) -> tuple[PastNight, ...]:
    return tuple(PastNight(*row) for row in read(connection, _NIGHTS, list(kinds), NIGHTS_READ))


def read_night_details(connection: TargetConnection, night: PastNight) -> NightDetails:
    """Read a night's tables and what preflight found then."""
    return NightDetails(
        night,
        tuple(NightTable(*row) for row in read(connection, _TABLES, night.run_id)),
        tuple(
            NightFinding(found.kind, found.severity, found.subject, found.message)
            for found in read_findings(connection, night.run_id)
        ),
    )
