"""The executor ``celery``: dagster-celery's loop, with results that also tell when a worker is lost.

The loop submits each step that is ready and asks each step on its way for its result. Here that result is
``StepOnItsWay``: a worker that falls silent, a queue that nobody serves, a broker that does not answer become
a step's failure with a sentence, or another try.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from celery.exceptions import TaskRevokedError
from dagster import (
    DagsterEvent,
    Executor,
    ExecutorDefinition,
    InitExecutorContext,
    executor,
    multiple_process_executor_requirements,
)
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.objects import StepFailureData, StepRetryData, UserFailureData
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._serdes import serialize_value
from dagster._utils.error import SerializableErrorInfo  # type: ignore[attr-defined]
from dagster_celery import core_execution_loop

from blb_migration.defs.celery_queues import DEFAULT_QUEUE, WORKER_COMMAND, build_application
from blb_migration.defs.celery_run import KeptRun, keeping_run
from blb_migration.defs.celery_watch import LOST_AFTER_SECONDS, Heartbeat, QueueWatch
from blb_migration.defs.executor import CELERY
from blb_migration.defs.internals.celery_step import (
    BEAT,
    EVENTS,
    REFUSAL,
    TASK_NAME,
    WORKER,
    build_order,
    describe_error,
)
from blb_migration.defs.internals.requirements import require
from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.step_failures import MAX_RETRIES, build_failure
from blb_migration.errors import ConfigurationError, MigrationError, StepLost
from blb_migration.masking import mask_secrets
from blb_migration.settings.variables import WaitingVariables, name_variable
from blb_migration.waiting import SayPace, tell

_LOOK_EVERY_SECONDS = 0.5
_ASK_QUEUES_AFTER_SECONDS = 5.0
_RETRY_PAUSE_SECONDS = 2.0
_ENDS_WITHIN_SECONDS = 20.0  # after a run was asked to end

_run_loop: Any = core_execution_loop.core_celery_execution_loop
_Failed: Any = StepFailureData
_Told: Any = UserFailureData
_TryAgain: Any = StepRetryData

require(core_execution_loop.core_celery_execution_loop, 2, "step_execution_fn")
require(DagsterEvent.step_failure_event, 2)
require(DagsterEvent.step_retry_event, 2)
require(StepFailureData, 0, "error", "user_failure_data")
require(StepRetryData, 0, "error", "seconds_to_wait")
require(UserFailureData, 0, "label", "description", "metadata")
core_execution_loop.TICK_SECONDS = 0.2  # type: ignore[assignment]  # a second each, in a chain of tables


def build_celery_executor(broker_url: str, resource: MigrationResource) -> ExecutorDefinition:
    """Build the executor that submits steps to ``broker_url``; ``resource`` is the run's own."""

    @executor(name=CELERY, requirements=multiple_process_executor_requirements())
    def celery(_context: InitExecutorContext) -> CeleryExecutor:
        """Carry out steps in Celery workers, which may be on several machines."""
        return CeleryExecutor(broker_url, resource)

    return celery


class CeleryExecutor(Executor):
    """Submits steps; how many are at work at once is the workers' affair."""

    def __init__(self, broker_url: str, resource: MigrationResource) -> None:
        self._broker_url = broker_url
        self._resource = resource

    @property
    def retries(self) -> RetryMode:
        """Steps ask for them themselves, and so does the loss of a worker."""
        return RetryMode.ENABLED

    def app_args(self) -> dict[str, Any]:
        """Return what dagster-celery builds its own application from, which is not used."""
        return {"broker": self._broker_url, "changes": {"task_default_queue": DEFAULT_QUEUE}}

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        """Yield the events of all steps; raises DagsterExecutionInterruptedError."""
        with (
            closing(build_application(self._broker_url)) as application,
            QueueWatch(application) as queues,
            keeping_run(self._resource, plan_context) as kept,
        ):
            run = _Submitting(application, plan_context, queues, kept)

            def submit(
                _app: Any, context: PlanOrchestrationContext, step: Any, queue: str, _rank: int, known: Any
            ) -> StepOnItsWay:
                order = build_order(
                    context.reconstructable_job,
                    context.run_id,
                    step.key,
                    known,
                    self._resource.project.plan.hash,
                )
                on_its_way = StepOnItsWay(run, step, queue, order)
                on_its_way.submit()
                return on_its_way

            for event in _run_loop(plan_context, execution_plan, step_execution_fn=submit):
                kept.hear(event)
                yield event


@dataclass(frozen=True)
class _Submitting:
    """What all steps of one run are submitted and looked after with."""

    application: Any
    context: PlanOrchestrationContext
    queues: QueueWatch
    kept: KeptRun


class StepOnItsWay:
    """One try of one step, from its submission to its result; asked again and again by the loop."""

    def __init__(self, run: _Submitting, step: Any, queue: str, order: dict[str, Any]) -> None:
        self._application = run.application
        self._context = run.context
        self._queues = run.queues
        self._kept = run.kept
        self._step = step
        self._queue = queue
        self._order = order
        self._broker = run.application.connection().as_uri()  # without its password
        self._result: Any = None
        self._error: MigrationError | None = None
        self._meta: dict[str, Any] = {"status": "PENDING", "result": None}
        self._submitted_at = self._due_at = time.monotonic()
        self._heartbeat: Heartbeat | None = None
        self._silence: SayPace | None = None  # of the broker
        self._unserved = SayPace(first_seconds=5.0)
        self._ends_at: float | None = None

    def submit(self) -> None:
        """Give the step to the broker; a broker that does not take it is the step's failure."""
        self._error = self._kept.refusal
        if self._error is not None:
            return
        try:
            # Asked first: Celery tries again and again, and then says no more of the reason.
            with self._application.connection_for_write() as connection, connection.channel():
                pass
            self._result = self._application.send_task(
                TASK_NAME, args=[self._order], queue=self._queue, retry=False
            )
            # Its state is asked for; what is sent beside that would pile up unread.
            self._application.backend.result_consumer.cancel_for(self._result.id)
        except Exception as error:  # noqa: BLE001 - each transport has its own
            self._error = self._build_broker_error(error)

    def ready(self) -> bool:
        """Whether it is over, one way or another."""
        now = time.monotonic()
        if self._error is not None or (self._ends_at is not None and now > self._ends_at):
            return True
        if now >= self._due_at and not self._is_done:
            self._due_at = now + _LOOK_EVERY_SECONDS
            self._look()
        return self._error is not None or self._is_done

    def get(self) -> list[str]:
        """Return the step's events, or those of its failure. Raises TaskRevokedError where none began."""
        if self._ends_at is not None and not self._has_events:
            if self._meta["status"] in ("PENDING", "REVOKED"):
                raise TaskRevokedError
            return []
        if self._error is None:
            self._read_outcome()
            with suppress(Exception):  # it ends by itself after a day
                self._result.forget()
        if self._error is not None:
            return [serialize_value(self._fail(self._error))]
        return list(self._meta["result"][EVENTS])

    def revoke(self) -> None:
        """Ask it to end: a worker hears it from Dagster's storage, where the run is being canceled."""
        run = self._context.instance.get_run_by_id(self._context.run_id)
        if run is not None and run.status.value == "STARTED":
            self._context.instance.report_run_canceling(run)
        self._ends_at = time.monotonic() + _ENDS_WITHIN_SECONDS
        if self._meta["status"] == "PENDING":
            self._ends_at = 0.0
        self._revoke()

    @property
    def _is_done(self) -> bool:
        return self._meta["status"] in ("SUCCESS", "FAILURE", "REVOKED")

    @property
    def _has_events(self) -> bool:
        return self._meta["status"] == "SUCCESS" and EVENTS in self._meta["result"]

    def _look(self) -> None:
        limit = WaitingVariables.read().worker_wait
        try:
            self._meta = self._application.backend.get_task_meta(self._result.id)
        except Exception as error:  # noqa: BLE001 - each transport has its own
            self._silence = self._silence or SayPace()
            if self._silence.elapsed_seconds >= limit:
                self._error = self._build_broker_error(error)
            elif self._silence.is_due():
                tell(
                    f"{self._step.key}: waiting for {self._broker}, which does not answer: {_shorten(error)}"
                )
            return
        if self._silence is not None:  # what was not heard meanwhile says nothing about the worker
            self._silence, self._heartbeat = None, None
        if self._meta["status"] == "STARTED":
            self._hear(self._meta["result"])
        elif self._meta["status"] == "PENDING":
            self._look_for_it(limit)

    def _hear(self, said: dict[str, Any]) -> None:
        self._heartbeat = self._heartbeat or Heartbeat()
        self._heartbeat.hear(said.get(BEAT))
        if self._heartbeat.silent_seconds >= LOST_AFTER_SECONDS:
            self._error = StepLost(
                self._step.key,
                found=f"nothing was heard for {LOST_AFTER_SECONDS:g} seconds of worker"
                f" {said.get(WORKER) or said['hostname']}, which had begun it: it was killed, or is cut off",
                next_act="Look at that machine; then execute the run again from its failure",
            )
            self._revoke(signal="SIGKILL")

    def _look_for_it(self, limit: float) -> None:
        waited = time.monotonic() - self._submitted_at
        if waited < _ASK_QUEUES_AFTER_SECONDS:
            return
        self._queues.ask()
        unserved = min(self._queues.measure_unserved_seconds(self._queue), waited)
        command = f"{WORKER_COMMAND} -Q {self._queue}"
        if unserved > limit:
            self._error = ConfigurationError(
                self._step.key,
                found=f"no worker has served the queue {self._queue} of {self._broker} for"
                f" {unserved:.0f} seconds",
                expected=f"a worker; {name_variable('worker_wait')} says how long one is waited for",
                next_act=f"Start one (`{command}`), then execute the run again from its failure",
            )
            self._revoke()
        elif unserved > 0 and self._unserved.is_due():
            tell(
                f"{self._step.key}: waiting for a worker, since none serves the queue {self._queue}; "
                f"waited {unserved:.0f} of at most {limit:g} s; start one: {command}"
            )
        elif self._queues.has_lost_trace(self._queue, self._result.id, self._submitted_at):
            self._error = StepLost(
                self._step.key,
                found=f"it is neither in the queue {self._queue} nor with any worker: the worker that had"
                " taken it was killed, or the broker has lost it",
                next_act="Execute the run again from its failure",
            )

    def _read_outcome(self) -> None:
        result = self._meta["result"]
        if self._meta["status"] == "SUCCESS":
            if REFUSAL in result:
                said = dict(result[REFUSAL])
                subject = f"{said.pop('subject')} ({result[WORKER]})"
                self._error = ConfigurationError(f"{self._step.key}: {subject}", **said)
        elif type(result).__name__ == "WorkerLostError":
            self._error = StepLost(
                self._step.key,
                found=f"the process that carried it out was killed ({mask_secrets(str(result)).rstrip('.')})",
                next_act="Look whether the machine has run out of memory; then execute the run again from its"
                " failure",
            )
        else:
            self._error = MigrationError(
                self._step.key,
                found=f"its worker could not carry it out ({describe_error(result)})",
                next_act="Look into the worker's own log; then execute the run again from its failure",
            )

    def _fail(self, error: MigrationError) -> DagsterEvent:
        """Tell Dagster, which has the event from here on: another try, or a failure."""
        context = self._context.for_step(self._step)
        info = SerializableErrorInfo(str(error), [], type(error).__name__)
        if isinstance(error, StepLost) and self._order["attempts"] < MAX_RETRIES:
            tell(f"it is tried again in {_RETRY_PAUSE_SECONDS:g} s: {error}")
            return DagsterEvent.step_retry_event(context, _TryAgain(info, _RETRY_PAUSE_SECONDS))
        self._kept.step_failed(self._step.key, error)
        failure = build_failure(error, error.exit_code, str(error), error.is_transient)
        told = _Told("Failure", failure.description, failure.metadata)
        return DagsterEvent.step_failure_event(context, _Failed(error=info, user_failure_data=told))

    def _revoke(self, **how: Any) -> None:
        if self._result is None:
            return
        try:
            self._result.revoke(terminate=bool(how), **how)
        except Exception as error:  # noqa: BLE001 - a broker that is away: the worker finds the run over
            self._context.log.info(f"{self._step.key}: not revoked: {_shorten(error)}")

    def _build_broker_error(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"broker {self._broker}",
            found=f"cannot connect: {_shorten(error)}",
            expected=f"the broker that {name_variable('celery_broker')} names, up and reachable from here",
            next_act="Start it, or correct the variable, then run again",
        )


def _shorten(error: Exception) -> str:
    return mask_secrets(" ".join(str(error).split())).rstrip(".") or type(error).__name__
