"""A run that is asked to end: who asks, who looks, and what is broken off. Knows no engine and no Dagster.

Nothing is thrown into a thread from outside. The request is a flag, looked at before each statement and after
each batch, where everything is in order; a statement that runs meanwhile is cancelled at its server.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 5.0  # to roll back and to note down; a server that is there needs a moment


class Interrupted(BaseException):
    """The run was asked to end. No ``Exception``: whoever handles errors of a table must not handle this."""

    def __init__(self) -> None:
        super().__init__("the run was interrupted")


class Cancellation:
    """One run's request to end, shared by its threads in this process."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._breakers: list[Callable[[], None]] = []

    @property
    def is_asked(self) -> bool:
        """Whether the run shall end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Let no statement begin any more."""
        self._asked.set()

    def check(self) -> None:
        """Raise Interrupted if the run shall end."""
        if self._asked.is_set():
            raise Interrupted

    def break_off(self) -> None:
        """Cancel what the servers are busy with now; to be repeated until all threads have ended."""
        for breaker in list(self._breakers):
            breaker()

    @contextmanager
    def breaking(self, breaker: Callable[[], None]) -> Iterator[None]:
        """Within the block, ``break_off`` calls ``breaker``, which must not wait long and must not raise."""
        self._breakers.append(breaker)
        try:
            yield
        finally:
            self._breakers.remove(breaker)


NEVER = Cancellation()
"""For sessions whose work nobody breaks off."""


def run_cancellable(
    work: Callable[[], Result], cancellation: Cancellation, interrupts: tuple[type[BaseException], ...]
) -> Result:
    """Return the result of ``work``; one of ``interrupts``, raised in the main thread, asks it to end.

    Raises what ``work`` raises, and Interrupted if it does not end in time.
    """
    asked_at: float | None = None

    def is_patient() -> bool:
        nonlocal asked_at
        if cancellation.is_asked:
            asked_at = asked_at or time.monotonic()
            if time.monotonic() > asked_at + PATIENCE_SECONDS:
                return False
            cancellation.break_off()
        return True

    return _run_apart(work, interrupts, cancellation.ask, is_patient)


def run_to_end(work: Callable[[], Result], interrupts: tuple[type[BaseException], ...]) -> Result:
    """Return the result of ``work``, whose thread no interrupt reaches: those that are raised here are
    ignored."""
    return _run_apart(work, interrupts, lambda: None, lambda: True)


def _run_apart(
    work: Callable[[], Result],
    interrupts: tuple[type[BaseException], ...],
    interrupt: Callable[[], None],
    is_patient: Callable[[], bool],
) -> Result:
    """Run ``work`` in a thread of its own, since signals reach the main thread, wherever that is."""
    if threading.current_thread() is not threading.main_thread():
        return work()  # whoever started this thread hears them
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
    while True:
        try:
            if has_ended.wait(POLL_SECONDS):
                break
            if not is_patient():
                raise Interrupted
        except interrupts as error:
            if isinstance(error, Interrupted):
                raise
            interrupt()
    if errors:
        raise errors[0]
    return results[0]
