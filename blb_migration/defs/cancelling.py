"""From Dagster's interrupts to a run's ``Cancellation``: who waits for a step's work, and for how long.

Dagster interrupts a run by a signal, which raises an exception in the main thread wherever that is. So a
step's work has a thread of its own, and the main thread only waits: there an exception can do no harm. It
asks the work to end, has what the servers are busy with cancelled, and waits until everything is undone and
noted down. A thread that a server holds beyond that stays as it is, and ends with the process; so does its
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from dagster import DagsterExecutionInterruptedError

from blb_migration.cancellation import Cancellation, Interrupted
from blb_migration.cancellation import run_cancellable as run_cancellable_by

INTERRUPTS = (KeyboardInterrupt, DagsterExecutionInterruptedError, Interrupted)

Result = TypeVar("Result")

_of_runs: dict[str, Cancellation] = {}


@contextmanager
def cancellation_of_run(run_id: str) -> Iterator[Cancellation]:
    """Yield the run's request to end, which ``find_cancellation`` finds within the block."""
    cancellation = _of_runs.setdefault(run_id, Cancellation())
    try:
        yield cancellation
    finally:
        _of_runs.pop(run_id, None)


def find_cancellation(run_id: str) -> Cancellation:
    """Find the request to end of a run that has steps in this process; of another, one that nobody looks
    at."""
    return _of_runs.get(run_id) or Cancellation()


def run_cancellable(work: Callable[[], Result], cancellation: Cancellation) -> Result:
    """Return the result of a step's ``work``; on the main thread, an interrupt asks it to end.

    Raises what ``work`` raises, and Interrupted if it does not end in time.
    """
    return run_cancellable_by(work, cancellation, INTERRUPTS)
