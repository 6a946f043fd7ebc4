"""Who hears of a wait: what a run waits for, since when and for how long, as a sentence every few seconds.

Whoever waits calls ``tell``, on any thread; the command prints it, a run of Dagster's has it in its log.
Knows no engine and no Dagster. For whom something waits is found out by the connectors.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

SAY_EVERY_SECONDS = 5.0
LOOK_EVERY_SECONDS = 0.5
_IDLE_LOOKS = 20  # ten seconds; the next wait starts another thread

WaitT = TypeVar("WaitT")

_LOG = logging.getLogger(__name__)
_LOG.propagate = False


def tell(sentence: str) -> None:
    """Say to everybody who listens what is waited for."""
    _LOG.warning("%s", sentence)


@contextmanager
def told_to(say: Callable[[str], object]) -> Iterator[None]:
    """Within the block, ``say`` hears every sentence, on the thread that waits."""
    listener = _Listener(say)
    _LOG.addHandler(listener)
    try:
        yield
    finally:
        _LOG.removeHandler(listener)


class SayPace:
    """When to speak during one wait: after ``first_seconds`` at the latest, then every five seconds."""

    def __init__(self, first_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.began_at = clock()
        self._due_at = self.began_at + first_seconds

    @property
    def elapsed_seconds(self) -> float:
        """Since the wait began."""
        return self._clock() - self.began_at

    def is_due(self) -> bool:
        """Whether it is time for a sentence; the next one is due five seconds later."""
        now = self._clock()
        if now < self._due_at:
            return False
        self._due_at = now + SAY_EVERY_SECONDS
        return True


class Watcher(ABC, Generic[WaitT]):
    """Looks at what is waited for, twice a second, in a thread that lives while there is any. Thread-safe."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._waits: set[WaitT] = set()
        self._pause = threading.Event()
        self._is_looking = False

    @abstractmethod
    def _look(self, waits: Sequence[WaitT]) -> None:
        """Look at what is waited for now; in the thread, never raises."""

    def _rest(self) -> bool:
        """Whether the idle thread may end; asked under the lock, to let go of what it has."""
        return True

    @contextmanager
    def _listed(self, wait: WaitT) -> Iterator[None]:
        """Have ``wait`` looked at within the block."""
        with self._lock:
            self._waits.add(wait)
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look_on, name=self._name, daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._waits.discard(wait)

    def _look_on(self) -> None:
        idle_looks = 0
        while True:
            self._pause.wait(LOOK_EVERY_SECONDS)
            with self._lock:
                waits = list(self._waits)
                idle_looks = 0 if waits else idle_looks + 1
                if idle_looks > _IDLE_LOOKS and self._rest():
                    self._is_looking = False
                    return
            self._look(waits)


class _Listener(logging.Handler):
    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())
