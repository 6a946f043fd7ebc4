"""Event triggers: functions of the target's owner that run at every DDL, and may refuse it.

A load drops and restores keys and indexes, and makes its ledger. What such a function refuses is not to be
read from it, so it is tried on a temporary table, in a transaction that is rolled back.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from blb_migration.postgres.failures import describe_database_error, target_errors
from blb_migration.postgres.names import TargetConnection

# evtenabled: (O)rigin, (A)lways, (R)eplica, (D)isabled; a session of ours has the role origin.
_TRIGGERS = """
SELECT e.evtname::text, e.evtfoid::regprocedure::text
FROM pg_catalog.pg_event_trigger e
WHERE e.evtenabled IN ('O', 'A') AND e.evtevent <> 'login'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_event_trigger'::regclass AND d.objid = e.oid
                    AND d.deptype = 'e')
ORDER BY 1
"""
_TRIED = """
CREATE TEMPORARY TABLE blb_migration_probe (id integer PRIMARY KEY);
CREATE INDEX blb_migration_probe_index ON blb_migration_probe (id);
DROP INDEX blb_migration_probe_index;
ALTER TABLE blb_migration_probe DROP CONSTRAINT blb_migration_probe_pkey;
ALTER TABLE blb_migration_probe ADD CONSTRAINT blb_migration_probe_pkey PRIMARY KEY (id);
ALTER TABLE blb_migration_probe ADD CONSTRAINT blb_migration_probe_key FOREIGN KEY (id)
    REFERENCES blb_migration_probe;
ALTER TABLE blb_migration_probe DROP CONSTRAINT blb_migration_probe_key;
DROP TABLE blb_migration_probe
"""


@dataclass(frozen=True)
class DdlGuards:
    """Event triggers by name with their functions, and what refused the DDL that was tried; None: nothing."""

    triggers: tuple[tuple[str, str], ...]
    refusal: str | None


def read_ddl_guards(connection: TargetConnection) -> DdlGuards:
    """Name the event triggers, and try whether they let a load's DDL pass. Raises TargetError."""
    with target_errors("the target's event triggers"):
        triggers = tuple(connection.execute(_TRIGGERS).fetchall())
        row = connection.execute(
            "SELECT pg_catalog.has_database_privilege(current_database(), 'TEMPORARY')"
        ).fetchone()
    refusal = None
    if triggers and row and row[0]:
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(_TRIED)
        except psycopg.Error as error:
            refusal = describe_database_error(error)
    return DdlGuards(tuple((str(name), str(function)) for name, function in triggers), refusal)
