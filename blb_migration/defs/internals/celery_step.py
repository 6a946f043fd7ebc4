"""A step in a Celery worker: dagster-celery's own task within one that looks before it leaps.

What comes from the run is its id, the step, the plan's hash and the version; the project, the databases and
Dagster's instance are this machine's own, and what differs from the run's is refused by name. While the step
is at work a thread says so through Celery's results, and asks it to end when the run is over.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from celery.exceptions import Ignore
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._grpc.types import ExecuteStepArgs
from dagster._serdes import pack_value, unpack_value
from dagster_celery.tasks import create_task

from blb_migration import __version__
from blb_migration.defs.cancelling import find_cancellation
from blb_migration.defs.celery_watch import BEAT_SECONDS
from blb_migration.defs.internals.requirements import require
from blb_migration.errors import ConfigurationError
from blb_migration.masking import mask_secrets

TASK_NAME = "blb_step"
EVENTS, REFUSAL, BEAT, WORKER = "events", "refusal", "beat", "worker"

require(create_task, 1)
require(ReconstructableJob.from_dict, 1)
require(DagsterInstance.all_logs, 2, "of_type")
require(
    ExecuteStepArgs,
    0,
    "job_origin",
    "run_id",
    "step_keys_to_execute",
    "instance_ref",
    "retry_mode",
    "known_state",
)


def create_step_task(application: Any, plan_hash: str) -> Any:
    """Register the task with ``application``; ``plan_hash`` is of this machine's project."""
    execute_plan: Any = create_task(application)  # type: ignore[no-untyped-call]

    @application.task(bind=True, name=TASK_NAME, resultrepr_maxsize=60)  # type: ignore[untyped-decorator]
    def carry_out_step(self: Any, order: Mapping[str, Any]) -> Mapping[str, Any]:
        with DagsterInstance.get() as instance:
            try:
                run = _find_run(instance, order, plan_hash)
            except ConfigurationError as error:
                return {REFUSAL: _as_fields(error), WORKER: self.request.hostname}
            if _is_over(instance, run.run_id) or _was_begun_or_given_up(instance, order):
                raise Ignore
            with _heard_of(self, instance, order):
                arguments = _build_arguments(instance, order)
                execute_plan.push_request(hostname=self.request.hostname)
                try:
                    return {EVENTS: execute_plan.run(*arguments), WORKER: self.request.hostname}
                finally:
                    execute_plan.pop_request()

    return carry_out_step


def build_order(
    job: ReconstructableJob, run_id: str, step_key: str, known_state: Any, plan_hash: str
) -> dict[str, Any]:
    """Build what a worker is told of a step."""
    return {
        "run_id": run_id,
        "step_key": step_key,
        "attempts": known_state.get_retry_state().get_attempt_count(step_key),
        "known_state": pack_value(known_state),
        "job": job.to_dict(),
        "version": __version__,
        "plan_hash": plan_hash,
    }


def _build_arguments(instance: DagsterInstance, order: Mapping[str, Any]) -> tuple[Any, Any]:
    """Build what dagster-celery's own task takes; the instance is this machine's."""
    arguments = ExecuteStepArgs(
        job_origin=ReconstructableJob.from_dict(order["job"]).get_python_origin(),
        run_id=order["run_id"],
        step_keys_to_execute=[order["step_key"]],
        instance_ref=instance.get_ref(),
        retry_mode=RetryMode.DEFERRED,
        known_state=unpack_value(order["known_state"], as_type=KnownExecutionState),
    )
    return pack_value(arguments), order["job"]


def _find_run(instance: DagsterInstance, order: Mapping[str, Any], plan_hash: str) -> DagsterRun:
    """Find the run in this machine's Dagster instance. Raises ConfigurationError for whatever differs."""
    differs = {"version": __version__, "plan_hash": plan_hash}
    for what, here in differs.items():
        if order[what] != here:
            name = what.replace("_", " ")
            raise ConfigurationError(
                f"a worker's {name}",
                found=f"it is {here[:12]}, and the run's is {order[what][:12]}",
                expected=f"the same {name} wherever a run's steps are carried out",
                next_act="Give the worker the run's version of blb_migration and the run's project"
                " (BLB_PROJECT), start it anew, then execute the run again from its failure",
            )
    run = instance.get_run_by_id(order["run_id"])
    if run is None:
        raise ConfigurationError(
            "a worker's Dagster instance",
            found=f"it does not know run {order['run_id'][:8]}",
            expected="the run's own instance: one storage for Dagster and all workers",
            next_act="Use Dagster's storage on PostgreSQL (docs/deploy/dagster.yaml) on every machine, start"
            " the worker anew, then execute the run again from its failure",
        )
    return run


def _as_fields(error: ConfigurationError) -> dict[str, Any]:
    return {
        "subject": error.subject,
        "found": error.found,
        "expected": error.expected,
        "next_act": error.next_act,
    }


def _is_over(instance: DagsterInstance, run_id: str) -> bool:
    """Whether the run has ended, or is to end."""
    run = instance.get_run_by_id(run_id)
    return run is None or run.status not in (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED)


def _was_begun_or_given_up(instance: DagsterInstance, order: Mapping[str, Any]) -> bool:
    """Whether a worker has begun this try already, or the run has gone on without it.

    Brokers deliver again what was not acknowledged.
    """
    attempts = int(order["attempts"])
    begun = _count(instance, order, DagsterEventType.STEP_START, DagsterEventType.STEP_RESTARTED)
    return (
        begun > attempts
        or _count(instance, order, DagsterEventType.STEP_UP_FOR_RETRY) != attempts
        or _count(instance, order, DagsterEventType.STEP_FAILURE) > 0
    )


def _count(instance: DagsterInstance, order: Mapping[str, Any], *types: DagsterEventType) -> int:
    entries = instance.all_logs(order["run_id"], of_type=set(types))
    return sum(entry.step_key == order["step_key"] for entry in entries)


@contextmanager
def _heard_of(task: Any, instance: DagsterInstance, order: Mapping[str, Any]) -> Iterator[None]:
    """Say within the block that the step is at work, and ask it to end when its run is over."""
    task_id, hostname = task.request.id, task.request.hostname
    has_ended = threading.Event()

    def say() -> None:
        beat = 0
        while True:
            with contextlib.suppress(Exception):  # a broker that is away: the run waits a while
                task.update_state(task_id=task_id, state="STARTED", meta={BEAT: beat, WORKER: hostname})
            beat += 1
            if has_ended.wait(BEAT_SECONDS):
                return
            with contextlib.suppress(Exception):  # Dagster's storage is away: the step's own events say so
                if _is_over(instance, order["run_id"]):
                    find_cancellation(order["run_id"]).ask()

    thread = threading.Thread(target=say, name="blb-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def describe_error(error: object) -> str:
    """Return what a worker's own error says, without passwords."""
    return f"{type(error).__name__}: {mask_secrets(str(error)).strip()}"
