"""A run whose process was killed is found and ended, and whoever waited for it gets on."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, DagsterRunStatus, build_sensor_context, instance_for_test

from blb_migration.defs.dead_runs import (
    PROCESS_TAG,
    RUN_TAG,
    build_dead_runs_sensor,
    build_process_tags,
    end_dead_runs,
)
from blb_migration.documents import INSTANCE_FILE, read_document
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.test_runs import build_rehearsal
from blb_migration_tests.defs.test_termination import wait_for

ELSEWHERE = {PROCESS_TAG: "some-other-host 1 1.00"}
MY_TAG = build_process_tags("a run")[PROCESS_TAG]
REUSED = {PROCESS_TAG: f"{platform.node()} {os.getpid()} 1.00"}  # a process that began long before this one
STARTS_WITHIN_SECONDS = 120


@pytest.fixture
def stored() -> Iterator[DagsterInstance]:
    with instance_for_test() as instance:
        yield instance


def start(instance: DagsterInstance, tags: Mapping[str, str]) -> str:
    """Return a run on record as started by the process that ``tags`` name."""
    run = instance.create_run_for_job(build_rehearsal(), tags=tags, status=DagsterRunStatus.STARTED)
    return run.run_id


def test_a_run_whose_process_is_there_or_elsewhere_is_left_alone(stored: DagsterInstance) -> None:
    for tags in ({PROCESS_TAG: MY_TAG}, ELSEWHERE, {}):
        start(stored, tags)
    assert end_dead_runs(stored) == []
    assert {run.status.value for run in stored.get_runs()} == {"STARTED"}


def test_a_run_whose_process_number_is_anothers_now_is_ended(stored: DagsterInstance) -> None:
    dead = start(stored, REUSED)
    assert end_dead_runs(stored) == [dead]
    [run] = stored.get_runs()
    assert run.status.value == "FAILURE"
    assert any("The process of this run is gone" in entry.message for entry in stored.all_logs(dead))


def test_a_run_that_was_just_executed_again_does_not_die_of_its_parents_tags(stored: DagsterInstance) -> None:
    start(stored, {**REUSED, RUN_TAG: "the run before"})
    assert end_dead_runs(stored) == []


def test_the_sensor_ends_it_while_dagsters_daemon_runs(stored: DagsterInstance) -> None:
    dead = start(stored, REUSED)
    ticked = build_dead_runs_sensor().evaluate_tick(build_sensor_context(stored))
    assert ticked.skip_message == f"ended {dead}"
    assert stored.get_runs()[0].status.value == "FAILURE"


@pytest.mark.skipif(os.name == "nt", reason="kills as only POSIX can")
@pytest.mark.parametrize("executor", ["threads", "multiprocess"])
def test_a_worker_that_was_killed_is_found_by_the_next_command(
    erp_chain: Chain,
    emulator: SqlServerEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    executor: str,
) -> None:
    (tmp_path / INSTANCE_FILE).write_text(read_document(INSTANCE_FILE), encoding="utf-8")
    environment = {
        "DAGSTER_HOME": str(tmp_path),
        "BLB_SOURCE_CONN": erp_chain.source_url,
        "BLB_TARGET_CONN": erp_chain.target_url,
        "BLB_EXECUTOR": executor,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    emulator.faults.add(Fault("COUNT_BIG", batch_delay_seconds=600))
    command = [sys.executable, "-m", "dagster", "job", "execute"]
    command += ["--module-name", "blb_migration.definitions", "--job", "migration"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            with DagsterInstance.get() as instance:
                wait_for(
                    lambda: any(PROCESS_TAG in run.tags for run in instance.get_runs()), STARTS_WITHIN_SECONDS
                )
                assert end_dead_runs(instance) == []
                children = psutil.Process(worker.pid).children(recursive=True)
                for process in [psutil.Process(worker.pid), *children]:
                    process.send_signal(signal.SIGKILL)
                worker.wait()
                [run] = instance.get_runs()
                assert run.status.value == "STARTED"
                assert end_dead_runs(instance) == [run.run_id]
                assert instance.get_runs()[0].status.value == "FAILURE"
        finally:
            emulator.faults.clear()
            worker.kill()
