"""The command migrates, says what it did, and never says more than was compared."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from blb_migration.cli.main import main
from blb_migration.load.task import LoadTask
from blb_migration.load.write import WrittenTable
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sqlserver.drivers import load_driver
from blb_migration_tests.cli.servers import Shop

FOREIGN_KEYS = (
    "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
)
LEDGER_SCHEMA = "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'blb%'"


def test_everything_arrives_and_is_reported_equal(shop: Shop) -> None:
    statements = shop.servers.sql_server.statements
    before = len(statements)
    answer = shop.migrate()
    assert (answer.code, answer.err) == (0, "")
    assert "4 tables, 11 rows, errors 0" in answer.out
    assert shop.target("SELECT id, total::text FROM orders ORDER BY id") == [
        (1, "10.50"), (2, "20.25"), (5, "0.10"),
    ]  # fmt: skip
    assert shop.target(FOREIGN_KEYS) == [(2,)]
    assert_the_report_keeps_its_contract(shop)
    assert_what_is_printed_without_a_terminal(answer.out)
    assert_only_read([str(statement).lower() for statement in list(statements)[before:]])
    assert shop.migrate().code == 0  # a second run gives the same
    assert shop.report["stats"]["rows_migrated"] == 11


def assert_the_report_keeps_its_contract(shop: Shop) -> None:
    report = shop.report
    counts = {"tables_migrated": 4, "rows_migrated": 11, "errors": 0, "warnings": 0}
    assert counts.items() <= report["stats"].items()
    orders = report["table_results"]["orders"]
    assert (orders["rows_read"], orders["rows_inserted"], orders["errors"]) == (3, 3, [])
    assert {"generated_at", "tables", "key_totals"} <= report["reconciliation"].keys()
    totals = report["key_totals"]["orders"]
    assert (totals["source_count"], totals["target_count"], totals["match"]) == (3, 3, True)
    metrics = {metric["name"]: metric["target"] for metric in totals["metrics"]}
    assert metrics == {"sum(total)": "30.85", "count paid where status = 'paid'": "2"}


def assert_what_is_printed_without_a_terminal(out: str) -> None:
    """Each table has one line; key totals stand there with both sides."""
    lines = out.splitlines()
    line = next(line for line in lines if "sum(total)" in line)
    assert line.split() == ["orders:", "sum(total)", "30.85", "30.85", "yes"]
    for label in ("articles", "customers", "orders", "lines"):
        assert sum(line.startswith(f"{label} ") for line in lines) == 1
    assert "DEBUG" not in out
    assert "RUN_START" not in out


def assert_only_read(statements: list[str]) -> None:
    assert statements
    for verb in ("insert ", "update ", "delete ", "create ", "alter ", "drop ", "truncate ", "merge "):
        assert not any(statement.lstrip().startswith(verb) for statement in statements)


def test_the_urls_may_come_from_the_environment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_SOURCE_CONN", shop.source_url)
    monkeypatch.setenv("BLB_TARGET_CONN", shop.target_url)
    monkeypatch.setenv("BLB_PROJECT", str(shop.folder))
    assert main([]) == 0


def test_rows_of_others_refuse_the_migration_and_stay(shop: Shop) -> None:
    shop.target("INSERT INTO customers VALUES (77, 'not ours')")
    answer = shop.migrate()
    assert answer.code == 3
    assert "customers" in answer.err
    assert "77" in answer.err
    assert shop.target("SELECT id FROM customers") == [(77,)]
    assert shop.target("SELECT outcome FROM blb_migration.runs") == [("refused",)]
    assert shop.report["stats"]["errors"] == 1
    assert shop.report["stats"]["tables_migrated"] == 0


def test_changed_rows_refuse_until_a_person_says_that_they_may_go(shop: Shop) -> None:
    shop.migrate()
    shop.target("UPDATE customers SET name = 'Berta' WHERE id = 2; DELETE FROM articles")
    refused = shop.migrate()
    assert refused.code == 3
    assert "customers: 1 rows were added or changed since, and 1 of the 2 rows" in refused.err
    assert "articles: the 2 rows that its last load left are missing" in refused.err
    assert shop.target("SELECT name FROM customers ORDER BY id") == [("Anna",), ("Berta",)]
    some = shop.migrate("--replace-changed-rows", "customers", "--reason", "Berta was a test")
    assert some.code == 3
    assert shop.target("SELECT count(*) FROM articles") == [(0,)]
    both = ("--replace-changed-rows", "Customers", "articles", "--reason", "Berta was a test")
    assert shop.migrate(*both).code == 0
    assert shop.target("SELECT name FROM customers ORDER BY id") == [("Anna",), ("Böhm",)]
    decided = shop.target(
        "SELECT subject, reason, row_count, operator <> '' FROM blb_migration.decisions"
        " JOIN blb_migration.runs USING (run_id) WHERE decision = 'replace_changed_rows' ORDER BY 1"
    )
    assert [(subject, row_count, has_operator) for subject, _, row_count, has_operator in decided] == [
        ("articles", 0, True),
        ("customers", 1, True),
    ]
    assert all(reason.startswith("Berta was a test (") for _, reason, _, _ in decided)
    assert shop.migrate().code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--replace-changed-rows", "customers"), "no reason is given"),
        (("--replace-changed-rows", "customer", "--reason", "why not"), "did you mean customers?"),
        (("--reason", "why not"), "no table is named"),
    ],
)
def test_a_word_without_tables_or_reason_is_refused(
    shop: Shop, arguments: tuple[str, ...], said: str
) -> None:
    answer = shop.run(*arguments)
    assert answer.code == 2
    assert said in answer.err


def test_a_table_that_fails_is_named_with_those_that_need_it(shop: Shop) -> None:
    shop.target("ALTER TABLE orders ADD CONSTRAINT small CHECK (total + 0 < 15)")
    answer = shop.migrate()
    assert answer.code == 1
    assert "small" in answer.err
    assert "lines" in answer.err
    assert "2 of 2 restored at the end of the run" in answer.out
    assert shop.target(FOREIGN_KEYS) == [(2,)]
    assert shop.target("SELECT count(*) FROM customers, articles") == [(4,)]
    assert shop.target("SELECT count(*) FROM orders") == [(0,)]
    assert shop.report["table_results"]["orders"]["errors"]
    assert not shop.report["reconciliation"]["equal"]
    assert shop.report["key_totals"]["lines"]["match"] is False


def test_after_the_cause_is_settled_another_run_completes_it(shop: Shop) -> None:
    shop.target("ALTER TABLE orders ADD CONSTRAINT small CHECK (total + 0 < 15)")
    shop.migrate()
    shop.target("ALTER TABLE orders DROP CONSTRAINT small")
    assert shop.migrate().code == 0
    assert shop.target(FOREIGN_KEYS) == [(2,)]


def test_a_table_that_breaks_off_keeps_the_rows_it_had(shop: Shop) -> None:
    shop.migrate()
    shop.servers.sql_server.faults.add(
        Fault(
            r"^SELECT \[id\].*\[orders\](?! WHERE 1 = 0)",
            error=SqlServerError(823, "I/O error", severity=24),
            error_after_rows=1,
        )
    )
    answer = shop.migrate()
    assert answer.code == 1
    # The error ends the connection; mssql-odbc tells that and no more.
    assert ("I/O error" if load_driver(None).name == "msodbcsql18" else "Connection is dead") in answer.err
    assert "This run failed" in answer.out
    assert shop.report["stats"]["errors"] == 1
    assert shop.target("SELECT count(*) FROM orders") == [(3,)]


def test_a_dry_run_proves_everything_and_leaves_nothing(shop: Shop) -> None:
    answer = shop.migrate("--dry-run")
    assert answer.code == 0
    assert shop.report["dry_run"]["scratch_schemas"] == ["blb_dry_run_public"]
    assert shop.report["stats"]["rows_migrated"] > 0
    assert shop.report["reconciliation"]["equal"]
    assert "The target itself was not changed" in answer.out
    assert shop.target(LEDGER_SCHEMA) == []
    assert shop.target("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'blb%%'") == []


def test_a_run_is_recorded_in_the_instance_of_dagster_home(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    assert shop.migrate().code == 0
    assert not (tmp_path / "nobody").exists()  # where Dagster's telemetry would keep who this is
    assert not (tmp_path / "home" / "logs").exists()  # what it would send
    with DagsterInstance.get() as instance:
        [run] = instance.get_runs()
        assert (run.job_name, run.status.value) == ("migration", "SUCCESS")
        assert run.run_id == shop.report["run"]["run_id"]


def test_an_interrupt_says_what_is_left_to_finish(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(task: LoadTask) -> WrittenTable:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        task.connection.execute("SELECT pg_sleep(30)")
        raise AssertionError("nobody has cancelled it")

    monkeypatch.setattr("blb_migration.load.table.write_table", interrupt)
    answer = shop.migrate()
    assert answer.code == 130
    assert answer.err.startswith("blb-migrate: Interrupted: the run was stopped before its end")
    assert answer.err.count("\n") == 1
    assert shop.target(FOREIGN_KEYS) == [(2,)]
    assert "dropped" not in answer.err
    assert "every table is either as it was before or loaded completely" in answer.err.lower()
    assert "interrupted" in shop.report["errors"][-1]
    assert shop.target("SELECT count(*) FROM customers") == [(0,)]


def test_a_new_column_is_told_and_planned_at_once(shop: Shop) -> None:
    shop.target("ALTER TABLE articles ADD COLUMN colour text")
    answer = shop.migrate()
    assert answer.code == 0
    assert "target: 1 changed (public.articles)" in answer.out


def test_a_step_that_dagster_itself_cannot_carry_out_is_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_records = DagsterInstance.get_asset_records

    def refuse(instance: DagsterInstance, keys: Sequence[AssetKey]) -> Sequence[object]:
        if any(key.path == ["customers"] for key in keys):
            raise OSError("the records are locked")
        return read_records(instance, keys)

    monkeypatch.setattr(DagsterInstance, "get_asset_records", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(shop.folder))  # where the traceback is kept
    answer = shop.run()
    assert answer.code != 0
    assert "the records are locked" in answer.err
