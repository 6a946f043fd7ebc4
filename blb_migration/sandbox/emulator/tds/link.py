"""A slow line between the emulator and its clients: latency, and a bandwidth that each connection has.

Every connection is held back on its own, as behind a server that gives one connection so much and no
more; so several connections together get several times that. What is sent, and in what pieces, stays
the same. Nothing is random.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

# Shorter sleeps than this are longer than asked for, so they are saved up.
_SHORTEST_PAUSE_SECONDS = 0.002


@dataclass(frozen=True)
class Link:
    """What lies between: ``latency_seconds`` pass before each answer begins, and a connection receives at
    most ``bytes_per_second``; None is as fast as the machine."""

    latency_seconds: float = 0.0
    bytes_per_second: float | None = None


class LinkBoard:
    """The line in force, for all connections; tests change it while clients run."""

    def __init__(self) -> None:
        self.link = Link()


class PacedLine:
    """One connection's share of the line. Used by its connection's thread alone."""

    def __init__(self, board: LinkBoard, stopping: threading.Event) -> None:
        self._board = board
        self._stopping = stopping
        self._free_at = 0.0

    def begin_answer(self) -> None:
        """Wait as long as a request and the first byte of its answer are under way."""
        latency_seconds = self._board.link.latency_seconds
        if latency_seconds > 0:
            self._stopping.wait(latency_seconds)

    def send(self, byte_count: int) -> None:
        """Wait until the line is free for these bytes; returns at once when the server stops."""
        bytes_per_second = self._board.link.bytes_per_second
        if bytes_per_second is None:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + byte_count / bytes_per_second
        if self._free_at - now >= _SHORTEST_PAUSE_SECONDS:
            self._stopping.wait(self._free_at - now)
