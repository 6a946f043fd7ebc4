"""How fast something goes, and when to speak of it: arithmetic over a clock that the caller reads."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
"""Seconds that only ever grow, ``time.monotonic`` outside of tests."""

_LONGEST_SILENCE_SECONDS = 10.0  # without a report for longer, a rate begins to fall


class SmoothedRate:
    """Units per second; what happened t seconds ago weighs exp(-t / time constant).

    The weights are scaled to add up to one, so that in the beginning it is the plain average. Not
    thread-safe.
    """

    def __init__(self, time_constant_seconds: float, started_at: float) -> None:
        self._time_constant = time_constant_seconds
        self._started_at = self._last_at = started_at
        self._weighted = 0.0
        self._waiting = 0.0  # of an instant in which the clock stood still

    def add(self, amount: float, now: float) -> None:
        """Count ``amount`` as done between the last call and ``now``."""
        self._waiting += amount
        elapsed = now - self._last_at
        if elapsed <= 0:
            return
        decay = math.exp(-elapsed / self._time_constant)
        self._weighted = self._weighted * decay + self._waiting / elapsed * (1 - decay)
        self._last_at, self._waiting = now, 0.0

    def read(self, now: float) -> float | None:
        """Units per second at ``now``; None while no time has passed."""
        silence = max(now - self._last_at - _LONGEST_SILENCE_SECONDS, 0.0)
        covered = self._last_at - self._started_at
        if covered <= 0:
            return None
        decay = math.exp(-silence / self._time_constant)
        return self._weighted * decay / -math.expm1(-(covered + silence) / self._time_constant)


@dataclass
class LogPace:
    """When the next line about something that lasts is due: soon at first, then ever more rarely.

    The pause is ``shortest_seconds``, or ``share`` of the time since the beginning where that is more,
    but never above ``longest_seconds``. Thread-safe; one of several callers at once is told that it is due.
    """

    shortest_seconds: float = 10.0
    share: float = 0.1
    longest_seconds: float = 300.0
    clock: Clock = time.monotonic

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._started_at = self.clock()
        self._next_at = self._started_at + self.shortest_seconds

    @property
    def elapsed_seconds(self) -> float:
        """Since the beginning."""
        return self.clock() - self._started_at

    def is_due(self) -> bool:
        """Whether to speak now; if so, the next pause begins."""
        now = self.clock()
        if now < self._next_at:
            return False
        with self._lock:
            if now < self._next_at:
                return False
            pause = max(self.shortest_seconds, (now - self._started_at) * self.share)
            self._next_at = now + min(pause, self.longest_seconds)
            return True
