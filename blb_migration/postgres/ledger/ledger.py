"""The load ledger: what was done to the target, in the target, where the next run reads it.

Methods only write and read rows; the tables are made in ``versions``. A ``Ledger`` works on the
connection it is given and in whatever transaction is open there. That is the point: a table's
``finish_table_load`` on the loading connection commits with its rows or not at all, while
``begin_table_load`` and ``fail_table_load`` on another connection stay whatever happens. Setting
foreign keys aside is in ``constraints``, judging rows in ``ownership``.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.foreign_keys import ForeignKeyDefinition
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys
from blb_migration.postgres.ledger.records import (
    CheckResult,
    DecisionRecord,
    FindingRecord,
    LoadedTable,
    Run,
    RunStart,
    TableLoad,
)
from blb_migration.postgres.ledger.versions import (
    LEDGER_LOCK_KEY,
    create_ledger_schema,
    read_ledger_version,
)
from blb_migration.postgres.names import TargetConnection, qualified_text

_SUBJECT = "the target's ledger"
INTERRUPTED = "interrupted: the process ended before the load did; nothing of it stayed"
INTERRUPTED_CHUNKED = "interrupted: the process ended before the load did; its finished chunks stayed"

# The last two columns came with the ledger's version 2; whoever only reads cannot bring an older one up to
# date, and need not.
_LOADS = """
SELECT load_id, run_id, table_schema, table_name, source_schema, source_table, status, started_at,
       finished_at, rows_read, rows_written, bytes_written, elapsed_seconds, sequence_column,
       next_sequence_value, digest, load_xid, error,
       (to_jsonb(load) ->> 'chunk_count')::integer, (to_jsonb(load) ->> 'resumed_from')::bigint
FROM blb_migration.table_loads AS load
"""
_LATEST_CHECKS = """
SELECT DISTINCT ON (table_schema, table_name, check_name)
       run_id, load_id, table_schema, table_name, check_name, passed, plan_hash, details, checked_at
FROM blb_migration.check_results
ORDER BY table_schema, table_name, check_name, check_id DESC
"""


class Ledger:
    """One connection's view of the target's ledger. Methods raise TargetError."""

    def __init__(self, connection: TargetConnection) -> None:
        self.connection = connection

    def exists(self) -> bool:
        """Whether this tool ever wrote to this target. Needs only SELECT."""
        return read_ledger_version(self.connection) is not None

    def create(self) -> None:
        """Make the ledger's tables, or bring them up to date."""
        create_ledger_schema(self.connection)

    def start_run(self, start: RunStart) -> bool:
        """Record a run's beginning; False for a run id that is already there and goes on."""
        rows = self._read(
            "INSERT INTO blb_migration.runs (run_id, kind, tool_version, plan_hash, project,"
            " source_identity, operator, host) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (run_id) DO NOTHING RETURNING run_id",
            start.run_id,
            start.kind,
            start.tool_version,
            start.plan_hash,
            start.project,
            start.source_identity,
            start.operator,
            start.host,
        )
        return bool(rows)

    def finish_run(self, run_id: str, outcome: str, errors: Sequence[str] = ()) -> None:
        """Record how a run ended, and in sentences what failed in it."""
        self._write(
            "UPDATE blb_migration.runs SET finished_at = clock_timestamp(), outcome = %s, errors = %s"
            " WHERE run_id = %s",
            outcome,
            list(errors),
            run_id,
        )

    def add_run_errors(self, run_id: str, outcome: str, errors: Sequence[str]) -> None:
        """Record that a run has failed so far, with what failed now beside what failed before."""
        self._write(
            "UPDATE blb_migration.runs SET finished_at = clock_timestamp(), outcome = %s,"
            " errors = errors || %s::text[] WHERE run_id = %s",
            outcome,
            list(errors),
            run_id,
        )

    def read_run(self, run_id: str) -> Run | None:
        """One run, or None."""
        rows = self._read(
            "SELECT run_id, kind, tool_version, plan_hash, project, source_identity, operator, host,"
            " started_at, finished_at, outcome FROM blb_migration.runs WHERE run_id = %s",
            run_id,
        )
        return Run(RunStart(*rows[0][:8]), *rows[0][8:]) if rows else None

    def begin_table_load(self, run_id: str, table: TableName, source_table: TableName) -> int:
        """Record that a table's load begins; returns its load id.

        Call it with the table locked (``lock_table_load``): loads of this table that are still
        marked as running cannot be, and are marked as failed.
        """
        with target_errors(_SUBJECT), self.connection.transaction():
            self._write(
                "UPDATE blb_migration.table_loads SET status = 'failed', finished_at = clock_timestamp(),"
                " error = CASE WHEN chunk_count IS NULL THEN %s ELSE %s END"
                " WHERE table_schema = %s AND table_name = %s AND status = 'running'",
                INTERRUPTED,
                INTERRUPTED_CHUNKED,
                table.schema,
                table.name,
            )
            rows = self._read(
                "INSERT INTO blb_migration.table_loads (run_id, table_schema, table_name, source_schema,"
                " source_table, status) VALUES (%s, %s, %s, %s, %s, 'running') RETURNING load_id",
                run_id,
                table.schema,
                table.name,
                source_table.schema,
                source_table.name,
            )
        return int(rows[0][0])

    def finish_table_load(self, load_id: int, loaded: LoadedTable, load_xid: int | None) -> None:
        """Record a load as finished, on the connection and in the transaction that wrote its rows.

        ``load_xid`` is ``ownership.read_load_xid`` of that transaction.
        """
        with target_errors(_SUBJECT):
            cursor = self.connection.execute(
                "UPDATE blb_migration.table_loads SET status = 'finished', finished_at = clock_timestamp(),"
                " rows_read = %s, rows_written = %s, bytes_written = %s, elapsed_seconds = %s,"
                " sequence_column = %s, next_sequence_value = %s, digest = %s, load_xid = %s"
                " WHERE load_id = %s AND status = 'running'",
                (
                    loaded.rows_read,
                    loaded.rows_written,
                    loaded.bytes_written,
                    loaded.elapsed_seconds,
                    loaded.sequence_column,
                    loaded.next_sequence_value,
                    loaded.digest,
                    load_xid,
                    load_id,
                ),
            )
        if cursor.rowcount != 1:
            raise TargetError(
                f"load {load_id} in {_SUBJECT}",
                found="it is not running: another process took the table over",
                next_act="Run the table again",
            )

    def fail_table_load(self, load_id: int, error: str) -> None:
        """Record a load as failed, after its own transaction was rolled back."""
        self._write(
            "UPDATE blb_migration.table_loads SET status = 'failed', finished_at = clock_timestamp(),"
            " error = %s WHERE load_id = %s AND status = 'running'",
            error,
            load_id,
        )

    def latest_finished_load(self, table: TableName) -> TableLoad | None:
        """The load whose rows the table should hold, or None, also once a chunked load has emptied it."""
        load = self.latest_effective_load(table)
        return load if load is not None and load.status == "finished" else None

    def latest_effective_load(self, table: TableName) -> TableLoad | None:
        """The latest load that has changed the table: a finished one, or a split one wherever it is."""
        rows = self._read(
            f"{_LOADS} WHERE table_schema = %s AND table_name = %s"
            " AND (status = 'finished' OR to_jsonb(load) ->> 'chunk_count' IS NOT NULL)"
            " ORDER BY load_id DESC LIMIT 1",
            table.schema,
            table.name,
        )
        return _build_load(rows[0]) if rows else None

    def loads_of_run(self, run_id: str) -> tuple[TableLoad, ...]:
        """Every attempt of one run, in the order they began."""
        return tuple(
            _build_load(row) for row in self._read(f"{_LOADS} WHERE run_id = %s ORDER BY load_id", run_id)
        )

    def record_check(self, check: CheckResult) -> None:
        """Record the outcome of a check."""
        self._write(
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

    def latest_checks(self) -> tuple[CheckResult, ...]:
        """The latest result of each check of each table, sorted by table and check."""
        rows = self._read(_LATEST_CHECKS)
        return tuple(
            CheckResult(
                run_id, load_id, TableName(schema, table), name, passed, plan_hash, details, checked_at
            )
            for run_id, load_id, schema, table, name, passed, plan_hash, details, checked_at in rows
        )

    def record_findings(self, run_id: str, findings: Sequence[FindingRecord]) -> None:
        """Record what preflight found."""
        for finding in findings:
            self._write(
                "INSERT INTO blb_migration.findings (run_id, kind, severity, subject, message, details)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                run_id,
                finding.kind,
                finding.severity,
                finding.subject,
                finding.message,
                Jsonb(finding.details),
            )

    def record_decisions(self, run_id: str, decisions: Sequence[DecisionRecord]) -> None:
        """Record which decisions a run followed; the same one again replaces what was recorded."""
        for decision in decisions:
            self._write(
                "DELETE FROM blb_migration.decisions WHERE run_id = %s AND subject = %s AND decision = %s",
                run_id,
                decision.subject,
                decision.decision,
            )
            self._write(
                "INSERT INTO blb_migration.decisions (run_id, subject, decision, reason, row_count)"
                " VALUES (%s, %s, %s, %s, %s)",
                run_id,
                decision.subject,
                decision.decision,
                decision.reason,
                decision.row_count,
            )

    def pending_foreign_keys(self) -> tuple[tuple[int, ForeignKeyDefinition], ...]:
        """The foreign keys that are still dropped, with their ids, sorted by table and name."""
        return read_dropped_keys(self.connection)

    def record_cutover(self, run_id: str) -> None:
        """Record that the target is live from now on; every load refuses after that."""
        self._write("INSERT INTO blb_migration.cutover (run_id) VALUES (%s)", run_id)

    def withdraw_cutover(self) -> None:
        """Record that the cutover was rolled back: the target may be loaded again."""
        self._write(
            "UPDATE blb_migration.cutover SET withdrawn_at = clock_timestamp() WHERE withdrawn_at IS NULL"
        )

    def cutover_at(self) -> datetime.datetime | None:
        """Since when the target is live, or None."""
        rows = self._read("SELECT cutover_at FROM blb_migration.cutover WHERE withdrawn_at IS NULL")
        return rows[0][0] if rows else None

    def _write(self, statement: str, *values: object) -> None:
        with target_errors(_SUBJECT):
            self.connection.execute(statement, values or None)

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with target_errors(_SUBJECT):
            return self.connection.execute(statement, values or None).fetchall()


def lock_table_load(connection: TargetConnection, table: TableName) -> bool:
    """Take the right to load ``table`` until ``unlock_table_load``; False when another session has it.

    An advisory lock of the whole database: it stops this tool's other processes, not the
    application. It ends with its session, so a process that was killed leaves none behind. Raises TargetError
    for a table that does not exist.
    """
    with target_errors(f"table {table}"):
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s::int, %s::regclass::oid::int)",
            (LEDGER_LOCK_KEY, qualified_text(table)),
        ).fetchone()
    return bool(row and row[0])


def unlock_table_load(connection: TargetConnection, table: TableName) -> None:
    """Give back what ``lock_table_load`` took."""
    with target_errors(f"table {table}"):
        connection.execute(
            "SELECT pg_advisory_unlock(%s::int, %s::regclass::oid::int)",
            (LEDGER_LOCK_KEY, qualified_text(table)),
        )


def _build_load(row: tuple[Any, ...]) -> TableLoad:
    (load_id, run_id, schema, table, source_schema, source_table, status, started_at, finished_at) = row[:9]
    (rows_read, rows_written, bytes_written, elapsed_seconds, sequence_column, next_value, digest) = row[9:16]
    load_xid, error, chunk_count, resumed_from = row[16:]
    loaded = (
        LoadedTable(
            rows_read, rows_written, bytes_written, elapsed_seconds, sequence_column, next_value, digest
        )
        if status == "finished"
        else None
    )
    return TableLoad(
        load_id,
        run_id,
        TableName(schema, table),
        TableName(source_schema, source_table),
        status,
        started_at,
        finished_at,
        loaded,
        load_xid,
        error,
        chunk_count,
        resumed_from,
    )
