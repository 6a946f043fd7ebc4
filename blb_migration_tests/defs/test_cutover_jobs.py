"""The night's jobs: they only ask unless a launch says otherwise and types the target's name in."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import DagsterInstance, JobDefinition, build_schedule_context

from blb_migration.cutover.night_models import STEP_NAMES
from blb_migration.cutover.steps import STEPS
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.cutover_jobs import build_cutover_job, build_rollback_job, build_watch_schedule
from blb_migration.plan.project import load_project
from blb_migration_tests.cli.conftest import servers, shop
from blb_migration_tests.cli.servers import Shop
from blb_migration_tests.cutover.conftest import town
from blb_migration_tests.cutover.town import Town, prepare_night

__all__ = ["servers", "shop", "town"]


@pytest.fixture
def night(town: Town, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setenv("BLB_SOURCE_CONN", town.shop.source_url)
    monkeypatch.setenv("BLB_TARGET_CONN", town.shop.target_url)
    town.write()
    yield town


def launch(job: JobDefinition, instance: DagsterInstance, *steps: str, **choice: object) -> Any:
    config = {"resources": {"choice": {"config": choice}}}
    return job.execute_in_process(
        config, instance=instance, raise_on_error=False, op_selection=[*steps] or None
    )


def read_failures(result: Any) -> dict[str, str]:
    return {
        event.node_name: event.step_failure_data.user_failure_data.description
        for event in result.all_node_events
        if event.is_step_failure
    }


def test_a_launch_that_only_asks_hears_every_step_and_changes_nothing(
    night: Town, instance: DagsterInstance
) -> None:
    night.start()
    job = build_cutover_job(load_project(night.shop.folder))
    result = launch(job, instance)
    failures = read_failures(result)
    assert list(failures) == ["sum_up"] and "In the way: ready" in failures["sum_up"]  # never rehearsed
    asked = [event.node_name for event in result.all_node_events if event.is_step_success]
    assert asked[0] == "ready" and asked[-1] == "live" and len(asked) == 10
    assert night.who() == "sqlserver" and not (night.shop.folder / "records").exists()


def test_to_do_it_the_name_of_the_target_is_typed_in(night: Town, instance: DagsterInstance) -> None:
    night.start()
    project = load_project(night.shop.folder)
    name = night.shop.target_url.split("/")[-1].split("?")[0]
    job = build_cutover_job(project)
    for wrong in ("", "another"):
        failures = read_failures(launch(job, instance, "ready", "freeze", execute=True, target=wrong))
        assert list(failures) == ["ready"] and f"the target database is {name}" in failures["ready"]
    assert night.who() == "sqlserver"

    night.settings["ready"] = {"skip": "tested elsewhere"}
    night.write()
    done = launch(job, instance, "ready", "freeze", execute=True, target=name)
    assert done.success and night.who() is None

    # The command goes by the same journal, and Dagster takes back what it finds there.
    assert "already" in night.run("cutover", "--only", "freeze", "--execute").out
    rollback = build_rollback_job(project)
    asked = launch(rollback, instance)
    assert asked.success and night.who() is None
    wrong = launch(rollback, instance, execute=True, target="another")
    assert list(read_failures(wrong)) == ["undo_watch"] and night.who() is None
    back = launch(rollback, instance, execute=True, target=name)
    assert back.success and night.who() == "sqlserver"
    taken = [event.node_name for event in back.all_node_events if event.is_step_success]
    assert taken == [f"undo_{step}" for step in reversed(STEP_NAMES)]
    lines = [json.loads(text) for text in (night_records(night) / "journal.jsonl").read_text().splitlines()]
    assert lines[-1]["event"] == "ended"


def night_records(night: Town) -> Any:
    return night.shop.folder.__class__(night.settings["records"])


def test_the_watch_has_nothing_to_do_before_a_night_is_live(night: Town, instance: DagsterInstance) -> None:
    schedule = build_watch_schedule(load_project(night.shop.folder))
    assert schedule.cron_schedule == "* * * * *" and schedule.default_status.value == "STOPPED"
    requests = schedule.evaluate_tick(build_schedule_context(instance)).run_requests
    assert requests is not None and len(requests) == 1
    job = schedule.job
    assert isinstance(job, JobDefinition) and job.execute_in_process(instance=instance).success


def test_a_live_night_is_watched_and_taken_back_from_dagster(
    night: Town, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = night.shop
    monkeypatch.setenv("SHOP_TARGET", shop.target_url)
    prepare_night(night)
    assert shop.migrate().code == 0
    night.start()
    assert night.run("cutover", "--execute").code == 0
    assert night.who() == "postgresql"
    project = load_project(shop.folder)
    watching = build_watch_schedule(project).job
    assert isinstance(watching, JobDefinition) and watching.execute_in_process(instance=instance).success
    looks = shop.target("SELECT count(*) FROM blb_migration.watch_rows")[0][0]
    (night.production / "broken").write_text("")  # its health answers 500
    failed = watching.execute_in_process(instance=instance, raise_on_error=False)
    assert "answers 500" in read_failures(failed)["look"]
    assert shop.target("SELECT count(*) FROM blb_migration.watch_rows") == [(looks + 1,)]

    shop.target("INSERT INTO articles VALUES (3, 'written while live')")
    rollback, name = build_rollback_job(project), shop.target_url.split("/")[-1].split("?")[0]
    asked = launch(rollback, instance)
    assert asked.success and night.who() == "postgresql"
    back = launch(rollback, instance, execute=True, target=name)
    assert back.success, read_failures(back)
    assert night.who() == "sqlserver" and night.new.is_dir()
    (saved,) = night_records(night).rglob("public.articles.inserted.csv")
    assert "3,written while live" in saved.read_text(encoding="utf-8")
    assert "live" not in shop.run("preflight").out
    page = night_records(night) / "watch.html"
    assert "<b>Taken back</b>" in page.read_text(encoding="utf-8")
    page.write_text("as an earlier look has left it, where the night was taken back from another machine")
    assert watching.execute_in_process(instance=instance).success  # nothing is live any more
    assert "The night was taken back at 2" in page.read_text(encoding="utf-8")
    assert shop.target("SELECT count(*) FROM blb_migration.watch_rows") == [(looks + 1,)]


def test_the_file_has_the_steps_in_their_order() -> None:
    assert [step.name for step in STEPS] == [*STEP_NAMES]


def test_each_step_says_in_the_graph_what_it_is_about(night: Town) -> None:
    project = load_project(night.shop.folder)
    for job in (build_cutover_job(project), build_rollback_job(project)):
        assert all(definition.description for definition in job.graph.node_defs)
    (freeze,) = [node for node in build_cutover_job(project).graph.node_defs if node.name == "freeze"]
    assert freeze.description == "Services are stopped, no session is left on SQL Server."


def test_a_project_without_cutover_yaml_has_no_such_jobs(shop: Shop) -> None:
    project = load_project(shop.folder)
    assert {job.name for job in build_defs(project).jobs or ()} == {"migration", "reconcile"}
    (shop.folder / "cutover.yaml").write_text("records: here\n", encoding="utf-8")
    names = {job.name for job in build_defs(project).jobs or ()}
    assert names == {"migration", "reconcile", "cutover", "rollback"}
    rehearsal = build_defs(project, environment="rehearsal")
    assert {job.name for job in rehearsal.jobs or ()} == {"rehearsal", "reconcile_rehearsal"}


def test_a_step_is_not_taken_back_before_those_after_it(night: Town) -> None:
    night.start()
    night.settings["ready"] = {"skip": "tested elsewhere"}
    night.settings["backup"] = {"command": [sys.executable, "-c", "print('done')"], "wait_seconds": "0"}
    assert night.run("cutover", "--only", "freeze", "--execute").code == 0
    assert night.run("cutover", "--only", "backup", "--execute").code == 1  # begun, and failed
    early = night.run("rollback", "--only", "freeze", "--execute")
    assert early.code == 3 and "the step after it, backup, is not taken back" in early.err
    assert night.who() is None
    first = night.run("rollback", "--only", "backup", "--execute")
    assert first.code == 0 and "The rest: 'blb-migrate rollback --execute'" in first.out
    last = night.run("rollback", "--only", "freeze", "--execute")
    assert last.code == 0 and "The night is taken back" in last.out, last.err
    assert night.who() == "sqlserver"
    assert "there is nothing to take back" in night.run("rollback", "--only", "freeze", "--execute").out
