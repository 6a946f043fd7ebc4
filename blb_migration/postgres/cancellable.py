"""A session whose statements end when the run is asked to end: none begins any more, a running one is left.

The request itself comes from ``cancellation``; the connector cancels the running statement at the server.
Every error the server sends passes here, and leaves without the values that it holds (``failures``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import psycopg

from blb_migration.cancellation import NEVER, Cancellation
from blb_migration.postgres.answer_waits import AnswerWatcher
from blb_migration.postgres.failures import withhold_values

Row = tuple[Any, ...]


class CancellableConnection(psycopg.Connection[Row]):
    """A connection that a ``Cancellation`` can end the work of; NEVER until one is set."""

    cancellation: Cancellation = NEVER
    watcher: AnswerWatcher | None = None
    server_pid: int = 0
    _is_watched = False

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.cursor_factory = _CheckedCursor

    def wait(self, *what: Any, **how: Any) -> Any:
        """Run one exchange with the server, as psycopg does for every statement, COPY and commit."""
        try:
            with self.watched():
                return super().wait(*what, **how)
        except psycopg.Error as error:
            withhold_values(error)
            raise

    def watched(self) -> AbstractContextManager[None]:
        """Watch what is waited for within the block; one within another costs nothing."""
        if self._is_watched or self.watcher is None:
            return nullcontext()
        return self._watch(self.watcher)

    @contextmanager
    def _watch(self, watcher: AnswerWatcher) -> Iterator[None]:
        self._is_watched = True
        try:
            with watcher.watching(self, self.server_pid):
                yield
        finally:
            self._is_watched = False


def outlive_cancel(connection: psycopg.Connection[Row]) -> None:
    """Let the session work on when the run is asked to end."""
    if isinstance(connection, CancellableConnection):
        connection.cancellation = NEVER


class _CheckedCursor(psycopg.Cursor[Row]):
    """Looks before each statement whether the run shall end."""

    def execute(self, *what: Any, **how: Any) -> _CheckedCursor:
        with self._checked():
            super().execute(*what, **how)
        return self

    def executemany(self, *what: Any, **how: Any) -> None:
        with self._checked():
            super().executemany(*what, **how)

    @contextmanager
    def copy(self, *what: Any, **how: Any) -> Iterator[psycopg.Copy]:
        with self._checked(), super().copy(*what, **how) as copy:
            yield copy

    @contextmanager
    def _checked(self) -> Iterator[None]:
        cancellation: Cancellation = getattr(self.connection, "cancellation", NEVER)
        cancellation.check()
        connection = self.connection
        watched = connection.watched() if isinstance(connection, CancellableConnection) else nullcontext()
        try:
            with watched:
                yield
        except psycopg.errors.QueryCanceled:
            cancellation.check()
            raise
