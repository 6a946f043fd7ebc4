"""A run that is asked to end: who asks, who looks, and what is broken off. Knows no engine and no Dagster.

Nothing is thrown into a thread from outside. The request is a flag, looked at before each statement and after
each batch, where everything is in order; a statement that runs meanwhile is cancelled at its server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
