"""What goes on in the target: who is connected, how many rows are written, what fails. Only reads."""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

_CLIENTS = """
SELECT DISTINCT format('%s from %s (%s)', usename, coalesce(host(client_addr), 'a local socket'),
                       coalesce(nullif(application_name, ''), 'an unnamed program'))
FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY 1
"""
_COUNTERS = """
SELECT d.xact_commit, d.xact_rollback, d.deadlocks,
       (SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_catalog.pg_stat_user_tables
        WHERE schemaname NOT IN ('blb_migration', 'blb_migration_kept'))
FROM pg_catalog.pg_stat_database AS d WHERE d.datname = current_database()
"""
# A narrower column ends before its sequence: one that the sequence belongs to, or whose default asks it.
_SEQUENCES = """
SELECT format('%I.%I', schemaname, sequencename),
       100.0 * last_value::numeric / CASE WHEN increment_by > 0 THEN least(max_value, filled.ceiling)
                                          ELSE greatest(min_value, -filled.ceiling - 1) END
FROM pg_catalog.pg_sequences
CROSS JOIN LATERAL (SELECT to_regclass(format('%I.%I', schemaname, sequencename))::oid AS sequence) AS own
CROSS JOIN LATERAL (
    SELECT min(CASE a.atttypid WHEN 'int2'::regtype THEN 32767
                               WHEN 'int4'::regtype THEN 2147483647 END) AS ceiling
    FROM pg_catalog.pg_depend AS d
    LEFT JOIN pg_catalog.pg_attrdef AS preset
      ON d.classid = 'pg_attrdef'::regclass AND preset.oid = d.objid
    JOIN pg_catalog.pg_attribute AS a
      ON a.attrelid = coalesce(preset.adrelid, d.refobjid)
      AND a.attnum = coalesce(preset.adnum, d.refobjsubid)
    WHERE d.classid = 'pg_class'::regclass AND d.objid = own.sequence
       OR d.refclassid = 'pg_class'::regclass AND d.refobjid = own.sequence AND preset.oid IS NOT NULL
) AS filled
WHERE last_value IS NOT NULL AND NOT cycle AND schemaname NOT IN ('blb_migration', 'blb_migration_kept')
ORDER BY 2 DESC LIMIT 20
"""


@dataclass(frozen=True)
class ActivityCounters:
    """Counts since the server's statistics began; only the difference of two tells something."""

    commits: int
    rollbacks: int
    deadlocks: int
    rows_written: int


def read_client_sessions(connection: TargetConnection) -> tuple[str, ...]:
    """Read who else is connected to the target, in words. Raises TargetError."""
    with target_errors("the target's sessions"):
        return tuple(row[0] for row in connection.execute(_CLIENTS).fetchall())


def read_counters(connection: TargetConnection) -> ActivityCounters:
    """Read the database's counters. Raises TargetError."""
    with target_errors("the target's statistics"):
        row = connection.execute(_COUNTERS).fetchone()
    return ActivityCounters(*map(int, row or (0, 0, 0, 0)))


def read_sequence_shares(connection: TargetConnection) -> dict[str, float]:
    """Read how much of each sequence is used, in percent, the fullest first: of its own range, or of the
    narrowest column that takes its numbers. Raises TargetError.
    """
    with target_errors("the target's sequences"):
        return {name: float(share) for name, share in connection.execute(_SEQUENCES).fetchall()}
