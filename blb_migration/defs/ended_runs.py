"""Which of Dagster's runs are of an environment, which of them are on their way, and why one failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from blb_migration.defs.jobs import name_reconcile_job, name_whole_job
from blb_migration.defs.run_tags import ENVIRONMENT_TAG
from blb_migration.settings.environments import REHEARSAL, Environment

RUNS_PER_LOOK = 25
OVER = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
# A check that differs and a run that was asked to end are failures to Dagster, told as what they are.
_NO_FAULTS = ("DagsterAssetCheckFailedError", "DagsterExecutionInterruptedError")
_ON_ITS_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def is_of(run: DagsterRun, environment: Environment) -> bool:
    """Whether the run is of this environment; one that died early has no tag yet."""
    tag = run.tags.get(ENVIRONMENT_TAG)
    if tag is not None:
        return tag == environment
    if run.asset_selection or run.asset_check_selection:
        keys = [*(run.asset_selection or ()), *(key.asset_key for key in run.asset_check_selection or ())]
        is_rehearsal = any(key.path[0] == REHEARSAL for key in keys)
        return is_rehearsal == (environment == REHEARSAL)
    return run.job_name in (name_whole_job(environment), name_reconcile_job(environment))


def is_on_its_way(instance: DagsterInstance, environment: Environment) -> bool:
    """Whether a run of this environment is at work."""
    return any(is_of(run, environment) for run in instance.get_runs(RunsFilter(statuses=_ON_ITS_WAY)))


def read_over_since(instance: DagsterInstance, filters: RunsFilter) -> list[RunRecord]:
    """Read runs by ``filters``, those that changed first before others; at most ``RUNS_PER_LOOK``."""
    return [
        *instance.get_run_records(filters, limit=RUNS_PER_LOOK, order_by="update_timestamp", ascending=True)
    ]


def find_first_failure(instance: DagsterInstance, run_id: str) -> str | None:
    """Find what failed first in a run, by its events; what follows from it has no failure of its own."""
    for failure in _iterate_step_failures(instance, run_id):
        return failure.text
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.PIPELINE_FAILURE):
        if entry.dagster_event is not None and entry.dagster_event.message:
            return entry.dagster_event.message
    return None


def list_failures_around_steps(instance: DagsterInstance, run_id: str) -> list[tuple[str, RuntimeError]]:
    """List the steps that failed outside our own work, before it or after it, each with its error.

    Nobody but Dagster's events knows of them: its storage was not to be read, or its disk is full.
    """
    return [
        (failure.step_key, RuntimeError(failure.text))
        for failure in _iterate_step_failures(instance, run_id)
        if not failure.is_ours
    ]


@dataclass(frozen=True)
class _StepFailure:
    """``is_ours``: the step's own work failed, which has said so itself."""

    step_key: str
    text: str
    is_ours: bool


def _iterate_step_failures(instance: DagsterInstance, run_id: str) -> Iterator[_StepFailure]:
    """Go through the steps that failed, the first first, each in words."""
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        told, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
        if told is not None:
            yield _StepFailure(event.step_key, told.description or event.step_key, is_ours=True)
        elif error is not None and error.cls_name not in _NO_FAULTS:
            while error.cause is not None:
                error = error.cause
            text = f"Dagster could not carry out {event.step_key}: {error.message.strip()}"
            yield _StepFailure(event.step_key, text, is_ours=False)
