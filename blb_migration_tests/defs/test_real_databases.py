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
from blb_migration.sqlserver.drivers import load_driver
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain

DECISIONS = "project: shop\ntables: {orders: {key_totals: [{sum: total}]}}\n"
TARGET_TABLES = """
CREATE TABLE articles (id integer PRIMARY KEY);
CREATE TABLE customers (id integer PRIMARY KEY);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer REFERENCES customers, total numeric(18,2));
CREATE TABLE lines (id integer PRIMARY KEY, order_id integer REFERENCES orders);
"""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


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


def test_a_rehearsal_is_green_all_over(chain: Chain, instance: DagsterInstance) -> None:
    result = run(build_defs(chain.project(DECISIONS)), "rehearsal", instance)
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    [report] = result.asset_materializations_for_node("reconciliation_report")
    assert report.metadata["tables_migrated"].value == 4
    assert "| ✔ equal |" in str(report.metadata["summary"].value)
    assert "█" in str(report.metadata["timeline"].value)
    assert {"duration_seconds", "rows_migrated", "mismatches"} <= report.metadata.keys()  # plotted over time
    assert report.metadata["errors"].value == 0


def test_no_event_of_a_real_run_shows_a_password(chain: Chain, instance: DagsterInstance) -> None:
    result = run(build_defs(chain.project(DECISIONS)), "rehearsal", instance)
    password = chain.target_url.split("@")[0].rsplit(":", 1)[1]
    for record in instance.all_logs(result.run_id):
        assert password not in str(record)
        assert "Sandbox#1" not in str(record)


def test_a_value_changed_by_hand_turns_its_check_red_without_a_load(
    chain: Chain, instance: DagsterInstance
) -> None:
    definitions = build_defs(chain.project(DECISIONS))
    run(definitions, "rehearsal", instance)
    execute(chain, "UPDATE orders SET total = 10.51 WHERE id = 1")
    check = AssetCheckKey(AssetKey("orders"), "key_totals")
    alone = Definitions(jobs=[define_asset_job("alone", AssetSelection.checks(check))])
    result = run(Definitions.merge(definitions, alone), "alone", instance)
    [evaluation] = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert "sum(total) = 10.60" in str(evaluation.metadata["expected"].value)
    assert "sum(total) = 10.61" in str(evaluation.metadata["actual"].value)
    assert result.get_asset_materialization_events() == []


def test_a_table_that_breaks_off_stops_its_descendants_alone(
    chain: Chain, instance: DagsterInstance, emulator: SqlServerEmulator
) -> None:
    broken = SqlServerError(823, "The operating system returned error 23.", severity=24)
    emulator.faults.add(Fault(r"^SELECT \[id\].*\[orders\]", error=broken, error_after_rows=1))
    try:
        result = run(build_defs(chain.project(DECISIONS)), "rehearsal", instance)
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
