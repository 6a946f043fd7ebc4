"""The ledger's row of each check of a table, and of what it compared. Functions raise TargetError."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from blb_migration.model import TableName
from blb_migration.postgres.ledger.ledger_sql import read, write
from blb_migration.postgres.ledger.records import CheckResult
from blb_migration.postgres.names import TargetConnection


def record_check(connection: TargetConnection, check: CheckResult) -> None:
    """Record the outcome of a check."""
    write(
        connection,
        "INSERT INTO blb_migration.check_results (run_id, load_id, table_schema, table_name, check_name,"
        " passed, plan_hash, details) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        check.run_id,
        check.load_id,
        check.table.schema,
        check.table.name,
        check.check_name,
        check.passed,
        check.plan_hash,
        Jsonb(check.details),
    )


def read_latest_checks(connection: TargetConnection) -> tuple[CheckResult, ...]:
    """The latest result of each check of each table, sorted by table and check."""
    rows = read(
        connection,
        "SELECT run_id, load_id, table_schema, table_name, check_name, passed, plan_hash, details, checked_at"
        " FROM blb_migration.latest_checks ORDER BY table_schema, table_name, check_name",
    )
    return tuple(
        CheckResult(run_id, load_id, TableName(schema, table), name, passed, plan_hash, details, checked_at)
        for run_id, load_id, schema, table, name, passed, plan_hash, details, checked_at in rows
    )
