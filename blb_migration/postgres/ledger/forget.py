"""Taking back what a dry run wrote into the ledger. Nothing else may ever remove a line of it."""

from __future__ import annotations

from blb_migration.postgres.ledger.ledger_sql import write
from blb_migration.postgres.names import TargetConnection

# Children before parents; a dry run never cuts over, so that table is not here.
_TABLES_BY_LOAD = ("digest_buckets", "table_chunks", "chunked_loads")
_TABLES_BY_RUN = (
    "check_results", "table_loads", "planned_tables", "table_definitions", "dropped_keys", "findings",
    "decisions", "not_migrated", "runs",
)  # fmt: skip


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
    write(connection, "DROP SCHEMA IF EXISTS blb_migration CASCADE")
