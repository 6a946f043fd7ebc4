"""Which statements of the target's sessions wait, and for whom: for a lock, or for a server that is silent.

One watcher for each connector: a thread that lives while statements run, looks at those which have been
running for a second, and has the server asked by a session of its own. Who holds a lock is said
(``lock_waits``) and named in the error; how long it is waited for is the server's lock_timeout (``connect``).
A statement that works is left alone, for however long: the second session's answer shows that the server is
there, and so does its refusal. Where that gets no answer either, this is said, and after BLB_STALL seconds
the socket is shut down, which ends the driver's wait with an error.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from blb_migration.postgres.failures import describe_database_error
from blb_migration.postgres.lock_waits import read_lock_waits
from blb_migration.settings.variables import WaitingVariables, name_variable
from blb_migration.waiting import LOOK_EVERY_SECONDS, SayPace, Watcher, tell

FIRST_SECONDS = 1.0  # most waits are over by then
SILENT_FROM_SECONDS = 2.5  # and a log-in of a busy server is

Plain = psycopg.Connection[Any]


@dataclass(eq=False)
class _Running:
    """What is waited for now. ``connection`` is None while a session is only being opened."""

    connection: Plain | None
    server_pid: int = 0
    pace: SayPace = field(default_factory=lambda: SayPace(FIRST_SECONDS))
    blockers: str | None = None
    given_up_after: float | None = None


class AnswerWatcher(Watcher[_Running]):
    """Knows which of a connector's statements wait, and for whom. Thread-safe.

    ``open_session`` opens the session that asks, within a bounded time. Raises psycopg.Error.
    """

    def __init__(self, open_session: Callable[[], Plain]) -> None:
        super().__init__("blb-answer-watcher")
        self._open_session = open_session
        self._asking: threading.Thread | None = None
        self._session: Plain | None = None
        self._answered_at = 0.0

    @contextmanager
    def watching(self, connection: Plain, server_pid: int) -> Iterator[None]:
        """Watch the statement of the block.

        A lock that was not to be had then names who holds it. Raises psycopg.OperationalError where the
        server has answered nobody for too long.
        """
        running = _Running(connection, server_pid)
        try:
            with self._listed(running):
                yield
        except psycopg.errors.LockNotAvailable as error:
            if running.blockers is not None:
                error.add_note(running.blockers)
            raise
        except psycopg.OperationalError as error:
            if running.given_up_after is None:
                raise
            given_up = (
                f"the target has answered nobody for {running.given_up_after:.0f} s, and was given up "
                f"({name_variable('stall')} says after how long)"
            )
            raise psycopg.OperationalError(given_up) from error

    def opening(self) -> AbstractContextManager[None]:
        """Watch a session being opened, for as long as that is tried."""
        return self._listed(_Running(None))

    def _look(self, waits: Sequence[_Running]) -> None:
        waited = [one for one in waits if one.pace.elapsed_seconds >= FIRST_SECONDS]
        statements = [one for one in waited if one.connection is not None]
        if statements and not self._is_asking():
            self._asking = threading.Thread(target=self._ask, args=(statements,), daemon=True)
            self._asking.start()
            self._asking.join(LOOK_EVERY_SECONDS)
        for one in waited:
            self._judge(one)

    def _rest(self) -> bool:
        if self._is_asking():
            return False
        self._close_session()
        return True

    def _is_asking(self) -> bool:
        return self._asking is not None and self._asking.is_alive()

    def _ask(self, statements: list[_Running]) -> None:
        """Ask the server what the statements wait for; that it answers at all is an answer, too."""
        try:
            self._session = self._session or self._open_session()
            with _bounded(self._session, WaitingVariables.read().stall):
                waits = read_lock_waits(self._session, [one.server_pid for one in statements])
        except psycopg.errors.ConnectionTimeout:
            return
        except psycopg.Error as error:
            was_cut = self._session is not None and error.sqlstate is None
            self._close_session()
            if not was_cut:
                self._answered_at = time.monotonic()
                _say_unknown(statements, error)
            return
        self._answered_at = time.monotonic()
        for one in statements:
            wait = waits.get(one.server_pid)
            if wait is None:
                continue
            one.blockers = wait.blockers
            if one.pace.is_due():
                tell(
                    f"waiting {one.pace.elapsed_seconds:.0f} s at the target for {wait.lock}: {wait.blockers}"
                )

    def _judge(self, one: _Running) -> None:
        """Say that nobody is answered, and give up at the limit."""
        waited = one.pace.elapsed_seconds
        if one.connection is None:
            if waited >= SILENT_FROM_SECONDS and one.pace.is_due():
                tell(f"waiting {waited:.0f} s for the target to let a session in")
            return
        silent = min(waited, time.monotonic() - self._answered_at)
        limit = WaitingVariables.read().stall
        if silent >= limit:
            with self._lock:
                is_new = one in self._waits and one.given_up_after is None
                if is_new:
                    one.given_up_after = silent
                    shut_down(one.connection)
            if is_new:
                tell(f"the target has answered nobody for {silent:.0f} s; that is broken off")
        elif silent >= SILENT_FROM_SECONDS and one.pace.is_due():
            wait = f"waiting {silent:.0f} s for an answer of the target, which a second session lacks, too"
            tell(f"{wait}; it is waited for {limit:g} s at most")

    def _close_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(psycopg.Error):
                session.close()


@contextmanager
def _bounded(connection: Plain, seconds: float) -> Iterator[None]:
    """Shut the connection down once ``seconds`` have passed."""
    timer = threading.Timer(seconds, shut_down, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def shut_down(connection: Plain) -> None:
    """End the conversation: whoever waits for the server meets its end. From any thread."""
    with suppress(OSError, psycopg.Error):  # it has just ended
        handle = socket.socket(fileno=connection.fileno())
        try:
            handle.shutdown(socket.SHUT_RDWR)
        finally:
            handle.detach()  # the number is the driver's


def _say_unknown(statements: list[_Running], error: psycopg.Error) -> None:
    reason = describe_database_error(error)
    for one in statements:
        if one.pace.is_due():
            waited = f"waiting {one.pace.elapsed_seconds:.0f} s for an answer of the target"
            tell(f"{waited}; what for is not known, since no second session is to be had: {reason}")
