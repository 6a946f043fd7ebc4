"""Old runs are packed, and neither the verdict nor the history tells: nothing of them is lost."""

from __future__ import annotations

import dataclasses

from blb_migration.model import TableName
from blb_migration.postgres.ledger.check_results import record_check
from blb_migration.postgres.ledger.history import read_history
from blb_migration.postgres.ledger.judgement import judge
from blb_migration.postgres.ledger.loads import begin_load, finish_load
from blb_migration.postgres.ledger.nights import read_past
from blb_migration.postgres.ledger.packing import pack_old_runs
from blb_migration.postgres.ledger.records import (
    CheckResult,
    DecisionRecord,
    FindingRecord,
    LoadedTable,
    PlannedTable,
)
from blb_migration.postgres.ledger.runs import (
    finish_run,
    record_decisions,
    record_findings,
    record_planned_tables,
    start_run,
)
from blb_migration.postgres.names import TargetConnection
from blb_migration_tests.postgres.conftest import RUN
from blb_migration_tests.postgres.tables import execute, scalar

USERS, ORDERS = TableName("public", "users"), TableName("public", "orders")
FINDING = FindingRecord("missing_table", "warning", "dbo.old", "it is not there", {})
DECISION = DecisionRecord("users.name", "truncate", "agreed", 3)


def plan(table: TableName) -> PlannedTable:
    return PlannedTable(table.name, table, TableName("dbo", table.name), "all", 3, ("row_count",))


def carry_out(ledger: TargetConnection, name: str, *tables: TableName, passes: bool = True) -> None:
    """Record a run that plans, loads and checks these tables."""
    start_run(ledger, dataclasses.replace(RUN, run_id=name))
    record_planned_tables(ledger, name, [plan(table) for table in tables])
    record_findings(ledger, name, [FINDING])
    record_decisions(ledger, name, [DECISION])
    for table in tables:
        load_id = begin_load(ledger, name, table, TableName("dbo", table.name))
        finish_load(ledger, load_id, LoadedTable(3, 3, 120, 0.5), load_xid=7)
        details: dict[str, object] = {"note": f"{name}: Größe"}
        record_check(ledger, CheckResult(name, load_id, table, "row_count", passes, RUN.plan_hash, details))
    finish_run(ledger, name, "equal" if passes else "not equal")


def test_what_is_read_of_runs_stays_the_same(ledger: TargetConnection) -> None:
    execute(ledger, "DELETE FROM blb_migration.runs")
    for number in range(6):
        carry_out(ledger, f"night-{number}", USERS, ORDERS, passes=number != 1)
    planned = [plan(USERS), plan(ORDERS)]
    before = read_history(ledger, 10), read_past(ledger), judge(ledger, RUN.plan_hash, planned)
    assert pack_old_runs(ledger, kept=3) == 3
    assert (read_history(ledger, 10), read_past(ledger), judge(ledger, RUN.plan_hash, planned)) == before
    assert pack_old_runs(ledger, kept=3) == 0
    for table in ("check_results", "planned_tables", "findings", "decisions"):
        kept = ledger.execute(f"SELECT DISTINCT run_id FROM blb_migration.{table} ORDER BY 1".encode())
        assert kept.fetchall() == [("night-3",), ("night-4",), ("night-5",)]
    packed = ledger.execute(
        b"SELECT particulars -> 'check_results' -> 1 -> 'details' ->> 'note',"
        b" particulars -> 'check_results' -> 1 ->> 'passed', particulars -> 'findings' -> 0 ->> 'message',"
        b" particulars -> 'decisions' -> 0 ->> 'row_count',"
        b" json_array_length(particulars -> 'planned_tables')"
        b" FROM blb_migration.packed_runs WHERE run_id = 'night-1'"
    ).fetchall()
    assert packed == [("night-1: Größe", "false", "it is not there", "3", 2)]


def test_a_run_that_still_counts_for_a_table_is_not_packed(ledger: TargetConnection) -> None:
    carry_out(ledger, "of-orders", USERS, ORDERS)
    for number in range(4):
        carry_out(ledger, f"of-users-{number}", USERS)
    assert pack_old_runs(ledger, kept=1) == 3
    assert scalar(ledger, "SELECT count(*) FROM blb_migration.packed_runs WHERE run_id = 'of-orders'") == 0
    judged = judge(ledger, RUN.plan_hash, [plan(USERS), plan(ORDERS)])
    assert judged.by_label == {"users": (), "orders": ()} and judged.of_the_whole == ()


def test_the_night_before_stays_however_many_runs_of_other_sorts_come_after_it(
    ledger: TargetConnection,
) -> None:
    carry_out(ledger, "night", USERS, ORDERS)
    for number in range(4):
        carry_out(ledger, f"some-{number}", USERS, ORDERS)
        execute(ledger, f"DELETE FROM blb_migration.planned_tables WHERE run_id = 'some-{number}'")
    assert pack_old_runs(ledger, kept=1) == 3
    packed = ledger.execute(b"SELECT run_id FROM blb_migration.packed_runs ORDER BY 1").fetchall()
    assert packed == [("some-0",), ("some-1",), ("some-2",)]


def test_a_run_without_an_end_or_with_a_dropped_key_is_not_packed(ledger: TargetConnection) -> None:
    carry_out(ledger, "with-a-key", USERS)
    execute(
        ledger,
        "INSERT INTO blb_migration.dropped_keys (run_id, table_schema, table_name, constraint_name, columns,"
        " referred_schema, referred_table, referred_columns, definition)"
        " VALUES ('with-a-key', 'public', 'users', 'fk', '{a}', 'public', 'orders', '{id}', 'FOREIGN KEY')",
    )
    carry_out(ledger, "last", USERS)
    assert pack_old_runs(ledger, kept=1) == 0  # RUN has no end
    execute(ledger, "UPDATE blb_migration.dropped_keys SET restored_at = now()")
    assert pack_old_runs(ledger, kept=1) == 1
