"""Sessions lent by a connector: kept open between their uses, cancelled together. Knows no engine.

An ERP of 42 small tables opens some 400 sessions in a run, one after the other, and a log-in costs more
than reading such a table. What may be kept (nothing unfinished, nothing set) is for the connectors to
judge.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from blb_migration.cancellation import NEVER, Cancellation


class LentSession(Protocol):
    """What a session must have to be lent."""

    cancellation: Cancellation


SessionT = TypeVar("SessionT", bound=LentSession)


class SessionConnector(ABC, Generic[SessionT]):
    """Lends the sessions of one database; thread-safe.

    Within ``keeping_sessions`` a session outlives its block and serves the next one, unless the block failed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SessionT] = []
        self._scopes = 0
        self._in_use: set[SessionT] = set()
        self._cancellation = NEVER

    @abstractmethod
    def _close(self, session: SessionT) -> None:
        """End a session; never raises."""

    @abstractmethod
    def _cancel(self, session: SessionT) -> None:
        """Ask the server to break off what the session is busy with; from any thread, never raises."""

    @abstractmethod
    def _is_reusable(self, session: SessionT) -> bool:
        """Whether nothing of the use that ended well is left."""

    @contextmanager
    def keeping_sessions(self) -> Iterator[None]:
        """Within the block, sessions are kept for the next use; at the end of the outermost all close."""
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

    @contextmanager
    def cancelled_by(self, cancellation: Cancellation) -> Iterator[None]:
        """Within the block, sessions end their work when ``cancellation`` asks for that."""
        before, self._cancellation = self._cancellation, cancellation
        try:
            with cancellation.breaking(self._cancel_running):
                yield
        finally:
            self._cancellation = before

    def _cancel_running(self) -> None:
        for session in list(self._in_use):
            if session.cancellation is not NEVER:
                self._cancel(session)

    @contextmanager
    def _lend(
        self,
        open_session: Callable[[], SessionT],
        is_alive: Callable[[SessionT], bool],
        cancellation: Cancellation,
    ) -> Iterator[SessionT]:
        """Yield a kept session that ``is_alive``, or a new one; closed at the end unless it is kept."""
        session = self._take_kept(is_alive) or open_session()
        session.cancellation = cancellation
        self._in_use.add(session)
        try:
            yield session
        except BaseException:
            self._close(session)
            raise
        finally:
            self._in_use.discard(session)
            session.cancellation = NEVER
        if self._is_reusable(session):
            with self._lock:
                if self._scopes:
                    self._idle.append(session)
                    return
        self._close(session)

    def _take_kept(self, is_alive: Callable[[SessionT], bool]) -> SessionT | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                session = self._idle.pop()  # the one used last
            if is_alive(session):
                return session
            self._close(session)
