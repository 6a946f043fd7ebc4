"""A job run in this process with its own executor, which Dagster promises only for its own in-process one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dagster import AssetKey, DagsterEvent, DagsterInstance, JobDefinition
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.events import RunFailureReason
from dagster._core.execution.api import execute_run

from blb_migration.defs.internals.requirements import require

_INTERRUPTED = RunFailureReason.UNEXPECTED_TERMINATION

require(InMemoryJob, 1)
require(execute_run, 3)
require(JobDefinition.get_subset, 1, "asset_selection")
require(DagsterInstance.create_run_for_job, 2, "run_id", "run_config", "tags", "asset_selection")
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
    run = instance.create_run_for_job(
        job.get_subset(asset_selection=selection),
        run_id=run_id,
        run_config=run_config,
        tags={**job.run_tags, **tags},
        asset_selection=selection,
    )
    result = execute_run(InMemoryJob(job), run, instance)
    endings = [event.job_failure_data for event in result.all_events if event.is_job_failure]
    is_interrupted = any(ending is not None and ending.failure_reason == _INTERRUPTED for ending in endings)
    return result.success, is_interrupted
