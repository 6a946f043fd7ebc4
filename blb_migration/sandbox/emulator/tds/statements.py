"""The list of every statement the emulator was sent: proof of what its clients did to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, overload

StatementKind = Literal["batch", "prepare", "execute", "procedure", "transaction"]


@dataclass(frozen=True)
class RecordedStatement:
    """One statement: its text, who sent it, and when (UTC).

    A prepared statement is recorded when it is prepared and at every execution. ``procedure`` is a
    remote procedure called by name, ``transaction`` a request to begin, commit or roll back.
    """

    text: str
    kind: StatementKind
    user: str
    application: str
    database: str
    session_id: int
    received_at: datetime


class StatementLog(Sequence[RecordedStatement]):
    """Statements in the order of their arrival; safe to read while clients write."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statements: list[RecordedStatement] = []

    def append(self, statement: RecordedStatement) -> None:
        """Record one more statement."""
        with self._lock:
            self._statements.append(statement)

    def clear(self) -> None:
        """Forget all, to look at what comes next."""
        with self._lock:
            self._statements.clear()

    @property
    def texts(self) -> list[str]:
        """The statements' texts alone."""
        return [statement.text for statement in self]

    @overload
    def __getitem__(self, index: int) -> RecordedStatement: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RecordedStatement]: ...
    def __getitem__(self, index: int | slice) -> RecordedStatement | Sequence[RecordedStatement]:
        with self._lock:
            return self._statements[index]

    def __len__(self) -> int:
        with self._lock:
            return len(self._statements)

    def __iter__(self) -> Iterator[RecordedStatement]:
        with self._lock:
            return iter(list(self._statements))
