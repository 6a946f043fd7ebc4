"""A job run in this process with its own executor, which Dagster promises only for its own in-process one.

Where nothing of the instance stays, the run is recorded without the job, its plan and what is planned, which
are for the UI: of many small tables that is a fifth of what Dagster adds to each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dagster import AssetKey, DagsterEvent, DagsterInstance, DagsterRun, JobDefinition
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.events import RunFailureReason
from dagster._core.execution.api import execute_run

from blb_migration.defs.internals.requirements import require

_INTERRUPTED = RunFailureReason.UNEXPECTED_TERMINATION

require(InMemoryJob, 1)
require(execute_run, 3)
require(JobDefinition.get_subset, 1, "asset_selection")
require(DagsterInstance.create_run_for_job, 2, "run_id", "run_config", "tags", "asset_selection")
_UNSAID: dict[str, Any] = dict.fromkeys(
    (
        *("status", "root_run_id", "parent_run_id", "execution_plan_snapshot", "job_snapshot"),
        *("parent_job_snapshot", "asset_check_selection", "resolved_op_selection"),
        *("op_selection", "remote_job_origin", "job_code_origin"),
    )
)
_OWN = ("job_name", "run_id", "run_config", "tags", "asset_selection", "step_keys_to_execute", "asset_graph")
require(DagsterInstance.create_run, 1, *_OWN, *_UNSAID)
_ = (DagsterEvent.is_job_failure, DagsterEvent.job_failure_data)


def run_job(
    job: JobDefinition,
    instance: DagsterInstance,
    *,
    run_id: str,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str],
    asset_selection: Collection[AssetKey] | None,
) -> tuple[bool, bool]:
    """Run ``job``, as ``execute_in_process`` does it; returns whether it succeeded, and was interrupted."""
    selection = None if asset_selection is None else frozenset(asset_selection)
    what = {"run_id": run_id, "run_config": run_config, "tags": {**job.run_tags, **tags}}
    run = _record_run(job.get_subset(asset_selection=selection), instance, selection, what)
    result = execute_run(InMemoryJob(job), run, instance)
    endings = [event.job_failure_data for event in result.all_events if event.is_job_failure]
    is_interrupted = any(ending is not None and ending.failure_reason == _INTERRUPTED for ending in endings)
    return result.success, is_interrupted


def _record_run(
    job: JobDefinition,
    instance: DagsterInstance,
    selection: frozenset[AssetKey] | None,
    what: Mapping[str, Any],
) -> DagsterRun:
    if not instance.is_ephemeral:
        return instance.create_run_for_job(job, asset_selection=selection, **what)
    return instance.create_run(
        job_name=job.name,
        asset_selection=selection,
        step_keys_to_execute=[node.name for node in job.nodes],
        asset_graph=job.asset_layer.asset_graph,
        **what,
        **_UNSAID,
    )
