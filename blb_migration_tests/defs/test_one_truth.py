"""What Dagster says of a target after a run, however it ended, is what the target's ledger says."""

from __future__ import annotations

import datetime
import os
import platform
import random
import re
from dataclasses import replace

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterEvent,
    DagsterInstance,
    DagsterRunStatus,
    build_sensor_context,
)

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.asset_keys import build_verdict_key
from blb_migration.defs.dead_runs import PROCESS_TAG, end_dead_runs
from blb_migration.defs.in_process import is_of_instance
from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.run_tags import CONNECTIONS_TAG, SOURCE_TAG, TARGET_TAG
from blb_migration.defs.verdict_sensor import LOST, build_verdict_sensor
from blb_migration.migration import Migration, RunInfo
from blb_migration.postgres.ledger.records import RunKind
from blb_migration.run_entry import ensure_run
from blb_migration.run_hold import end_killed_runs_if_free
from blb_migration.settings.environments import Environment, find_environment
from blb_migration_tests.defs.run_config import QUIET
from blb_migration_tests.defs.walk import ENVIRONMENTS, Told, Walk, build_walk

pytestmark = pytest.mark.usefixtures("no_configuration")


@pytest.fixture
def walk(new_chain, monkeypatch: pytest.MonkeyPatch, instance: DagsterInstance) -> Walk:  # type: ignore[no-untyped-def]
    walk = build_walk(new_chain, instance, random.Random(7))
    for name, value in walk.variables.items():
        monkeypatch.setenv(name, value)
    return walk


def look(walk: Walk) -> str:
    """Let the sensor of production look once."""
    sensor = build_verdict_sensor(MigrationResource(walk.chains["production"].project(walk.decisions)))
    a_minute_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    context = build_sensor_context(walk.instance, cursor=a_minute_ago.isoformat())
    return str(sensor.evaluate_tick(context).skip_message)


def test_a_run_that_is_equal_says_yes_and_names_both_databases(walk: Walk) -> None:
    assert walk.launch("production")
    told = walk.read_told("production")
    assert told.passed
    assert told.description.startswith("Yes. Equal")
    chain = walk.chains["production"]
    assert told.metadata["target"] == f"PostgreSQL {chain.target.settings.identity}"
    assert told.metadata["source"] == f"SQL Server {chain.source.settings.identity}"
    assert told.metadata["environment"] == "production"
    [run] = walk.instance.get_runs()
    assert run.tags[TARGET_TAG] == str(chain.target.settings.identity)
    assert run.tags[SOURCE_TAG] == str(chain.source.settings.identity)
    assert walk.read_told("rehearsal") == Told(None, "", {})


def test_a_table_that_fails_turns_the_verdict_red_and_stands_in_the_history(walk: Walk) -> None:
    assert walk.launch("rehearsal")
    walk.chains["rehearsal"].execute("ALTER TABLE articles ADD CONSTRAINT tiny CHECK (id + 0 < 2) NOT VALID")
    assert not walk.launch("rehearsal")
    told = walk.read_told("rehearsal")
    assert told.passed is False
    assert "tiny" in told.reasons[0]
    assert told.metadata["errors"] == 1
    assert "A cutover would have stopped here" in told.description
    report = walk.read_report("rehearsal")
    assert report["errors"] == 1
    assert str(report["verdict"]).startswith(("Failed", "Not equal"))
    assert [outcome for (outcome,) in walk.read_outcomes("rehearsal")] == ["equal", "failed"]


def test_a_run_that_preflight_refuses_is_on_record_and_red(walk: Walk) -> None:
    assert walk.launch("production")
    walk.chains["production"].execute("ALTER TABLE orders DROP COLUMN note")
    assert not walk.launch("production", reads_again=False)
    assert [outcome for (outcome,) in walk.read_outcomes("production")] == ["equal", "refused"]
    told = walk.read_told("production")
    assert told.passed is False
    assert "catalog.json" in told.reasons[0]


def test_what_reconcile_finds_turns_the_verdict_red(walk: Walk) -> None:
    assert walk.launch("production")
    walk.chains["production"].execute("DELETE FROM orders WHERE id = 1")
    assert not walk.launch("production", job="reconcile")
    told = walk.read_told("production")
    assert told.passed is False
    assert told.reasons[0].endswith("differs")


def test_the_verdict_alone_is_a_click_and_no_run_of_the_history(walk: Walk) -> None:
    assert walk.launch("production")
    walk.chains["production"].execute(
        "UPDATE blb_migration.check_results SET passed = false WHERE check_id = 1"
    )
    assert not walk.launch("production", checks=[build_verdict_key("production")])
    assert walk.read_told("production").passed is False
    assert walk.read_outcomes("production") == [("equal",)]


def test_a_killed_run_is_interrupted_whoever_finds_it_first(walk: Walk) -> None:
    assert walk.launch("production")
    chain = walk.chains["production"]
    job = build_defs(chain.project(walk.decisions)).resolve_job_def("migration")
    tags = {**job.run_tags, PROCESS_TAG: f"{platform.node()} 1 0.00"}
    begun, gone, by_command = (
        walk.instance.create_run_for_job(job, run_config=QUIET, tags=tags if is_gone else job.run_tags)
        for is_gone in (False, True, False)
    )
    migration = chain.migration(walk.decisions)
    for run in (begun, by_command):  # they have come as far as the ledger
        with chain.target.connect() as connection:
            ensure_run(connection, replace(migration, run=RunInfo(run.run_id, "migration")))
    walk.instance.report_run_failed(begun, "killed")
    started = DagsterEvent("PIPELINE_START", job.name, message="it starts")
    walk.instance.report_dagster_event(started, gone.run_id)
    assert end_dead_runs(walk.instance) == [gone.run_id]
    assert {begun.run_id, gone.run_id} <= {*re.findall(r"[0-9a-f-]{36}", look(walk))}
    end_killed_runs_if_free(chain.target)
    outcomes = chain.execute("SELECT run_id, outcome FROM blb_migration.runs ORDER BY started_at OFFSET 1")
    assert dict(outcomes) == dict.fromkeys((begun.run_id, gone.run_id, by_command.run_id), "interrupted")


def test_the_sensor_puts_the_end_of_a_run_that_never_began_on_record(walk: Walk) -> None:
    assert walk.launch("production")
    definitions = build_defs(walk.chains["production"].project(walk.decisions))
    job = definitions.resolve_job_def("migration")
    run = walk.instance.create_run_for_job(job, run_config=QUIET, tags=job.run_tags)
    walk.instance.report_run_failed(run, "killed")
    assert walk.instance.get_run_by_id(run.run_id).status is DagsterRunStatus.FAILURE  # type: ignore[union-attr]
    assert run.run_id in look(walk)
    assert walk.read_outcomes("production") == [("equal",), ("failed",)]
    told = walk.read_told("production")
    assert told.passed is False
    assert told.reasons[0] == LOST
    assert look(walk).startswith("as it was")


def test_the_sensor_sees_what_nobody_told_dagster(walk: Walk) -> None:
    assert look(walk).startswith("told anew: No")
    assert walk.launch("production")
    assert look(walk).startswith("as it was: Yes")
    walk.chains["production"].execute("DELETE FROM blb_migration.check_results")
    assert look(walk).startswith("told anew: No")
    assert walk.read_told("production").passed is False


@pytest.mark.parametrize(
    "selected",
    [("preflight",), ("target_prepared",), ("target_prepared", "constraints_restored"), ("orders",)],
    ids="+".join,
)
def test_a_few_steps_alone_leave_no_foreign_key_off(walk: Walk, selected: tuple[str, ...]) -> None:
    assert walk.launch("production")
    walk.launch("production", assets=[AssetKey(name) for name in selected])
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'public.orders'::regclass"
    assert walk.chains["production"].execute(keys) == [(1,)]
    walk.compare("production")


def test_a_table_that_failed_is_repaired_by_itself(walk: Walk) -> None:
    chain = walk.chains["production"]
    chain.execute("ALTER TABLE articles ADD CONSTRAINT tiny CHECK (id + 0 < 2)")
    assert not walk.launch("production")
    assert walk.read_told("production").passed is False
    chain.execute("ALTER TABLE articles DROP CONSTRAINT tiny")
    rest = [AssetKey(name) for name in ("articles", "constraints_restored", "reconciliation_report")]
    assert not walk.launch("production", assets=rest)
    key = AssetCheckKey(AssetKey("articles"), "integrity")
    record = walk.instance.get_latest_asset_check_evaluation_record(key)
    assert record is not None and record.event is not None
    assert "run target_prepared, which reads definitions anew" in str(record.event.dagster_event)
    assert walk.launch("production", assets=[AssetKey("target_prepared"), *rest])
    assert walk.read_told("production").passed is True


def build_migration(walk: Walk, target: Environment, kind: RunKind = "migration") -> Migration:
    """Return a run of the command whose target is the one of ``target``."""
    chain = walk.chains[target]
    run = RunInfo("of the command", kind, find_environment(chain.target.settings))
    return Migration(walk.projects[target], chain.source, chain.target, run)


def test_the_command_knows_whose_target_it_was_given(walk: Walk) -> None:
    for environment in ENVIRONMENTS:
        migration = build_migration(walk, environment)
        assert migration.run.environment == environment
        assert is_of_instance(walk.instance, migration)
        assert not is_of_instance(walk.instance, build_migration(walk, environment, "dry_run"))


def test_the_command_tells_no_history_of_another_target(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BLB_REHEARSAL_SOURCE_CONN", "BLB_REHEARSAL_TARGET_CONN"):
        monkeypatch.delenv(name)
    assert walk.launch("production")
    stranger = build_migration(walk, "rehearsal")
    assert stranger.run.environment == "production"  # nothing says otherwise
    assert not is_of_instance(walk.instance, stranger)
    monkeypatch.delenv("BLB_TARGET_CONN")
    assert not is_of_instance(walk.instance, stranger)  # the runs on record are of another target
    assert is_of_instance(walk.instance, build_migration(walk, "production"))


@pytest.mark.parametrize("tag", [CONNECTIONS_TAG, "blb/environment"])
def test_a_tag_reaches_no_other_target(walk: Walk, tag: str) -> None:
    assert not walk.launch("production", tags={tag: "rehearsal"})
    for environment in ("production", "rehearsal"):
        assert walk.fingerprint(environment)["rows"] == [0, 0, 0]


def test_a_run_refused_by_its_tags_leaves_the_verdict_as_it_was(walk: Walk) -> None:
    assert walk.launch("production")
    assert not walk.launch("production", tags={"blb/environment": "rehearsal"})
    assert walk.read_told("production").passed is True
    assert walk.read_outcomes("production") == [("equal",)]


def test_a_random_walk_writes_to_the_chosen_target_alone_and_tells_the_truth(walk: Walk) -> None:
    seed = int(os.environ.get("BLB_TEST_WALK_SEED", "20"))
    walk.random.seed(seed)
    for _ in range(int(os.environ.get("BLB_TEST_WALK_LAUNCHES", "10"))):
        walk.step()
