"""A source that says nothing: noticed by the bytes that do not come, said, and at a limit cut off.

Every call that waits for SQL Server is watched (``connect``). How long no byte has come says the operating
system, of the driver's own socket (TCP_INFO of Linux); elsewhere the time since the call began counts. A call
for rows may be silent for BLB_STALL seconds. A statement may work long without a word (a count of a large
table): it is given up only after BLB_ANSWER_WAIT seconds. Then the socket is shut down, which ends the
driver's call with an error; without a known socket the statement is cancelled. Meanwhile a second session
asks whose lock is in the way (``blockers``).

While the driver waits for rows with (max) columns it may keep the interpreter for itself, so that no thread
of this process can watch; then only the operating system's own limits end the wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from blb_migration.errors import SourceError
from blb_migration.settings.variables import name_variable
from blb_migration.waiting import SAY_EVERY_SECONDS, SayPace, Watcher, tell

FIRST_SECONDS = 4.0  # most statements have answered by then
ASK_FROM_SECONDS = 2.0  # so that the first sentence can say who is in the way


@dataclass(eq=False)
class Wait:
    """One call that waits for the source; ``was_cut`` once it was given up.

    Without ``give_up`` the call ends by itself at the limit.
    """

    what: str
    limit_seconds: float
    read_silence: Callable[[], float | None]
    give_up: Callable[[], None] | None
    explain: Callable[[], str | None]
    pace: SayPace = field(default_factory=lambda: SayPace(FIRST_SECONDS))
    was_cut: bool = False
    because: str | None = None
    _asked_at: float | None = None

    @property
    def silent_seconds(self) -> float:
        """For how long nothing has come since the call began."""
        elapsed = self.pace.elapsed_seconds
        silence = self.read_silence()
        return elapsed if silence is None else min(elapsed, silence)

    def look(self) -> None:
        """Say what is waited for, and give up at the limit."""
        silent = self.silent_seconds
        if silent >= ASK_FROM_SECONDS:
            self._ask(silent)
        if self.give_up is not None and silent >= self.limit_seconds and not self.was_cut:
            self.was_cut = True
            tell(f"{self._describe(silent)}; that is broken off")
            self.give_up()
        elif silent >= FIRST_SECONDS and self.pace.is_due():
            tell(f"{self._describe(silent)}; it is waited for {self.limit_seconds:g} s at most")

    def _describe(self, silent: float) -> str:
        because = f"; {self.because}" if self.because else ""
        return f"{self.what}: the source has sent nothing for {silent:.0f} s{because}"

    def _ask(self, silent: float) -> None:
        """Have it found out who is in the way, beside the watcher: the source may not answer that either."""
        if self._asked_at is not None and silent < self._asked_at + SAY_EVERY_SECONDS:
            return
        self._asked_at = silent

        def ask() -> None:
            with suppress(Exception):  # whatever the driver raises: then it is not known
                self.because = self.explain()

        threading.Thread(target=ask, name="blb-wait-explainer", daemon=True).start()


class _StallWatcher(Watcher[Wait]):
    """Watches the waits of this process."""

    def watching(self, wait: Wait) -> AbstractContextManager[None]:
        """Watch for the length of the block."""
        return self._listed(wait)

    def _look(self, waits: Sequence[Wait]) -> None:
        for wait in waits:
            wait.look()


_WATCHER = _StallWatcher("blb-stall-watcher")


class WatchedCursor:
    """A driver's cursor whose waits are watched; everything else is the driver's own.

    ``is_read``: its rows were fetched to their end, so that closing it has nothing left to read.
    """

    def __init__(self, cursor: Any, watch: Callable[[bool], AbstractContextManager[object]]) -> None:
        self._cursor = cursor
        self._watch = watch
        self.is_read = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, statement: str, parameters: tuple[object, ...], *, is_stream: bool) -> None:
        """Send the statement and wait until its answer begins."""
        with self._watch(is_stream):
            self._cursor.execute(statement, parameters) if parameters else self._cursor.execute(statement)

    def fetchall(self) -> Any:
        """Fetch the rows of an answer, which the server may have to work for."""
        with self._watch(False):
            rows = self._cursor.fetchall()
        self.is_read = True
        return rows

    def arrow_batch(self, row_count: int) -> Any:
        """Fetch the next rows of many."""
        with self._watch(True):
            batch = self._cursor.arrow_batch(row_count)
        self.is_read = batch.num_rows == 0
        return batch


@contextmanager
def watching_source(
    what: str,
    limit_seconds: float,
    read_silence: Callable[[], float | None],
    give_up: Callable[[], None] | None,
    explain: Callable[[], str | None] = lambda: None,
) -> Iterator[None]:
    """Watch a call that waits for the source. Raises SourceError, transient, when it was given up."""
    wait = Wait(what, limit_seconds, read_silence, give_up, explain)
    try:
        with _WATCHER.watching(wait):
            yield
    except Exception as error:
        if wait.was_cut:
            raise _build_stall(wait) from error
        raise


def _build_stall(wait: Wait) -> SourceError:
    subject, _, action = wait.what.partition(": ")
    failure = SourceError(
        subject,
        found=f"{action} was broken off: the source sent nothing for {wait.limit_seconds:g} seconds"
        f"{f', and {wait.because}' if wait.because else ''}",
        expected="an answer",
        next_act="See whether SQL Server and the network are well, and whether somebody there holds a lock,"
        f" then run again; {name_variable('stall')} and {name_variable('answer_wait')} say for how long",
    )
    failure.is_transient = True
    return failure
