"""From Dagster's interrupts to a run's ``Cancellation``: who waits for a step's work, and for how long.

Dagster interrupts a run by a signal, which raises an exception in the main thread wherever that is. So a
step's work has a thread of its own, and the main thread only waits: there an exception can do no harm. It
asks the work to end, has what the servers are busy with cancelled, and waits until everything is undone and
noted down. A thread that a server holds beyond that stays as it is, and ends with the process; so does its
transaction.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from dagster import DagsterExecutionInterruptedError

from blb_migration.cancellation import Cancellation, Interrupted

INTERRUPTS = (KeyboardInterrupt, DagsterExecutionInterruptedError, Interrupted)
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 5.0  # to roll back and to note down; a server that is there needs a moment

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
    """Return the result of ``work``; on the main thread, an interrupt asks it to end.

    Raises what ``work`` raises, and Interrupted if it does not end in time.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()  # whoever started this thread asks
    results: list[Result] = []
    errors: list[BaseException] = []
    has_ended = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            errors.append(error)
        finally:
            has_ended.set()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="blb-step", daemon=True).start()
    _await(has_ended, cancellation)
    if errors:
        raise errors[0]
    return results[0]


def _await(has_ended: threading.Event, cancellation: Cancellation) -> None:
    asked_at = None
    while True:
        try:
            if has_ended.wait(POLL_SECONDS):
                return
            if cancellation.is_asked:
                asked_at = asked_at or time.monotonic()
                if time.monotonic() > asked_at + PATIENCE_SECONDS:
                    break
                cancellation.break_off()
        except INTERRUPTS:
            cancellation.ask()
    raise Interrupted
