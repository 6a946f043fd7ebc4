"""Changing what Dagster has on record about a run: its end, and its tags."""

from __future__ import annotations

from collections.abc import Mapping

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from blb_migration.defs.internals.requirements import require

require(DagsterInstance.report_run_failed, 3)
require(DagsterInstance.report_run_canceled, 3)
require(DagsterInstance.add_run_tags, 3)


def end_run(instance: DagsterInstance, run: DagsterRun, reason: str) -> None:
    """Record that ``run`` is over: canceled if somebody had asked for that, else failed."""
    if run.status is DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, reason)
    else:
        instance.report_run_failed(run, reason)


def tag_run(instance: DagsterInstance, run_id: str, tags: Mapping[str, str]) -> None:
    """Add ``tags`` to the run's."""
    instance.add_run_tags(run_id, tags)
