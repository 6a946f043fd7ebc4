"""The ledger tells the truth after success, failure and crash."""

from __future__ import annotations

import psycopg
import pytest

from blb_migration.errors import TargetError, TargetNotOurs
from blb_migration.model import TableName
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.check_results import read_latest_checks, record_check
from blb_migration.postgres.ledger.live_mark import (
    mark_live,
    read_live_mark,
    refuse_live_target,
    withdraw_live_mark,
)
from blb_migration.postgres.ledger.loads import (
    begin_load,
    fail_load,
    finish_load,
    lock_table_load,
    read_finished_load,
    read_loads_of_run,
    unlock_table_load,
)
from blb_migration.postgres.ledger.records import (
    CheckResult,
    DecisionRecord,
    FindingRecord,
    LoadedTable,
    PlannedTable,
)
from blb_migration.postgres.ledger.runs import (
    finish_run,
    read_run,
    record_decisions,
    record_findings,
    start_run,
)
from blb_migration.postgres.ledger.versions import create_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration_tests.postgres.conftest import RUN
from blb_migration_tests.postgres.tables import execute, scalar

USERS = TableName("public", "users")
SOURCE_USERS = TableName("dbo", "users")
PLANNED = PlannedTable("users", USERS, SOURCE_USERS, "all", 3, ("row_count", "content", "key_totals"))
LOADED = LoadedTable(3, 3, 120, 0.5, sequence_column="id", next_sequence_value=42)


def test_runs(ledger: TargetConnection) -> None:
    start_run(ledger, RUN)  # a re-execution
    run = read_run(ledger, RUN.run_id)
    assert run is not None and run.start == RUN and run.finished_at is None
    finish_run(ledger, RUN.run_id, "reconciled")
    run = read_run(ledger, RUN.run_id)
    assert run is not None and run.outcome == "reconciled" and run.finished_at is not None
    assert read_run(ledger, "unknown") is None


def test_a_load_is_finished_with_its_rows_or_not_at_all(
    target: TargetConnection, ledger: TargetConnection, other_session: TargetConnection
) -> None:
    execute(target, "CREATE TABLE users (id int)")
    load_id = begin_load(ledger, RUN.run_id, USERS, SOURCE_USERS)
    with other_session.transaction():
        execute(other_session, "INSERT INTO users VALUES (1)")
        finish_load(other_session, load_id, LOADED, load_xid=7)
        raise psycopg.Rollback  # the crash
    assert read_finished_load(ledger, USERS) is None
    assert read_loads_of_run(ledger, RUN.run_id)[0].status == "running"
    fail_load(ledger, load_id, "value too long")
    (failed,) = read_loads_of_run(ledger, RUN.run_id)
    assert (failed.status, failed.error, failed.loaded) == ("failed", "value too long", None)
    assert failed.finished_at is not None


def test_the_latest_finished_load_is_the_one_that_counts(ledger: TargetConnection) -> None:
    first = begin_load(ledger, RUN.run_id, USERS, SOURCE_USERS)
    finish_load(ledger, first, LOADED, load_xid=7)
    second = begin_load(ledger, RUN.run_id, USERS, SOURCE_USERS)
    fail_load(ledger, second, "no")
    load = read_finished_load(ledger, USERS)
    assert load is not None
    assert (load.load_id, load.table, load.source_table) == (first, USERS, SOURCE_USERS)
    assert (load.loaded, load.load_xid, load.error) == (LOADED, 7, None)


def test_an_interrupted_load_is_marked_by_the_next_one(ledger: TargetConnection) -> None:
    interrupted = begin_load(ledger, RUN.run_id, USERS, SOURCE_USERS)
    begin_load(ledger, RUN.run_id, USERS, SOURCE_USERS)
    first, second = read_loads_of_run(ledger, RUN.run_id)
    assert (first.status, second.status) == ("failed", "running")
    assert "interrupted" in str(first.error)
    with pytest.raises(TargetError, match="not running"):
        finish_load(ledger, interrupted, LOADED, load_xid=7)


def test_two_loads_of_one_table_at_once_are_prevented(
    target: TargetConnection, other_session: TargetConnection
) -> None:
    execute(target, "CREATE TABLE users (id int)", "CREATE TABLE orders (id int)")
    assert lock_table_load(target, USERS)
    assert not lock_table_load(other_session, USERS)
    assert lock_table_load(other_session, TableName("public", "orders"))
    unlock_table_load(target, USERS)
    assert lock_table_load(other_session, USERS)
    with pytest.raises(TargetError, match="table public"):
        lock_table_load(target, TableName("public", "missing"))


def test_the_latest_result_of_each_check(ledger: TargetConnection) -> None:
    load_id = begin_load(ledger, RUN.run_id, USERS, SOURCE_USERS)
    for passed in (True, False):
        details: dict[str, object] = {"expected": 3, "actual": 3 if passed else 2, "note": "Größe"}
        record_check(
            ledger, CheckResult(RUN.run_id, load_id, USERS, "row_count", passed, RUN.plan_hash, details)
        )
    record_check(ledger, CheckResult(RUN.run_id, None, USERS, "key_totals", True, RUN.plan_hash))
    row_count, key_totals = read_latest_checks(ledger, [PLANNED])
    assert (key_totals.check_name, key_totals.passed, key_totals.load_id) == ("key_totals", True, None)
    assert (row_count.passed, row_count.details["actual"], row_count.load_id) == (False, 2, load_id)
    assert row_count.checked_at is not None


def test_findings_and_decisions_are_on_record(target: TargetConnection, ledger: TargetConnection) -> None:
    record_findings(
        ledger, RUN.run_id, [FindingRecord("orphans", "error", "dbo.lines", "2 rows", {"keys": ["id=1"]})]
    )
    record_decisions(ledger, RUN.run_id, [DecisionRecord("dbo.licenses", "exclude", "not used any more")])
    assert scalar(target, "SELECT details ->> 'keys' FROM blb_migration.findings") == '["id=1"]'
    assert scalar(target, "SELECT reason FROM blb_migration.decisions") == "not used any more"


def mark(connection: TargetConnection, night_id: str = "night") -> None:
    mark_live(
        connection, run_id=RUN.run_id, night_id=night_id, operator="ana", host="erp-01", tool_version="1"
    )


def test_a_live_mark_holds_until_it_is_withdrawn(ledger: TargetConnection) -> None:
    assert read_live_mark(ledger) is None
    mark(ledger)
    mark(ledger)  # the same night, going on
    found = read_live_mark(ledger)
    assert found is not None and "by ana on erp-01" in str(found)
    with pytest.raises(TargetNotOurs, match=r"live since .* by ana on erp-01"):
        refuse_live_target(ledger, "dbo.users")
    with pytest.raises(TargetError):
        mark(ledger, "another night")
    assert withdraw_live_mark(ledger) and not withdraw_live_mark(ledger)
    assert read_live_mark(ledger) is None
    refuse_live_target(ledger, "dbo.users")
    mark(ledger, "another night")
    assert read_live_mark(ledger) is not None


def test_reading_needs_no_more_than_select(
    target: TargetConnection, ledger: TargetConnection, connector: TargetConnector
) -> None:
    role = f"reader_{target.info.backend_pid}"
    execute(
        target,
        f"CREATE ROLE {role}",
        f"GRANT USAGE ON SCHEMA blb_migration TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA blb_migration TO {role}",
    )
    with connector.connect() as session:
        execute(session, f"SET ROLE {role}")
        create_ledger(session)  # it is there and current: nothing to do
        assert read_run(session, RUN.run_id) is not None
        assert read_finished_load(session, USERS) is None and read_latest_checks(session, [PLANNED]) == ()
        with pytest.raises(TargetError, match="permission denied"):
            mark(session)
    execute(target, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
