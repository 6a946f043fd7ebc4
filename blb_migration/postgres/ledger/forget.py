"""Taking back what a dry run wrote into the ledger. Nothing else may ever remove what a line of it says."""

from __future__ import annotations

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import LEDGER, read, write
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.schemas import drop_schema_if_there

# Children before parents; a dry run never cuts over, so that table is not here.
_TABLES_BY_LOAD = ("identity_evidence", "digest_buckets", "left_rows", "table_chunks", "chunked_loads")
_TABLES_BY_RUN = (
    "packed_runs", "check_results", "table_loads", "planned_tables", "table_definitions", "dropped_keys",
    "findings", "decisions", "not_migrated", "runs",
)  # fmt: skip

_ON_SCRATCH = """
SELECT run_id, array_agg(DISTINCT table_schema::text) FROM blb_migration.planned_tables
WHERE pg_catalog.starts_with(table_schema, %s) AND run_id <> %s
GROUP BY run_id
"""


def read_left_dry_runs(
    connection: TargetConnection, prefix: str, run_id: str
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Read which runs but this one are on record with tables in schemas of ``prefix``, and in which.

    A dry run that has come to its end is not. Raises TargetError.
    """
    return tuple((left, tuple(schemas)) for left, schemas in read(connection, _ON_SCRATCH, prefix, run_id))


def forget_run(connection: TargetConnection, run_id: str) -> None:
    """Remove every line of one run. Raises TargetError."""
    with connection.transaction():
        for table in _TABLES_BY_LOAD:
            write(
                connection,
                f"DELETE FROM blb_migration.{table} WHERE load_id IN"
                " (SELECT load_id FROM blb_migration.table_loads WHERE run_id = %s)",
                run_id,
            )
        for table in _TABLES_BY_RUN:
            write(connection, f"DELETE FROM blb_migration.{table} WHERE run_id = %s", run_id)


def drop_ledger(connection: TargetConnection) -> None:
    """Drop the whole ledger: for a target that had none before a dry run. Raises TargetError."""
    with target_errors(LEDGER):
        drop_schema_if_there(connection, "blb_migration")
