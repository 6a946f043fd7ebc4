"""However a run ends, every foreign key that can be validated is back; what cannot is said, with its rows."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from dagster import (
    AssetSelection,
    DagsterEvent,
    DagsterInstance,
    DagsterRun,
    Definitions,
    build_run_status_sensor_context,
    define_asset_job,
)

from blb_migration.cancellation import Cancellation
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.left_keys import build_left_key_sensors
from blb_migration.defs.observer import RunObserver
from blb_migration.defs.resource import MigrationResource
from blb_migration.load.finish import RestoredConstraints
from blb_migration.load.prepare import prepare_target
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.run_config import QUIET

DECISIONS = "project: shop\n"
TARGET_TABLES = """
CREATE TABLE articles (id integer PRIMARY KEY);
CREATE TABLE customers (id integer PRIMARY KEY);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer REFERENCES customers);
CREATE TABLE lines (id integer PRIMARY KEY, order_id integer REFERENCES orders,
    article_id integer REFERENCES articles);
CREATE TABLE notes (id integer PRIMARY KEY, article_id integer REFERENCES articles);
"""
IN_PLACE = (
    "SELECT conname FROM pg_constraint"
    " WHERE contype = 'f' AND convalidated AND connamespace = 'public'::regnamespace ORDER BY 1"
)
ALL_KEYS = [
    "lines_article_id_fkey",
    "lines_order_id_fkey",
    "notes_article_id_fkey",
    "orders_customer_id_fkey",
]
ERRORS = "SELECT outcome, errors FROM blb_migration.runs ORDER BY started_at DESC LIMIT 1"


class Heard(RunObserver):
    def __init__(self) -> None:
        self.left_over: list[RestoredConstraints] = []

    def keys_left_over(self, result: RestoredConstraints) -> None:
        self.left_over.append(result)


@pytest.fixture
def chain(new_chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = new_chain()
    chain.database.create_table(table("articles", "id int not null"))
    chain.database.create_table(table("customers", "id int not null"))
    chain.database.create_table(
        table("orders", "id int not null", "customer_id int", references={"customer_id": "customers"})
    )
    chain.database.create_table(
        table(
            "lines",
            "id int not null",
            "order_id int",
            "article_id int",
            references={"order_id": "orders", "article_id": "articles"},
        )
    )
    ids = pa.array([1, 2], pa.int32())
    chain.database.load("dbo.articles", pa.table({"id": ids}))
    chain.database.load("dbo.customers", pa.table({"id": ids}))
    chain.database.load("dbo.orders", pa.table({"id": ids, "customer_id": ids}))
    chain.database.load("dbo.lines", pa.table({"id": ids, "order_id": ids, "article_id": ids}))
    chain.execute(TARGET_TABLES)
    monkeypatch.setenv("BLB_SOURCE_CONN", chain.source_url)
    monkeypatch.setenv("BLB_TARGET_CONN", chain.target_url)
    return chain


def run(
    chain: Chain,
    instance: DagsterInstance,
    selection: AssetSelection | None = None,
    giving_up: Cancellation | None = None,
) -> Heard:
    """Run the whole graph, or ``selection`` of it, and return what the observer heard of keys."""
    heard = Heard()
    project = chain.project(DECISIONS)
    resource = MigrationResource(project, observer=heard, giving_up=giving_up or Cancellation())
    definitions = build_defs(project, resource=resource)
    job = "migration"
    if selection is not None:
        job = "some"
        definitions = Definitions.merge(definitions, Definitions(jobs=[define_asset_job(job, selection)]))
    resolved = definitions.resolve_job_def(job)
    resolved.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False)
    return heard


def names(chain: Chain) -> list[object]:
    return [name for (name,) in chain.execute(IN_PLACE)]


def test_a_table_that_fails_leaves_no_key_off(chain: Chain, instance: DagsterInstance) -> None:
    chain.execute("ALTER TABLE orders ADD CONSTRAINT small CHECK (id + 0 < 2)")
    heard = run(chain, instance)
    assert names(chain) == ALL_KEYS
    [left_over] = heard.left_over
    assert len(left_over.restored) == 4
    [(outcome, errors)] = chain.execute(ERRORS)
    assert outcome == "failed"
    assert isinstance(errors, list) and len(errors) == 1  # the table's: no key is in the way of anything


def test_a_red_check_leaves_no_key_off(
    chain: Chain, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.execute("CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    chain.execute("CREATE TRIGGER more BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION more()")
    chain.execute("ALTER TABLE customers ENABLE ALWAYS TRIGGER more")
    monkeypatch.setattr("blb_migration.postgres.dropping.parts.disable_triggers", lambda *_: ())
    run(chain, instance)
    assert names(chain) == ALL_KEYS
    assert (False,) in chain.execute("SELECT passed FROM blb_migration.check_results")
    assert chain.execute("SELECT outcome FROM blb_migration.runs") == [("not equal",)]


def test_a_source_that_is_lost_leaves_no_key_off(
    chain: Chain, instance: DagsterInstance, emulator: SqlServerEmulator
) -> None:
    emulator.faults.add(
        Fault(r"^SELECT \[id\].*\[customers\](?! WHERE 1 = 0)", error=SqlServerError(823, "I/O error", 24))
    )
    try:
        run(chain, instance)
    finally:
        emulator.faults.clear()
    assert names(chain) == ALL_KEYS


def test_a_run_that_stops_after_its_preparation_leaves_no_key_off(
    chain: Chain, instance: DagsterInstance
) -> None:
    run(chain, instance, AssetSelection.assets("preflight", "target_prepared"))
    assert names(chain) == ALL_KEYS


def test_rows_in_the_way_of_a_key_are_named_and_the_other_keys_are_back(
    chain: Chain, instance: DagsterInstance
) -> None:
    chain.execute("INSERT INTO articles VALUES (7); INSERT INTO notes VALUES (1, 7), (2, 7)")
    chain.execute("ALTER TABLE orders ADD CONSTRAINT small CHECK (id + 0 < 2)")
    decisions = "project: shop\ntables: {articles: {replace_rows: a test}}\n"
    chain_project = chain.project

    heard = Heard()
    resource = MigrationResource(chain_project(decisions), observer=heard)
    definitions = build_defs(chain_project(decisions), resource=resource)
    definitions.resolve_job_def("migration").execute_in_process(
        run_config=QUIET, instance=instance, raise_on_error=False
    )
    assert names(chain) == [name for name in ALL_KEYS if name != "notes_article_id_fkey"]
    [(outcome, errors)] = chain.execute(ERRORS)
    assert outcome == "failed"
    assert isinstance(errors, list)
    [said] = [error for error in errors if "notes_article_id_fkey" in error]
    assert "2 rows refer to no parent, first id=1 (article_id=7), id=2 (article_id=7)" in said
    assert "restore-keys" in said


def test_whoever_does_not_want_to_wait_for_the_keys_finds_them_on_record(
    chain: Chain, instance: DagsterInstance
) -> None:
    giving_up = Cancellation()
    giving_up.ask()
    heard = run(chain, instance, AssetSelection.assets("preflight", "target_prepared"), giving_up)
    assert names(chain) == []
    assert {key.error for key in heard.left_over[0].restored} == {"not tried: the restoring was broken off"}
    assert len(chain.execute("SELECT 1 FROM blb_migration.dropped_keys WHERE restored_at IS NULL")) == 4


def test_the_daemon_restores_what_a_killed_run_has_left_dropped(
    chain: Chain, instance: DagsterInstance
) -> None:
    migration = chain.migration(DECISIONS)
    prepare_target(migration, ())  # and then its process is killed
    assert names(chain) == []
    resource = MigrationResource(chain.project(DECISIONS))
    sensors = {sensor.name: sensor for sensor in build_left_key_sensors(resource)}
    run = DagsterRun(job_name="rehearsal", run_id=migration.run.run_id)
    event = DagsterEvent("PIPELINE_FAILURE", job_name="rehearsal")
    context = build_run_status_sensor_context("keys_after_failure", event, instance, run, partition_key=None)
    said = sensors["keys_after_failure"](context)
    assert names(chain) == ALL_KEYS
    assert "4 foreign keys restored" in str(said)
