"""From our errors to Dagster's: what a step's failure says, and whether it is worth another try.

A transient error asks Dagster for another try, which is said before the pause; a permanent one fails the step
at once, and so does a lock that was waited for as long as BLB_LOCK_WAIT allows. There is no
``RetryPolicy`` on any step: Dagster applies one to interrupts too, so that a run that an operator
terminates would start its step again. Errors that are nobody's fault but ours keep their traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dagster import DagsterExecutionInterruptedError, Failure, RetryRequested

from blb_migration.cancellation import Cancellation
from blb_migration.defs.cancelling import INTERRUPTS, run_cancellable
from blb_migration.defs.observer import RunObserver
from blb_migration.errors import ExitCode, MigrationError
from blb_migration.waiting import tell

MAX_RETRIES = 2
FIRST_RETRY_SECONDS = 5  # and 10 for the second: a server that restarts is back within a minute

Result = TypeVar("Result")


def carry_out(
    step: str,
    work: Callable[[], Result],
    cancellation: Cancellation,
    observer: RunObserver,
    retry_number: int,
) -> Result:
    """Return the result of a step's ``work``; what that raises becomes a ``Failure`` with cause, kind and
    exit code.

    ``retry_number`` counts this step's tries before this one; the observer hears of a failure only
    when there is no further try. Raises ``Failure``, ``RetryRequested`` with the failure as cause, or
    DagsterExecutionInterruptedError when the run was asked to end meanwhile.
    """
    try:
        return run_cancellable(work, cancellation)
    except INTERRUPTS:
        pass
    except MigrationError as error:
        if not cancellation.is_asked:  # otherwise it was broken off, which looks like many errors
            failure = build_failure(error, error.exit_code, str(error), error.is_transient)
            if error.is_transient and not error.was_waited_out and retry_number < MAX_RETRIES:
                pause_seconds = FIRST_RETRY_SECONDS * 2**retry_number
                tell(f"{step}: it is tried again in {pause_seconds:g} s, since it failed: {error}")
                raise RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=pause_seconds) from failure
            observer.step_failed(step, error)
            # Not chained: the message says it all, and a driver's own text may hold what ours masks.
            raise failure from None
    except Exception as error:
        observer.step_failed(step, error)
        description = f"{type(error).__name__}: {error}. This is a bug in blb_migration, please report it."
        raise build_failure(error, ExitCode.NOT_EQUAL, description, is_transient=False) from error
    observer.step_interrupted(step)
    raise DagsterExecutionInterruptedError


def build_failure(error: Exception, exit_code: ExitCode, description: str, is_transient: bool) -> Failure:
    """Build what a step's failure says in Dagster."""
    return Failure(
        description=description,
        metadata={
            "exit_code": int(exit_code),
            "error_type": type(error).__name__,
            "transient": is_transient,
        },
        allow_retries=False,
    )
