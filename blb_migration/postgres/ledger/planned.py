"""What a run set out to do, written into the ledger: its planned tables, the servers, what is not migrated.

Only writing; ``history`` reads it back. Both functions work in whatever transaction is open.
"""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.records import NotMigratedRecord, PlannedTable, ServerFacts
from blb_migration.postgres.names import TargetConnection

_SUBJECT = "the target's ledger"


def record_planned_tables(connection: TargetConnection, run_id: str, tables: Sequence[PlannedTable]) -> None:
    """Record the plan's tables in load order: what the views judge the target by. Raises TargetError."""
    with target_errors(_SUBJECT), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO blb_migration.planned_tables (run_id, position, label, table_schema, table_name,"
            " source_schema, source_table, table_group, column_count, required_checks)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    run_id,
                    position,
                    planned.label,
                    planned.table.schema,
                    planned.table.name,
                    planned.source_table.schema,
                    planned.source_table.name,
                    planned.group,
                    planned.column_count,
                    list(planned.required_checks),
                )
                for position, planned in enumerate(tables, start=1)
            ],
        )


def record_preparation(
    connection: TargetConnection,
    run_id: str,
    facts: ServerFacts | None,
    not_migrated: Sequence[NotMigratedRecord],
) -> bool:
    """Record that a run begins to write, and what it found on both sides; False if it already did.

    ``facts`` None: nobody looked at the servers in this run. Raises TargetError.
    """
    with target_errors(_SUBJECT), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE blb_migration.runs SET prepared_at = clock_timestamp(), source_server = %s,"
            " target_server = %s, isolation = %s, source_driver = %s, notes = %s"
            " WHERE run_id = %s AND prepared_at IS NULL",
            (
                facts and facts.source_server,
                facts and facts.target_server,
                facts and facts.isolation,
                facts and facts.source_driver,
                list(facts.notes) if facts else [],
                run_id,
            ),
        )
        if cursor.rowcount != 1:
            return False
        cursor.executemany(
            "INSERT INTO blb_migration.not_migrated (run_id, kind, subject, reason, row_count)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                (run_id, left.kind, left.subject, left.reason, left.row_count)
                for left in (*not_migrated, *(facts.objects_not_migrated if facts else ()))
            ],
        )
    return True


def is_prepared(connection: TargetConnection, run_id: str) -> bool:
    """Whether the run has prepared the whole target, so that its end brings foreign keys back.

    Raises TargetError.
    """
    with target_errors(_SUBJECT):
        row = connection.execute(
            "SELECT prepared_at IS NOT NULL FROM blb_migration.runs WHERE run_id = %s", (run_id,)
        ).fetchone()
    return bool(row and row[0])
