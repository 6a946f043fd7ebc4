"""The ledger's row of each check of a table, and of what it compared. Functions raise TargetError."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.types.json import Jsonb

from blb_migration.model import TableName
from blb_migration.postgres.ledger.ledger_sql import read, write
from blb_migration.postgres.ledger.records import CheckResult, PlannedTable
from blb_migration.postgres.ledger.sources import as_jsonb
from blb_migration.postgres.names import TargetConnection


def record_check(connection: TargetConnection, check: CheckResult) -> None:
    """Record the outcome of a check."""
    write(
        connection,
        "INSERT INTO blb_migration.check_results (run_id, load_id, table_schema, table_name, check_name,"
        " passed, plan_hash, details, source_id, source_before, read_from, read_until)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " CASE WHEN %s THEN clock_timestamp() END)",
        check.run_id,
        check.load_id,
        check.table.schema,
        check.table.name,
        check.check_name,
        check.passed,
        check.plan_hash,
        Jsonb(check.details),
        check.read.source_id,
        as_jsonb(check.read.before),
        check.read.read_from,
        check.read.read_from is not None,
    )


def read_latest_checks(
    connection: TargetConnection, planned: Iterable[PlannedTable]
) -> tuple[CheckResult, ...]:
    """Read the latest result of each check that the tables require, in that order, as far as there is one."""
    wanted = [(each.table, name) for each in planned for name in each.required_checks]
    rows = read(
        connection,
        "SELECT latest.run_id, latest.load_id, latest.table_schema, latest.table_name, latest.check_name,"
        " latest.passed, latest.plan_hash, latest.details, latest.checked_at"
        " FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY"
        " AS wanted (table_schema, table_name, check_name, number)"
        " CROSS JOIN LATERAL (SELECT * FROM blb_migration.check_results AS result"
        " WHERE result.table_schema = wanted.table_schema AND result.table_name = wanted.table_name"
        " AND result.check_name = wanted.check_name ORDER BY result.check_id DESC LIMIT 1) AS latest"
        " ORDER BY wanted.number",
        [table.schema for table, _ in wanted],
        [table.name for table, _ in wanted],
        [name for _, name in wanted],
    )
    return tuple(
        CheckResult(run_id, load_id, TableName(schema, table), name, passed, plan_hash, details, checked_at)
        for run_id, load_id, schema, table, name, passed, plan_hash, details, checked_at in rows
    )
