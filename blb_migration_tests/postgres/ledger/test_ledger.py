"""The ledger tells the truth after success, failure and crash."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from blb_migration.errors import TargetError
from blb_migration.model import TableName
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger import versions
from blb_migration.postgres.ledger.chunked_loads import read_unfinished_chunked_load
from blb_migration.postgres.ledger.ledger import Ledger, lock_table_load, unlock_table_load
from blb_migration.postgres.ledger.records import (
    CheckResult,
    DecisionRecord,
    FindingRecord,
    LoadedTable,
)
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import is_cut_over
from blb_migration_tests.postgres.conftest import RUN
from blb_migration_tests.postgres.tables import execute, scalar

USERS = TableName("public", "users")
SOURCE_USERS = TableName("dbo", "users")
WAITING_FOR_LEDGER = (
    "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted"
)
LOADED = LoadedTable(3, 3, 120, 0.5, sequence_column="id", next_sequence_value=42)


def test_a_target_never_touched_has_no_ledger(target: TargetConnection) -> None:
    assert not Ledger(target).exists()
    assert not is_cut_over(Ledger(target))
    assert scalar(target, "SELECT to_regnamespace('blb_migration')") is None


def test_creating_it_twice_changes_nothing(target: TargetConnection) -> None:
    ledger = Ledger(target)
    ledger.create()
    ledger.create()
    assert ledger.exists()
    assert versions.read_ledger_version(target) == versions.LEDGER_VERSION


def test_two_that_create_it_at_once_do_not_hinder_each_other(
    target: TargetConnection, other_session: TargetConnection
) -> None:
    assert not Ledger(other_session).exists()  # its session remembers that there is none
    with ThreadPoolExecutor() as threads:
        with target.transaction():
            Ledger(target).create()
            second = threads.submit(Ledger(other_session).create)
            while not second.done() and not scalar(target, WAITING_FOR_LEDGER):
                time.sleep(0.01)
        second.result()
    assert versions.read_ledger_version(other_session) == versions.LEDGER_VERSION


def test_a_ledger_of_a_newer_version_is_refused(target: TargetConnection, ledger: Ledger) -> None:
    execute(target, "UPDATE blb_migration.ledger_version SET version = 99")
    with pytest.raises(TargetError, match="version 99"):
        ledger.create()


def test_an_older_ledger_is_brought_up_to_date(
    target: TargetConnection, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrades = (*versions._UPGRADES, "ALTER TABLE blb_migration.runs ADD mood text")
    monkeypatch.setattr(versions, "_UPGRADES", upgrades)
    monkeypatch.setattr(versions, "LEDGER_VERSION", len(upgrades))
    ledger.create()
    assert versions.read_ledger_version(target) == len(upgrades)
    assert scalar(target, "SELECT mood FROM blb_migration.runs") is None


def test_runs(ledger: Ledger) -> None:
    ledger.start_run(RUN)  # a re-execution
    run = ledger.read_run(RUN.run_id)
    assert run is not None and run.start == RUN and run.finished_at is None
    ledger.finish_run(RUN.run_id, "reconciled")
    run = ledger.read_run(RUN.run_id)
    assert run is not None and run.outcome == "reconciled" and run.finished_at is not None
    assert ledger.read_run("unknown") is None


def test_a_load_is_finished_with_its_rows_or_not_at_all(
    target: TargetConnection, ledger: Ledger, other_session: TargetConnection
) -> None:
    execute(target, "CREATE TABLE users (id int)")
    load_id = ledger.begin_table_load(RUN.run_id, USERS, SOURCE_USERS)
    with other_session.transaction():
        execute(other_session, "INSERT INTO users VALUES (1)")
        Ledger(other_session).finish_table_load(load_id, LOADED, load_xid=7)
        raise psycopg.Rollback  # the crash
    assert ledger.latest_finished_load(USERS) is None
    assert ledger.loads_of_run(RUN.run_id)[0].status == "running"
    ledger.fail_table_load(load_id, "value too long")
    (failed,) = ledger.loads_of_run(RUN.run_id)
    assert (failed.status, failed.error, failed.loaded) == ("failed", "value too long", None)
    assert failed.finished_at is not None


def test_the_latest_finished_load_is_the_one_that_counts(ledger: Ledger) -> None:
    first = ledger.begin_table_load(RUN.run_id, USERS, SOURCE_USERS)
    ledger.finish_table_load(first, LOADED, load_xid=7)
    second = ledger.begin_table_load(RUN.run_id, USERS, SOURCE_USERS)
    ledger.fail_table_load(second, "no")
    load = ledger.latest_finished_load(USERS)
    assert load is not None
    assert (load.load_id, load.table, load.source_table) == (first, USERS, SOURCE_USERS)
    assert (load.loaded, load.load_xid, load.error) == (LOADED, 7, None)


def test_an_interrupted_load_is_marked_by_the_next_one(ledger: Ledger) -> None:
    interrupted = ledger.begin_table_load(RUN.run_id, USERS, SOURCE_USERS)
    ledger.begin_table_load(RUN.run_id, USERS, SOURCE_USERS)
    first, second = ledger.loads_of_run(RUN.run_id)
    assert (first.status, second.status) == ("failed", "running")
    assert "interrupted" in str(first.error)
    with pytest.raises(TargetError, match="not running"):
        ledger.finish_table_load(interrupted, LOADED, load_xid=7)


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


def test_the_latest_result_of_each_check(ledger: Ledger) -> None:
    load_id = ledger.begin_table_load(RUN.run_id, USERS, SOURCE_USERS)
    for passed in (True, False):
        details: dict[str, object] = {"expected": 3, "actual": 3 if passed else 2, "note": "Größe"}
        ledger.record_check(
            CheckResult(RUN.run_id, load_id, USERS, "row_count", passed, RUN.plan_hash, details)
        )
    ledger.record_check(CheckResult(RUN.run_id, None, USERS, "key_totals", True, RUN.plan_hash))
    key_totals, row_count = ledger.latest_checks()
    assert (key_totals.check_name, key_totals.passed, key_totals.load_id) == ("key_totals", True, None)
    assert (row_count.passed, row_count.details["actual"], row_count.load_id) == (False, 2, load_id)
    assert row_count.checked_at is not None


def test_findings_and_decisions_are_on_record(target: TargetConnection, ledger: Ledger) -> None:
    ledger.record_findings(
        RUN.run_id, [FindingRecord("orphans", "error", "dbo.lines", "2 rows", {"keys": ["id=1"]})]
    )
    ledger.record_decisions(RUN.run_id, [DecisionRecord("dbo.licenses", "exclude", "not used any more")])
    assert scalar(target, "SELECT details ->> 'keys' FROM blb_migration.findings") == '["id=1"]'
    assert scalar(target, "SELECT reason FROM blb_migration.decisions") == "not used any more"


def test_a_cutover_holds_until_it_is_withdrawn(ledger: Ledger) -> None:
    assert not is_cut_over(ledger)
    ledger.record_cutover(RUN.run_id)
    assert is_cut_over(ledger) and ledger.cutover_at() is not None
    with pytest.raises(TargetError):
        ledger.record_cutover(RUN.run_id)
    ledger.withdraw_cutover()
    assert not is_cut_over(ledger)
    ledger.record_cutover(RUN.run_id)
    assert is_cut_over(ledger)


def test_reading_needs_no_more_than_select(
    target: TargetConnection, ledger: Ledger, connector: TargetConnector
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
        reader = Ledger(session)
        reader.create()  # it is there and current: nothing to do
        assert reader.read_run(RUN.run_id) is not None
        assert reader.latest_finished_load(USERS) is None and reader.latest_checks() == ()
        with pytest.raises(TargetError, match="permission denied"):
            reader.record_cutover(RUN.run_id)
    execute(target, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_ledger_of_version_1_can_be_read_and_is_brought_up_to_date(target: TargetConnection) -> None:
    execute(
        target,
        "CREATE SCHEMA blb_migration",
        "CREATE TABLE blb_migration.ledger_version (version integer NOT NULL)",
        "INSERT INTO blb_migration.ledger_version VALUES (1)",
        versions._UPGRADES[0],
    )
    ledger = Ledger(target)
    ledger.start_run(RUN)
    execute(
        target,
        "INSERT INTO blb_migration.table_loads (run_id, table_schema, table_name, source_schema,"
        " source_table, status, rows_read, rows_written)"
        f" VALUES ('{RUN.run_id}', 'public', 'users', 'dbo', 'users', 'finished', 3, 3)",
    )
    before = ledger.latest_finished_load(USERS)
    assert before is not None and before.loaded is not None and before.loaded.rows_written == 3
    ledger.create()
    assert versions.read_ledger_version(target) == versions.LEDGER_VERSION
    assert ledger.latest_finished_load(USERS) == before
    assert read_unfinished_chunked_load(target, USERS) is None
    assert scalar(target, "SELECT answer FROM blb_migration.may_we_cut_over") is False
