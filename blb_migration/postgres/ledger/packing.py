"""Runs that the history no longer reads table by table, packed: one row of the ledger instead of hundreds.

Nothing of them is lost: ``packed_runs.particulars`` has every row that was there, as JSON, which PostgreSQL
keeps compressed. A run whose load or check still counts for a table stays as it is.
"""

from __future__ import annotations

from blb_migration.postgres.ledger.ledger_sql import read, write
from blb_migration.postgres.ledger.records import KINDS_THAT_LOAD
from blb_migration.postgres.names import TargetConnection

_KEPT_OF_A_SORT = 14
_MOST_AT_ONCE = 20  # where an older version has left many: the next run goes on with them
_PACKED_BY_RUN = {
    "planned_tables": "position",
    "check_results": "check_id",
    "findings": "finding_id",
    "decisions": "decision_id",
    "not_migrated": "kind, subject",
    "dropped_keys": "dropped_key_id",
}
# A night is compared with the one before of its own series that came to its end with all tables. So runs are
# of one sort that neither these tell apart; of each sort the last ones are kept.
_OLD = """
SELECT run_id FROM (
    SELECT run_id, started_at, outcome,
           row_number() OVER (PARTITION BY kind = ANY (%s), project, source_identity, environment,
                                           outcome IN ('equal', 'not equal'), tables_loaded = tables_planned
                              ORDER BY started_at DESC, run_id DESC) AS place
    FROM blb_migration.run_history
) AS run
WHERE place > %s
  AND outcome IS NOT NULL
  AND NOT EXISTS (SELECT FROM blb_migration.packed_runs AS packed WHERE packed.run_id = run.run_id)
  AND NOT EXISTS (SELECT FROM blb_migration.plan_in_force AS plan WHERE plan.run_id = run.run_id)
  AND NOT EXISTS (SELECT FROM blb_migration.effective_loads AS load WHERE load.run_id = run.run_id)
  AND NOT EXISTS (SELECT FROM blb_migration.dropped_keys AS dropped
                  WHERE dropped.run_id = run.run_id AND dropped.restored_at IS NULL)
  AND NOT EXISTS (SELECT FROM blb_migration.check_results AS result
                  WHERE result.run_id = run.run_id
                    AND NOT EXISTS (SELECT FROM blb_migration.check_results AS later
                                    WHERE later.table_schema = result.table_schema
                                      AND later.table_name = result.table_name
                                      AND later.check_name = result.check_name
                                      AND later.check_id > result.check_id))
ORDER BY started_at, run_id
LIMIT %s
"""
_PACK = """
INSERT INTO blb_migration.packed_runs
    (run_id, tables_planned, mismatches, checks_done, last_check_at, particulars)
SELECT run.run_id, run.tables_planned, run.mismatches, run.checks_done,
       (SELECT max(checked_at) FROM blb_migration.check_results AS result WHERE result.run_id = run.run_id),
       json_build_object({particulars})
FROM blb_migration.run_history AS run
WHERE run.run_id = %s
"""
_ROWS = """'{table}', (SELECT json_agg(packed ORDER BY {order}) FROM blb_migration.{table} AS packed
                       WHERE packed.run_id = run.run_id)"""
_MARKERS = """'source_markers', (SELECT json_agg(json_build_object('load_id', load_id,
    'source_before', source_before, 'source_after', source_after) ORDER BY load_id)
    FROM blb_migration.table_loads AS load WHERE load.run_id = run.run_id)"""
_IDENTITIES = """'identity_evidence', (SELECT json_agg(packed ORDER BY packed.load_id)
    FROM blb_migration.identity_evidence AS packed
    JOIN blb_migration.table_loads AS load USING (load_id) WHERE load.run_id = run.run_id)"""


def pack_old_runs(connection: TargetConnection, kept: int = _KEPT_OF_A_SORT) -> int:
    """Pack all but the last ``kept`` runs of each sort; returns how many now were.

    Each in a transaction of its own. Raises TargetError.
    """
    old = read(connection, _OLD, list(KINDS_THAT_LOAD), kept, _MOST_AT_ONCE)
    for (run_id,) in old:
        with connection.transaction():
            _pack(connection, run_id)
    return len(old)


def _pack(connection: TargetConnection, run_id: str) -> None:
    parts = [_ROWS.format(table=table, order=order) for table, order in _PACKED_BY_RUN.items()]
    write(connection, _PACK.format(particulars=", ".join([*parts, _MARKERS, _IDENTITIES])), run_id)
    write(
        connection,
        "DELETE FROM blb_migration.identity_evidence WHERE load_id IN"
        " (SELECT load_id FROM blb_migration.table_loads WHERE run_id = %s)",
        run_id,
    )
    for table in _PACKED_BY_RUN:
        write(connection, f"DELETE FROM blb_migration.{table} WHERE run_id = %s", run_id)
    write(
        connection,
        "UPDATE blb_migration.table_loads SET source_before = NULL, source_after = NULL WHERE run_id = %s",
        run_id,
    )
