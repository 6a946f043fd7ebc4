"""The graph on real sessions with both servers, configured as an operator does: by the environment."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pyarrow as pa
import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    define_asset_job,
)

from blb_migration.defs.assemble import build_defs
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sqlserver.drivers import load_driver
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.run_config import QUIET

DECISIONS = "project: shop\ntables: {orders: {key_totals: [{sum: total}]}}\n"
TARGET_TABLES = """
CREATE TABLE articles (id integer PRIMARY KEY);
CREATE TABLE customers (id integer PRIMARY KEY);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer REFERENCES customers, total numeric(18,2));
CREATE TABLE lines (id integer PRIMARY KEY, order_id integer REFERENCES orders);
"""


@pytest.fixture
def chain(new_chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = new_chain()
    database = chain.database
    database.create_table(table("articles", "id int not null"))
    database.create_table(table("customers", "id int not null"))
    columns = ("id int not null", "customer_id int", "total decimal(18,2)")
    database.create_table(table("orders", *columns, references={"customer_id": "customers"}))
    database.create_table(
        table("lines", "id int not null", "order_id int", references={"order_id": "orders"})
    )
    ids = pa.array([1, 2], pa.int32())
    totals = pa.array(["10.50", "0.10"]).cast(pa.decimal128(18, 2))
    database.load("dbo.articles", pa.table({"id": ids}))
    database.load("dbo.customers", pa.table({"id": ids}))
    database.load("dbo.orders", pa.table({"id": ids, "customer_id": ids, "total": totals}))
    database.load("dbo.lines", pa.table({"id": ids, "order_id": ids}))
    execute(chain, TARGET_TABLES)
    monkeypatch.setenv("BLB_SOURCE_CONN", chain.source_url)
    monkeypatch.setenv("BLB_TARGET_CONN", chain.target_url)
    return chain


def execute(chain: Chain, statement: str) -> None:
    with psycopg.connect(chain.target_url, autocommit=True) as connection:
        connection.execute(statement)


def run(definitions: Definitions, job: str, instance: DagsterInstance) -> ExecuteInProcessResult:
    resolved = definitions.resolve_job_def(job)
    return resolved.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False)


def test_tables_and_checks_say_what_the_source_marker_tells(
    chain: Chain, instance: DagsterInstance, engine: TsqlEngine
) -> None:
    definitions = build_defs(chain.project(DECISIONS))
    result = run(definitions, "migration", instance)
    [orders] = result.asset_materializations_for_node("orders")
    assert str(orders.metadata["source_movement"].value).startswith("no sign of a write to the source")
    said = {
        evaluation.check_name: str(evaluation.metadata["source_read"].value)
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_key == AssetKey("orders")
    }
    assert said["content"] == "Compared with what the load has read"
    assert said["row_count"] == said["key_totals"] == "Compared with the source as it is now"
    assert said["integrity"] == "The source is not read for it"

    session = engine.login("sa", "Sandbox#1", chain.database.name)
    list(session.execute("UPDATE dbo.orders SET total = 0.20 WHERE id = 2"))
    session.close()
    again = run(definitions, "reconcile", instance)
    [content] = [
        evaluation
        for evaluation in again.get_asset_check_evaluations()
        if (evaluation.asset_key, evaluation.check_name) == (AssetKey("orders"), "content")
    ]
    assert not content.passed
    assert "since it was read last: the source was written to (dbo.orders)" in str(
        content.metadata["source_read"].value
    )

    second = run(definitions, "migration", instance)
    [report] = second.asset_materializations_for_node("reconciliation_report")
    nights = str(report.metadata["nights"].value)
    assert "other contents in 1 table of as many rows as before" in nights and "- orders" in nights
    assert report.metadata["rows_added"].value == 0 and "seconds_longer" in report.metadata


def test_a_rehearsal_is_green_all_over(chain: Chain, instance: DagsterInstance) -> None:
    result = run(build_defs(chain.project(DECISIONS)), "migration", instance)
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    [report] = result.asset_materializations_for_node("reconciliation_report")
    assert report.metadata["tables_migrated"].value == 4
    assert "| ✔ equal |" in str(report.metadata["summary"].value)
    assert "█" in str(report.metadata["timeline"].value)
    assert {"duration_seconds", "rows_migrated", "mismatches"} <= report.metadata.keys()  # plotted over time
    assert report.metadata["errors"].value == 0
    assert "There is no night on record yet to compare it with" in str(report.metadata["nights"].value)


def test_changed_rows_go_only_with_the_runs_own_config(chain: Chain, instance: DagsterInstance) -> None:
    job = build_defs(chain.project(DECISIONS)).resolve_job_def("migration")
    assert job.execute_in_process(run_config=QUIET, instance=instance).success
    execute(chain, "UPDATE orders SET total = 1 WHERE id = 1")

    def load_orders(**config: object) -> bool:
        selection = [AssetKey(["orders"])]
        run_config = {**QUIET, "resources": {"migration": {"config": config}}}
        return job.execute_in_process(
            run_config=run_config, instance=instance, asset_selection=selection, raise_on_error=False
        ).success

    assert not load_orders()
    assert not load_orders(replace_changed_rows=["orders"])
    assert chain.execute("SELECT total FROM orders WHERE id = 1") == [(1,)]
    assert load_orders(replace_changed_rows=["orders"], reason="It was a test")
    assert chain.execute("SELECT reason FROM blb_migration.decisions WHERE subject = 'orders'") == [
        (
            "It was a test (1 rows were added or changed since, and 1 of the 2 rows that its last load left"
            " are changed or missing)",
        )
    ]


def test_no_event_of_a_real_run_shows_a_password(chain: Chain, instance: DagsterInstance) -> None:
    result = run(build_defs(chain.project(DECISIONS)), "migration", instance)
    password = chain.target_url.split("@")[0].rsplit(":", 1)[1]
    for record in instance.all_logs(result.run_id):
        assert password not in str(record)
        assert "Sandbox#1" not in str(record)


def test_a_value_changed_by_hand_turns_its_check_red_without_a_load(
    chain: Chain, instance: DagsterInstance
) -> None:
    definitions = build_defs(chain.project(DECISIONS))
    run(definitions, "migration", instance)
    execute(chain, "UPDATE orders SET total = 10.51 WHERE id = 1")
    check = AssetCheckKey(AssetKey("orders"), "key_totals")
    alone = Definitions(jobs=[define_asset_job("alone", AssetSelection.checks(check))])
    result = run(Definitions.merge(definitions, alone), "alone", instance)
    [evaluation] = result.get_asset_check_evaluations()
    assert not evaluation.passed
    said = evaluation.description or ""
    assert said.startswith("sum(total): expected 10.60, found 10.61, difference 0.01. ")
    assert "Next: find out who changed orders" in said
    assert result.get_asset_materialization_events() == []


def test_a_table_that_breaks_off_stops_its_descendants_alone(
    chain: Chain, instance: DagsterInstance, emulator: SqlServerEmulator
) -> None:
    broken = SqlServerError(823, "The operating system returned error 23.", severity=24)
    emulator.faults.add(
        Fault(r"^SELECT \[id\].*\[orders\](?! WHERE 1 = 0)", error=broken, error_after_rows=1)
    )
    try:
        result = run(build_defs(chain.project(DECISIONS)), "migration", instance)
    finally:
        emulator.faults.clear()
    materialized = {
        event.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    assert materialized == {"preflight", "target_prepared", "articles", "customers"}
    [failure] = result.get_step_failure_events()
    assert failure.step_key == "orders"
    assert failure.step_failure_data.user_failure_data is not None
    # The error ends the connection; mssql-odbc tells that and no more.
    told = "error 23" if load_driver(None).name == "msodbcsql18" else "Connection is dead"
    assert told in str(failure.step_failure_data.user_failure_data.description)
