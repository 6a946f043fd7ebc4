"""Runs whose process is gone: killed, out of memory, or on a machine that was started anew.

Dagster's own launcher cannot tell: such a run would count as running for ever, and every later one would wait
for it. So a run's tag names the process that carries it out, by host, number and start. The next command with
the same DAGSTER_HOME and the sensor ``dead_runs`` look whether it is still there, and end the run otherwise.
A run of another host is left alone: nobody here can know.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
from collections.abc import Mapping

import psutil
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRecord,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
)

from blb_migration.defs.optional_internals import find_internal
from blb_migration.processes import is_running

PROCESS_TAG = "blb/process"
GONE_TAG = "blb/process_is_gone"  # names the run that was ended here, and so was interrupted
RUN_TAG = "blb/process_of"  # a run that is executed again begins with the tags of the one before
LOOK_EVERY_SECONDS = 10  # the verdict and the alerts, which look as often, wait for what is found here
_RUNNING = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def build_process_tags(run_id: str, *, is_one_process: bool = True) -> Mapping[str, str]:
    """Build the tags of a run of this process, or of the process that has started this one for one step."""
    parent = None if is_one_process else multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid is not None else os.getpid()
    process = f"{platform.node()} {pid} {psutil.Process(pid).create_time():.2f}"
    return {PROCESS_TAG: process, RUN_TAG: run_id}


def end_dead_runs(instance: DagsterInstance) -> list[str]:
    """End the runs whose process is gone, with that reason; returns their ids."""
    dead = [record for record in instance.get_run_records(RunsFilter(statuses=_RUNNING)) if _is_dead(record)]
    end_run = find_internal("run_states", "end_run") if dead else None
    tag_run = find_internal("run_states", "tag_run") if dead else None
    if end_run is None or tag_run is None:
        return []
    for record in dead:
        run_id = record.dagster_run.run_id
        tag_run(instance, run_id, {GONE_TAG: run_id})  # first, since sensors look at what has ended
        end_run(
            instance,
            record.dagster_run,
            "The process of this run is gone: it was killed, ran out of memory, or its machine was started "
            "anew. What it had finished stays; run again to go on.",
        )
    return [record.dagster_run.run_id for record in dead]


def was_interrupted(run: DagsterRun) -> bool:
    """Whether somebody stopped the run, or its process was gone before it ended."""
    return run.status is DagsterRunStatus.CANCELED or was_found_dead(run)


def was_found_dead(run: DagsterRun) -> bool:
    """Whether ``end_dead_runs`` has ended the run; one that is executed again has the tags of the first."""
    return run.tags.get(GONE_TAG) == run.run_id


def build_dead_runs_sensor() -> SensorDefinition:
    """Build the sensor that looks for dead runs while Dagster's daemon runs, so that its queue goes on."""

    def look(context: SensorEvaluationContext) -> SkipReason:
        ended = end_dead_runs(context.instance)
        return SkipReason(f"ended {', '.join(ended)}" if ended else "every run's process is there")

    return SensorDefinition(
        name="dead_runs",
        evaluation_fn=look,
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Ends runs whose process is gone (killed, out of memory, a reboot): others get on, and"
        " the verdict and the alerts tell of them.",
    )


def _is_dead(record: RunRecord) -> bool:
    run = record.dagster_run
    tag = run.tags.get(PROCESS_TAG) if run.tags.get(RUN_TAG, run.run_id) == run.run_id else None
    if tag is None:  # it died before its first step, if it did
        return record.start_time is not None and record.start_time < psutil.boot_time()
    host, pid, created_at = tag.rsplit(" ", 2)
    if host != platform.node():
        return False
    try:
        process = psutil.Process(int(pid))
        is_same = abs(process.create_time() - float(created_at)) < 1
        return not is_same or not is_running(process)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
