"""A session whose statements end when the run is asked to end: none begins any more, a running one is left.

The request itself comes from ``cancellation``; the connector cancels the running statement at the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from blb_migration.cancellation import NEVER, Cancellation

Row = tuple[Any, ...]


class CancellableConnection(psycopg.Connection[Row]):
    """A connection that a ``Cancellation`` can end the work of; NEVER until one is set."""

    cancellation: Cancellation = NEVER

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.cursor_factory = _CheckedCursor


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
        try:
            yield
        except psycopg.errors.QueryCanceled:
            cancellation.check()
            raise
