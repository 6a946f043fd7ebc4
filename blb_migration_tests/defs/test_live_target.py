"""A target that is live: whoever asks, from wherever, loads nothing; once the mark is withdrawn, all may."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    ExecuteInProcessResult,
    JobDefinition,
    ReexecutionOptions,
    build_schedule_context,
    execute_job,
    reconstructable,
)

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.verdict_events import read_verdict
from blb_migration.errors import ExitCode
from blb_migration.plan.project import load_project
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.live_mark import mark_live, withdraw_live_mark
from blb_migration.settings import parse_target_url
from blb_migration_tests.cli.conftest import servers, shop
from blb_migration_tests.cli.servers import Shop
from blb_migration_tests.defs.run_config import QUIET

__all__ = ["servers", "shop"]
LOADS = "SELECT count(*) FROM blb_migration.table_loads WHERE status = 'finished'"
Way = Callable[[], tuple[bool, str]]


def build_job() -> JobDefinition:
    """Build what the UI launches: reconstructed by whoever executes a run again."""
    return build_defs(load_project(Path(os.environ["BLB_PROJECT"]))).resolve_job_def("migration")


@pytest.fixture
def target(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> TargetConnector:
    monkeypatch.setenv("BLB_SOURCE_CONN", shop.source_url)
    monkeypatch.setenv("BLB_TARGET_CONN", shop.target_url)
    monkeypatch.setenv("BLB_PROJECT", str(shop.folder))
    return TargetConnector(parse_target_url(shop.target_url))


def read_failures(result: ExecuteInProcessResult) -> str:
    return "".join(
        event.step_failure_data.user_failure_data.description or ""
        for event in result.get_step_failure_events()
        if event.step_failure_data.user_failure_data
    )


def list_ways(shop: Shop, instance: DagsterInstance, parent_run_id: str) -> dict[str, Way]:
    """List everything by which somebody may try to write to the target, by name."""
    other = shop.folder / "another_machine"
    if not other.exists():
        other.mkdir()
        for name in ("decisions.yaml", "catalog.json"):
            shutil.copy(shop.folder / name, other)

    def command(
        *arguments: str, project: Path | None = shop.folder, urls: list[str] | None = None
    ) -> tuple[bool, str]:
        places = [] if project is None else ["--project", str(project)]
        answer = shop.run(*arguments, *places, urls=urls)
        assert answer.code in (0, ExitCode.PREFLIGHT_REFUSED), answer
        return answer.code == 0, answer.out + answer.err

    def launch(labels: list[str] | None = None) -> tuple[bool, str]:
        selection = None if labels is None else [AssetKey([label]) for label in labels]
        result = build_job().execute_in_process(
            run_config=QUIET, instance=instance, asset_selection=selection, raise_on_error=False
        )
        return result.success, read_failures(result)

    def launch_elsewhere() -> tuple[bool, str]:
        """Launch in a Dagster that has seen no run, on a copy of the folder."""
        with DagsterInstance.ephemeral() as fresh:
            result = (
                build_defs(load_project(other))
                .resolve_job_def("migration")
                .execute_in_process(run_config=QUIET, instance=fresh, raise_on_error=False)
            )
            return result.success, read_failures(result)

    def execute_again() -> tuple[bool, str]:
        options = ReexecutionOptions(parent_run_id, step_selection=["customers"])
        with execute_job(
            reconstructable(build_job), instance, run_config=QUIET, reexecution_options=options
        ) as result:
            said = [
                event.step_failure_data.user_failure_data.description or ""
                for event in result.all_node_events
                if event.is_step_failure and event.step_failure_data.user_failure_data
            ]
            return result.success, "".join(said)

    return {
        "the command": command,
        "a dry run": lambda: command("--dry-run"),
        "preflight": lambda: command("preflight"),
        "the schema": lambda: command("schema", "--apply"),
        "keys restored": lambda: command(
            "restore-keys", project=None, urls=["--target-conn", shop.target_url]
        ),
        "another machine's help": lambda: command("work"),
        "another machine's folder": lambda: command(project=other),
        "another machine's Dagster": launch_elsewhere,
        "preparing alone in the UI": lambda: launch(["target_prepared"]),
        "keys alone in the UI": lambda: launch(["constraints_restored"]),
        "a launch in the UI": launch,
        "one table in the UI": lambda: launch(["customers"]),
        "a step executed again": execute_again,
    }


def test_nobody_loads_a_live_target_and_everybody_may_again_after_a_rollback(
    shop: Shop, target: TargetConnector, kept_instance: DagsterInstance
) -> None:
    first = build_job().execute_in_process(run_config=QUIET, instance=kept_instance)
    assert first.success
    with target.connect() as connection:
        [(run_id,)] = connection.execute("SELECT run_id FROM blb_migration.runs LIMIT 1").fetchall()
        mark_live(connection, run_id=run_id, night_id="n", operator="ana", host="erp-01", tool_version="1")
    loads, database = shop.target(LOADS), shop.target("SELECT current_database()")[0][0]
    ways = list_ways(shop, kept_instance, first.run_id)
    for name, way in ways.items():
        went, said = way()
        assert not went and f"database {database} was cut over and is live since" in said, (name, said)
        assert "by ana on erp-01" in said and "blb-migrate rollback" in " ".join(said.split()), (name, said)
        assert shop.target(LOADS) == loads, name
    checked = shop.run("reconcile")  # reads, and so may go on
    assert checked.code == 0 and "is live" not in checked.err, checked
    assert shop.target(LOADS) == loads
    verdict = read_verdict(target, {})
    assert verdict.passed and verdict.description.startswith(
        f"Done: database {database} was cut over and is live"
    )
    assert "by ana on erp-01. There is no further cutover" in verdict.description
    report = shop.run("report", "--output", str(shop.report_path))
    assert "may go ahead" not in report.out + shop.report_path.read_text(encoding="utf-8")
    assert "there is no further cutover" in shop.report["next_act"]

    with target.connect() as connection:
        assert withdraw_live_mark(connection)
    for name, way in ways.items():
        went, said = way()
        assert went or "tables exist already" in said, (name, said)  # a schema is made once
    assert shop.migrate().code == 0
    assert read_verdict(target, {}).description.startswith("Yes.")


def test_the_nightly_schedule_s_job_does_not_load_a_live_target(
    shop: Shop, target: TargetConnector, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rehearsal that is configured onto the live target by mistake."""
    assert shop.migrate().code == 0
    with target.connect() as connection:
        [(run_id,)] = connection.execute("SELECT run_id FROM blb_migration.runs LIMIT 1").fetchall()
        mark_live(connection, run_id=run_id, night_id="n", operator="ana", host="erp-01", tool_version="1")
    monkeypatch.setenv("BLB_REHEARSAL_SOURCE_CONN", shop.source_url)
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", shop.target_url)
    monkeypatch.delenv("BLB_SOURCE_CONN")
    monkeypatch.delenv("BLB_TARGET_CONN")
    loads = shop.target(LOADS)
    result = tick(shop, instance)
    said = read_failures(result)
    assert not result.success and "its ledger says that it serves production" in said, said
    assert shop.target(LOADS) == loads


def test_a_schedule_s_tick_does_not_load_a_live_target_and_may_again_after_a_rollback(
    shop: Shop, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nightly rehearsal's own target has gone live."""
    monkeypatch.setenv("BLB_REHEARSAL_SOURCE_CONN", shop.source_url)
    monkeypatch.setenv("BLB_REHEARSAL_TARGET_CONN", shop.target_url)
    assert tick(shop, instance).success
    connector = TargetConnector(parse_target_url(shop.target_url))
    with connector.connect() as connection:
        [(run_id,)] = connection.execute("SELECT run_id FROM blb_migration.runs LIMIT 1").fetchall()
        mark_live(connection, run_id=run_id, night_id="n", operator="ana", host="erp-01", tool_version="1")
    loads = shop.target(LOADS)
    refused = tick(shop, instance)
    said = read_failures(refused)
    assert not refused.success and "is live since" in said and "by ana on erp-01" in said, said
    assert shop.target(LOADS) == loads
    with connector.connect() as connection:
        assert withdraw_live_mark(connection)
    again = tick(shop, instance)
    assert again.success, read_failures(again)
    assert shop.target(LOADS) > loads


def tick(shop: Shop, instance: DagsterInstance) -> ExecuteInProcessResult:
    """Do what the daemon does at two in the morning: ask the schedule, and carry out what it requests."""
    defs = build_defs(load_project(shop.folder), environment="rehearsal")
    schedule = defs.resolve_schedule_def("nightly_rehearsal")
    requests = schedule.evaluate_tick(build_schedule_context(instance)).run_requests
    assert requests is not None and len(requests) == 1
    return defs.resolve_job_def(schedule.job_name).execute_in_process(
        run_config=QUIET, instance=instance, tags=requests[0].tags, raise_on_error=False
    )
