"""Sessions kept open between their uses, while someone asks for that. Knows no engine.

An ERP of 42 small tables opens some 400 sessions in a run, one after the other, and a log-in costs more
than reading such a table. What may be kept (nothing unfinished, nothing set) is for the connectors to
judge.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

SessionT = TypeVar("SessionT")


class SessionKeeper(Generic[SessionT]):
    """The idle sessions of one connector; thread-safe. A pickled one arrives empty, and keeps nothing.

    ``close`` ends a session and never raises.
    """

    def __init__(self, close: Callable[[SessionT], None]) -> None:
        self._close = close
        self._lock = threading.Lock()
        self._idle: list[SessionT] = []
        self._scopes = 0

    def __reduce__(self) -> tuple[type[SessionKeeper[SessionT]], tuple[Callable[[SessionT], None]]]:
        return type(self), (self._close,)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep what is given back within the block; at the end of the outermost one, close it all."""
        with self._lock:
            self._scopes += 1
        try:
            yield
        finally:
            with self._lock:
                self._scopes -= 1
                ended = [] if self._scopes else self._idle
                if not self._scopes:
                    self._idle = []
            for session in ended:
                self._close(session)

    def take(self) -> SessionT | None:
        """Return an idle session, the one used last, or None. It may be dead: whoever takes it asks."""
        with self._lock:
            return self._idle.pop() if self._idle else None

    def give_back(self, session: SessionT) -> None:
        """Keep a session, or close it outside of any ``keeping``."""
        with self._lock:
            if self._scopes:
                self._idle.append(session)
                return
        self._close(session)
