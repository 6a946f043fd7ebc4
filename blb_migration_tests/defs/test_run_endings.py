"""A run's end stands in the ledger however it ended, though Dagster skips the report after a failure."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from dagster import (
    AssetSelection,
    DagsterInstance,
    Definitions,
    JobDefinition,
    define_asset_job,
    execute_job,
    reconstructable,
)

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.asset_keys import build_verdict_key
from blb_migration.load.table import TableLoad, load_table
from blb_migration.load.task import LoadTask
from blb_migration.load.write import WrittenTable
from blb_migration.migration import Migration
from blb_migration.plan.project import load_project, save_project
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.run_config import QUIET

DECISIONS = "project: shop\n"
TARGET_TABLES = """
CREATE TABLE articles (id integer PRIMARY KEY);
CREATE TABLE customers (id integer PRIMARY KEY);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer REFERENCES customers);
"""


@pytest.fixture
def chain(new_chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = new_chain()
    chain.database.create_table(table("articles", "id int not null"))
    chain.database.create_table(table("customers", "id int not null"))
    chain.database.create_table(
        table("orders", "id int not null", "customer_id int", references={"customer_id": "customers"})
    )
    ids = pa.array([1, 2], pa.int32())
    chain.database.load("dbo.articles", pa.table({"id": ids}))
    chain.database.load("dbo.customers", pa.table({"id": ids}))
    chain.database.load("dbo.orders", pa.table({"id": ids, "customer_id": ids}))
    chain.execute(TARGET_TABLES)
    monkeypatch.setenv("BLB_SOURCE_CONN", chain.source_url)
    monkeypatch.setenv("BLB_TARGET_CONN", chain.target_url)
    return chain


def run(chain: Chain, instance: DagsterInstance, *selected: str, job: str = "migration") -> bool:
    """Run a job of the graph, or the assets ``selected`` alone; return whether it succeeded."""
    definitions = build_defs(chain.project(DECISIONS))
    if selected:
        job = "alone"
        alone = define_asset_job(job, AssetSelection.assets(*selected).without_checks())
        definitions = Definitions.merge(definitions, Definitions(jobs=[alone]))
    resolved = definitions.resolve_job_def(job)
    return resolved.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False).success


def read_endings(chain: Chain) -> list[tuple[object, ...]]:
    return chain.execute(
        "SELECT outcome, errors, finished_at IS NOT NULL FROM blb_migration.runs ORDER BY started_at"
    )


def test_a_run_whose_table_fails_is_on_record_as_failed(chain: Chain, instance: DagsterInstance) -> None:
    chain.execute("ALTER TABLE customers ADD CONSTRAINT small CHECK (id + 0 < 2)")
    chain.execute("ALTER TABLE articles ADD CONSTRAINT tiny CHECK (id + 0 < 2)")
    assert not run(chain, instance)
    [(outcome, errors, has_end)] = read_endings(chain)
    assert (outcome, has_end) == ("failed", True)
    assert isinstance(errors, list)
    assert len(errors) == 2
    assert any("customers" in error and "small" in error for error in errors)
    assert any("articles" in error and "tiny" in error for error in errors)


def test_a_run_whose_check_differs_is_on_record_as_not_equal(chain: Chain, instance: DagsterInstance) -> None:
    assert run(chain, instance)
    chain.execute("DELETE FROM orders WHERE id = 1")
    assert not run(chain, instance, job="reconcile")
    assert read_endings(chain) == [("equal", [], True), ("not equal", [], True)]


def test_a_run_of_one_table_ends_as_the_whole_target_stands(chain: Chain, instance: DagsterInstance) -> None:
    assert run(chain, instance, "articles")
    assert run(chain, instance)
    assert run(chain, instance, "orders")
    assert [ending[0] for ending in read_endings(chain)] == ["not equal", "equal", "not equal"]


def test_a_run_that_someone_stops_is_on_record_as_interrupted(
    chain: Chain, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(task: LoadTask) -> WrittenTable:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        task.connection.execute("SELECT pg_sleep(30)")
        raise AssertionError("nobody has cancelled it")

    monkeypatch.setattr("blb_migration.load.table.write_table", wait)
    assert not run(chain, instance, "articles")
    assert read_endings(chain) == [("interrupted", ["the run was interrupted"], True)]
    record = instance.get_latest_asset_check_evaluation_record(build_verdict_key("production"))
    assert record is not None and record.event is not None
    assert "the last run: the run was interrupted" in str(record.event.dagster_event)


def test_a_run_that_is_being_stopped_between_its_steps_is_on_record_as_interrupted(
    chain: Chain, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(migration: Migration, *_arguments: object) -> TableLoad:
        load = load_table(migration, *_arguments)  # type: ignore[arg-type]
        [record] = instance.get_runs()
        instance.report_run_canceling(record)
        return load

    monkeypatch.setattr("blb_migration.load.table.load_table", stop)
    run(chain, instance, "articles")
    assert read_endings(chain) == [("interrupted", ["the run was interrupted"], True)]


def build_articles_job() -> JobDefinition:
    """Built anew in every step's process."""
    definitions = build_defs(load_project(Path(os.environ["BLB_PROJECT"])))
    alone = define_asset_job("alone", AssetSelection.assets("articles", "customers").without_checks())
    return Definitions.merge(definitions, Definitions(jobs=[alone])).resolve_job_def("alone")


@pytest.mark.usefixtures("new_fork_server")
@pytest.mark.parametrize("executor", ["threads", "multiprocess"])
def test_steps_side_by_side_put_their_failures_on_record(
    chain: Chain,
    kept_instance: DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    executor: str,
) -> None:
    save_project(replace(chain.project(DECISIONS), folder=tmp_path))
    monkeypatch.setenv("BLB_PROJECT", str(tmp_path))
    monkeypatch.setenv("BLB_EXECUTOR", executor)
    monkeypatch.setenv("BLB_MAX_CONCURRENT", "2")
    chain.execute("ALTER TABLE articles ADD CONSTRAINT tiny CHECK (id + 0 < 2)")
    with execute_job(reconstructable(build_articles_job), kept_instance, run_config=QUIET) as result:
        assert not result.success
    [(outcome, errors, has_end)] = read_endings(chain)
    assert (outcome, has_end) == ("failed", True)
    assert isinstance(errors, list)
    assert len(errors) == 1
    assert "tiny" in errors[0]
