"""Steps side by side in threads: as many as allowed, in order, stopped and retried as Dagster's own are."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from dagster import DagsterInstance, JobDefinition, execute_job, instance_for_test, reconstructable
from dagster._core.execution.plan.active import ActiveExecution

from blb_migration.cancellation import POLL_SECONDS
from blb_migration.defs import step_failures
from blb_migration.defs.assemble import build_defs
from blb_migration.defs.executor import THREADS, ExecutorChoice
from blb_migration.defs.in_process import run_in_process
from blb_migration.defs.observer import RunObserver
from blb_migration.defs.resource import MigrationResource
from blb_migration.errors import SourceUnreachable, TableFailed
from blb_migration.load.table import TableLoad
from blb_migration.migration import Migration, ProgressListener, TableProgress
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan
from blb_migration_tests.catalogs import table
from blb_migration_tests.defs.run_config import QUIET
from blb_migration_tests.defs.stages import Stages, build_project, build_shop, connect_to_nothing
from blb_migration_tests.defs.test_runs import build_migration

AT_ONCE = 3
TIMEOUT_SECONDS = 60


def build_wide() -> Project:
    """Seven tables that do not know each other."""
    return build_project(*(table(f"table_{number}", "id int not null") for number in range(7)))


def build_job(project: Project) -> JobDefinition:
    resource = MigrationResource(project, connect_to_nothing)
    choice = ExecutorChoice(THREADS, AT_ONCE, "the test wants it")
    return build_defs(project, resource=resource, executor=choice).resolve_job_def("migration")


def build_wide_job() -> JobDefinition:
    return build_job(build_wide())


def build_shop_job() -> JobDefinition:
    return build_job(build_shop())


def execute(build: Callable[[], JobDefinition], instance: DagsterInstance) -> tuple[bool, list[str | None]]:
    """Whether it succeeded, and the steps that did."""
    with execute_job(reconstructable(build), instance, run_config=QUIET) as result:
        return result.success, [event.step_key for event in result.get_step_success_events()]


def test_independent_tables_run_side_by_side_but_not_more_than_allowed(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = threading.Barrier(AT_ONCE)
    lock = threading.Lock()
    counts: list[int] = [0]

    def load(migration: Migration, planned: TablePlan, on_progress: object = None) -> TableLoad:
        with lock:
            counts.append(counts[-1] + 1)
        if len(stages.loads) < AT_ONCE:
            met.wait(TIMEOUT_SECONDS)  # nobody gets on alone
        loaded = stages.load_table(migration, planned)
        with lock:
            counts.append(counts[-1] - 1)
        return loaded

    monkeypatch.setattr("blb_migration.load.table.load_table", load)
    with instance_for_test() as instance:
        is_success, steps = execute(build_wide_job, instance)
        [run] = instance.get_runs()
        log = [entry.message for entry in instance.all_logs(run.run_id)]
    assert is_success
    assert any(f"up to {AT_ONCE} at once: the test wants it" in message for message in log)
    assert max(counts) == AT_ONCE
    assert sorted(stages.loads) == [f"table_{number}" for number in range(7)]
    assert sorted(steps, key=str) == sorted(build_wide_job().graph.node_names())


def test_steps_that_wait_are_not_gone_through_while_others_only_run(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look, load = ActiveExecution.get_steps_to_execute, stages.load_table

    def count(active: ActiveExecution, *arguments: Any) -> Any:
        looks.append(0)
        return look(active, *arguments)

    def load_slowly(migration: Migration, planned: TablePlan, on_progress: object = None) -> TableLoad:
        time.sleep(20 * POLL_SECONDS)
        return load(migration, planned)

    monkeypatch.setattr(ActiveExecution, "get_steps_to_execute", count)
    monkeypatch.setattr("blb_migration.load.table.load_table", load_slowly)
    with instance_for_test() as instance:
        is_success, steps = execute(build_wide_job, instance)
    assert is_success
    assert len(looks) < 2 * len(steps)


def test_a_table_that_fails_stops_its_descendants_alone(stages: Stages) -> None:
    stages.load_errors = {"orders": [TableFailed("table orders", found="row 7 cannot be read")]}
    with instance_for_test() as instance:
        is_success, steps = execute(build_shop_job, instance)
    assert not is_success
    assert sorted(stages.loads) == ["articles", "customers", "orders"]
    assert {"articles__checks", "customers__checks"} < set(steps)
    assert not {"lines", "lines__checks", "constraints_restored"} & set(steps)


def test_a_transient_error_is_tried_again_in_its_own_time(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_failures, "FIRST_RETRY_SECONDS", 0.5)
    unreachable = SourceUnreachable("mssql://h/db", found="refused")
    stages.load_errors = {"customers": [unreachable, unreachable]}
    with instance_for_test() as instance:
        is_success, _ = execute(build_shop_job, instance)
    assert is_success
    assert stages.loads.count("customers") == 3
    assert stages.loads[-2:] == ["orders", "lines"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send this process a signal of its own")
def test_an_interrupt_stops_every_running_step_and_is_not_tried_again(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, action=lambda: os.kill(os.getpid(), signal.SIGINT))

    def load(_migration: Migration, planned: TablePlan, on_progress: ProgressListener) -> TableLoad:
        stages.loads.append(planned.label)
        both.wait(TIMEOUT_SECONDS)
        while True:
            time.sleep(0.01)
            on_progress(TableProgress(planned.label, 3, 3, 100, 0.5))  # a batch

    monkeypatch.setenv("BLB_EXECUTOR", THREADS)
    monkeypatch.setenv("BLB_MAX_CONCURRENT", "2")
    monkeypatch.setattr("blb_migration.load.table.load_table", load)
    heard = Heard()
    outcome = run_in_process(build_migration("migration"), heard)
    assert outcome.is_interrupted
    assert not outcome.is_success
    assert sorted(stages.loads) == ["articles", "customers"]
    assert sorted(heard.interrupted) == ["articles", "customers"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("blb-step")]


class Heard(RunObserver):
    def __init__(self) -> None:
        self.interrupted: list[str] = []

    def step_interrupted(self, step: str) -> None:
        self.interrupted.append(step)
