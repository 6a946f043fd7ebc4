"""Taking back what a dry run wrote into the ledger. Nothing else may ever remove a line of it."""

from __future__ import annotations

from psycopg import sql

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

# Children before parents; a dry run never cuts over, so that table is not here.
_TABLES_BY_LOAD = ("digest_buckets", "table_chunks", "chunked_loads")
_TABLES_BY_RUN = (
    "check_results", "table_loads", "planned_tables", "table_definitions", "dropped_keys", "findings",
    "decisions", "not_migrated", "runs",
)  # fmt: skip


def forget_run(connection: TargetConnection, run_id: str) -> None:
    """Remove every line of one run. Raises TargetError."""
    with target_errors("the target's ledger"), connection.transaction():
        for table in _TABLES_BY_LOAD:
            connection.execute(
                sql.SQL(
                    "DELETE FROM blb_migration.{} WHERE load_id IN"
                    " (SELECT load_id FROM blb_migration.table_loads WHERE run_id = %s)"
                ).format(sql.Identifier(table)),
                (run_id,),
            )
        for table in _TABLES_BY_RUN:
            connection.execute(
                sql.SQL("DELETE FROM blb_migration.{} WHERE run_id = %s").format(sql.Identifier(table)),
                (run_id,),
            )


def drop_ledger(connection: TargetConnection) -> None:
    """Drop the whole ledger: for a target that had none before a dry run. Raises TargetError."""
    with target_errors("the target's ledger"):
        connection.execute("DROP SCHEMA IF EXISTS blb_migration CASCADE")
