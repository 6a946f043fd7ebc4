"""The executor ``threads``: independent steps side by side, in threads of the process that runs them.

Dagster has executors that run one step at a time and ones that start a process per step. A step here waits
for two servers or works in compiled code, and a process start costs more than most tables' loads: threads
fit. Order, retries, skipped and abandoned steps, resources and events are Dagster's own: this is its
in-process executor with a thread instead of a call wherever more than one step is ready.

Unlike the in-process executor it does not capture stdout and stderr, which nothing here writes to.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from dagster import (
    DagsterEvent,
    DagsterExecutionInterruptedError,
    Executor,
    Field,
    InitExecutorContext,
    IntSource,
    executor,
)
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import (
    PlanExecutionContext,
    PlanOrchestrationContext,
    StepExecutionContext,
)
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode

from blb_migration.cancellation import PATIENCE_SECONDS, POLL_SECONDS
from blb_migration.collector import passing_by_what_is_there
from blb_migration.defs.cancelling import find_cancellation
from blb_migration.defs.internals.requirements import require

require(DagsterEvent.engine_event, 2, "event_specific_data")
require(EngineEventData.in_process, 2)
require(ExecuteRunWithPlanIterable, 0, "execution_plan", "iterator", "execution_context_manager")
require(
    PlanExecutionContextManager,
    0,
    "job",
    "execution_plan",
    "run_config",
    "dagster_run",
    "instance",
    "retry_mode",
    "raise_on_error",
    "output_capture",
)
require(PlanExecutionContext.for_step, 3)
require(ExecutionPlan.start, 2, "max_concurrent")
require(ActiveExecution.check_for_interrupts, 1)
require(ActiveExecution.mark_interrupted, 1)
require(ActiveExecution.get_steps_to_execute, 1)
require(ActiveExecution.get_known_state, 1)
require(ActiveExecution.handle_event, 2)
require(ActiveExecution.verify_complete, 3)
require(ActiveExecution.plan_events_iterator, 2)
require(ActiveExecution.sleep_interval, 1)
require(dagster_event_sequence_for_step, 1)
_ = ActiveExecution.is_complete


class ThreadsExecutor(Executor):
    """At most ``max_concurrent`` steps at once; ``reason`` is told in the run's log."""

    def __init__(self, max_concurrent: int, reason: str) -> None:
        self._max_concurrent = max_concurrent
        self._reason = reason

    @property
    def retries(self) -> RetryMode:
        """Steps ask for them themselves."""
        return RetryMode.ENABLED

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        """Yield the events of all steps; raises DagsterExecutionInterruptedError."""
        yield DagsterEvent.engine_event(
            plan_context,
            f"Executing steps in process (pid: {os.getpid()}), up to {self._max_concurrent} at once: "
            f"{self._reason}",
            event_specific_data=EngineEventData.in_process(os.getpid(), execution_plan.step_keys_to_execute),
        )
        yield from ExecuteRunWithPlanIterable(
            execution_plan=execution_plan,
            iterator=self._execute_steps,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                execution_plan=execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                retry_mode=plan_context.retry_mode,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
            ),
        )

    def _execute_steps(
        self, job_context: PlanExecutionContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        with (
            passing_by_what_is_there(),
            execution_plan.start(job_context.retry_mode, max_concurrent=self._max_concurrent) as active,
        ):
            running = _RunningSteps(job_context, active)
            try:
                while running or not active.is_complete:
                    if active.check_for_interrupts():
                        find_cancellation(job_context.run_id).ask()
                        active.mark_interrupted()
                        raise DagsterExecutionInterruptedError
                    if running.may_start_more():
                        yield from running.start_ready_ones()
                    yield from running.take_events()
                    if running.may_start_more():
                        yield from active.plan_events_iterator(job_context)
            finally:
                running.stop()


class _RunningSteps:
    """The steps that have a thread now, and what they say."""

    def __init__(self, job_context: PlanExecutionContext, active: ActiveExecution) -> None:
        self._job_context = job_context
        self._active = active
        self._threads: dict[str, threading.Thread] = {}
        self._has_ended = True  # some step, since it was last looked which are ready
        # A step's events, then None; or the error that Dagster was asked to raise instead of recording it.
        self._said: queue.SimpleQueue[tuple[str, DagsterEvent | BaseException | None]] = queue.SimpleQueue()

    def __bool__(self) -> bool:
        return bool(self._threads)

    def may_start_more(self) -> bool:
        """Whether to look which steps are ready, for which all that wait are gone through."""
        return self._has_ended or not self._threads or self._is_retry_due_later()

    def start_ready_ones(self) -> Iterator[DagsterEvent]:
        """Start what is ready in threads; what must run alone anyway is carried out at once."""
        self._has_ended = False
        steps = self._active.get_steps_to_execute()
        contexts = {
            step.key: self._job_context.for_step(step, self._active.get_known_state()) for step in steps
        }
        if len(contexts) == 1 and not self._threads and not self._is_retry_due_later():
            [(key, context)] = contexts.items()
            for event in dagster_event_sequence_for_step(context):
                self._active.handle_event(event)
                yield event
            self._active.verify_complete(self._job_context, key)
            self._has_ended = True
            return
        for key, context in contexts.items():
            self._threads[key] = threading.Thread(
                target=self._work, args=(context,), name=f"blb-step-{key}", daemon=True
            )
            self._threads[key].start()

    def take_events(self) -> Iterator[DagsterEvent]:
        """Yield what steps say until one has ended, for a short while at most."""
        is_waiting = bool(self._threads) or self._is_retry_due_later()
        has_ended = False
        try:
            while True:
                key, said = self._said.get(block=is_waiting and not has_ended, timeout=POLL_SECONDS)
                has_ended = has_ended or said is None
                yield from self._hear(key, said)
        except queue.Empty:
            return

    def stop(self) -> None:
        """Ask what is still running to end, and wait for that a while. Dagster has its events already."""
        if not self._threads:
            return
        cancellation = find_cancellation(self._job_context.run_id)
        cancellation.ask()
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while self._threads and time.monotonic() < give_up_at:
            cancellation.break_off()
            with suppress(queue.Empty):
                key, said = self._said.get(timeout=POLL_SECONDS)
                if said is None:
                    self._threads.pop(key).join()

    def _work(self, context: StepExecutionContext) -> None:
        key = context.step.key
        try:
            for event in dagster_event_sequence_for_step(context):
                self._said.put((key, event))
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            pass  # its failure is among the events
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that listens
            self._said.put((key, error))
        finally:
            self._said.put((key, None))

    def _is_retry_due_later(self) -> bool:
        return bool(self._active.sleep_interval())  # type: ignore[no-untyped-call]

    def _hear(self, key: str, said: DagsterEvent | BaseException | None) -> Iterator[DagsterEvent]:
        if said is None:
            self._threads.pop(key).join()
            self._active.verify_complete(self._job_context, key)
            self._has_ended = True
        elif isinstance(said, BaseException):
            raise said
        else:
            self._active.handle_event(said)
            yield said


@executor(name="threads", config_schema={"max_concurrent": Field(IntSource), "reason": Field(str)})
def threads_executor(context: InitExecutorContext) -> ThreadsExecutor:
    """Independent steps in threads of one process, ``max_concurrent`` at once."""
    config: Any = context.executor_config
    return ThreadsExecutor(config["max_concurrent"], config["reason"])
