"""Sessions with SQL Server, through one of the drivers that mssql-python carries. No table is read here.

A session is in autocommit, so that no transaction is opened by accident, and sets nothing but its isolation
level, which ends with it. One thread at a time uses it; open one per thread. Within ``keeping_sessions`` a
session outlives its block and serves the next one, unless something failed in it, a result is unread, or
it holds a snapshot.

Two statements of one session see one and the same moment only under ``isolation="snapshot"``, where the whole
session is one (reading) transaction; closing it rolls back. Two sessions never share a moment: for that,
freeze the source or read from a database snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from blb_migration.cancellation import NEVER
from blb_migration.errors import SourceError
from blb_migration.kept_sessions import SessionConnector
from blb_migration.retries import retry
from blb_migration.settings import SourceSettings
from blb_migration.settings.odbc import RUST_DRIVER
from blb_migration.settings.variables import SourceVariables, WaitingVariables
from blb_migration.source_marker import SourceOrigin
from blb_migration.sqlserver.blockers import describe_wait
from blb_migration.sqlserver.database_failures import READ_DATABASES, build_database_failure
from blb_migration.sqlserver.drivers import LoadedDriver, load_driver
from blb_migration.sqlserver.failures import build_statement_failure, read_state
from blb_migration.sqlserver.log_in_failures import (
    build_connection_failure,
    is_refused_log_in,
    is_worth_a_retry,
    refuse_closed_port,
)
from blb_migration.sqlserver.sockets import ConnectionSocket, connect_and_find_socket, connecting
from blb_migration.sqlserver.stalls import WatchedCursor, watching_source

WantedIsolation = Literal["read committed", "snapshot"]
Isolation = Literal["read committed", "read committed snapshot", "snapshot"]

RETRY_PAUSES_SECONDS = (0.5, 1.0)  # between three attempts
# A driver that cannot cancel reads a result that is left early to its end, but no longer than this.
MAX_DRAIN_SECONDS = 2.0
EXPLAIN_SECONDS = 5.0  # for a second session's questions, beside one that waits
# No firewall forgets a session that spoke so lately; an end that the server gave it shows at its socket.
FRESH_SECONDS = 5.0

_READ_ISOLATION = """
SELECT CAST(d.snapshot_isolation_state AS int), CAST(d.is_read_committed_snapshot_on AS int), @@SPID
FROM sys.databases AS d
WHERE d.name = DB_NAME()
"""
_ARE_YOU_THERE = "SELECT 1"
_READ_LANGUAGE = "SELECT @@LANGUAGE"
_SET_ENGLISH = "SET LANGUAGE us_english"
_AGAIN_SECONDS = 5.0  # a statement that failed within these is asked again for its error in English
_SET_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT"


class SourceSession:
    """One log-in's conversation with SQL Server. Not shared between threads.

    ``isolation`` is what is really used, ``subject`` the masked URL for messages, ``notes`` what the server
    could not tell, in words. ``socket`` is given for a driver that cannot cancel, ``line`` for any, where
    known. ``number`` is the server's; ``explain`` says what the session of a number waits for, and without it
    nothing is said of its waits. ``address`` is host, port and database, ``origin`` which one it is, once it
    was asked; ``refused`` has what the server would not tell, by statement: it is not asked again.
    """

    def __init__(
        self, connection: Any, subject: str, driver: LoadedDriver, socket: ConnectionSocket | None = None
    ) -> None:
        self._connection = connection
        self._socket = socket
        self.line = socket
        self.subject = subject
        self.driver = driver
        self.number: int | None = None
        self.explain: Callable[[int], str | None] | None = None
        self.isolation: Isolation = "read committed"
        self.notes: list[str] = []
        self.address = ""
        self.refused: dict[str, str] = {}
        self.origin: SourceOrigin | None = None
        self._open_cursors = 0
        self._spoke_at = 0.0
        self._running: set[Any] = set()
        self.cancellation = NEVER

    def read_rows(
        self,
        statement: str,
        parameters: Sequence[object] = (),
        *,
        action: str,
        subject: str | None = None,
    ) -> list[tuple[Any, ...]]:
        """All rows of a small result, by position: servers differ in the letter case of result names.

        ``action`` and ``subject`` say in a SourceError what failed for which object.
        """
        with self.open_cursor(statement, parameters, action=action, subject=subject) as cursor:
            try:
                return [tuple(row) for row in cursor.fetchall()]
            except Exception as error:
                raise self._build_failure(error, subject, action) from error

    def read_if_told(
        self, statement: str, parameters: Sequence[object] = (), *, what: str
    ) -> list[tuple[Any, ...]] | None:
        """Like ``read_rows``, but None where the server lacks or hides it; ``refused`` then says so.

        Raises SourceError only when the connection is lost.
        """
        if statement in self.refused:
            return None
        try:
            return self.read_rows(statement, parameters, action="the question")
        except SourceError as error:
            if error.is_transient:
                raise
            self.refused[statement] = f"the source does not tell {what} ({error.found})"
            return None

    @contextmanager
    def open_cursor(
        self,
        statement: str,
        parameters: Sequence[object] = (),
        *,
        action: str,
        subject: str | None = None,
        is_stream: bool = False,
    ) -> Iterator[Any]:
        """Yield an executed driver cursor; leaving it early cancels the result instead of draining it.

        ``is_stream``: its rows come at once, so that a silence is no work of the server's.
        With a driver that cannot cancel, a result longer than two seconds costs the session.
        """
        self.cancellation.check()
        try:
            cursor = self._connection.cursor()
        except Exception as error:
            raise self._build_failure(error, subject, action) from error
        self._open_cursors += 1
        self._running.add(cursor)
        watched = WatchedCursor(cursor, partial(self._watch, f"{subject or self.subject}: {action}"))
        try:
            began = time.monotonic()
            try:
                watched.execute(statement, tuple(parameters), is_stream=is_stream)
            except Exception as error:
                if time.monotonic() - began < _AGAIN_SECONDS:
                    error = self._hear_in_english(error, statement, parameters)
                raise self._build_failure(error, subject, action) from error
            yield watched
        except Exception:
            self.cancellation.check()  # it failed because it was cancelled
            raise
        finally:
            self._running.discard(cursor)
            unread = None if watched.is_read else self._socket
            limit = unread.cutting_after(MAX_DRAIN_SECONDS) if unread else nullcontext()
            # What fails is an unread result of a broken connection; the cause is raised already.
            with limit, suppress(Exception):
                cursor.close()
                self._open_cursors -= 1
                self._spoke_at = time.monotonic()

    def cancel_running(self) -> None:
        """Break off the statement that this session is busy with; from another thread.

        With a driver that cannot cancel, the session ends with it.
        """
        for cursor in list(self._running):
            if self._socket is not None:
                self._socket.cut()
            else:
                with suppress(Exception):  # it has just ended
                    cursor.hstmt._cancel()  # SQLCancel, which mssql-python has no public name for

    def _watch(self, what: str, is_stream: bool) -> AbstractContextManager[None]:
        number, explain = self.number, self.explain
        if explain is None:  # whoever uses it bounds its time
            return nullcontext()
        limits = WaitingVariables.read()
        limit = limits.stall if is_stream else limits.answer_wait
        line = self.line
        return watching_source(
            what,
            limit,
            line.read_silence if line else lambda: None,
            line.cut if line else self.cancel_running,
            lambda: explain(number) if number is not None else None,
        )

    def bounded(self, seconds: float) -> AbstractContextManager[None]:
        """Within the block, end the session once ``seconds`` have passed, where its socket is known."""
        return self.line.cutting_after(seconds) if self.line else nullcontext()

    def use_isolation(self, wanted: WantedIsolation) -> None:
        """Read from one moment if ``snapshot`` is wanted and the database allows it.

        Must come before the first read. What is used is in ``isolation`` afterwards.
        """
        allows_snapshot, commits_snapshot = self._read_isolation_settings()
        if wanted == "snapshot" and allows_snapshot:
            action = "beginning to read from one moment"
            with self.open_cursor(_SET_SNAPSHOT, action=action):
                pass
            try:
                self._connection.setautocommit(False)
            except Exception as error:
                raise self._build_failure(error, None, action) from error
            self.isolation = "snapshot"
            return
        self.isolation = "read committed snapshot" if commits_snapshot else "read committed"
        if wanted == "snapshot":
            self.notes.append(
                f"ALLOW_SNAPSHOT_ISOLATION is off in the source database; reads are {self.isolation}"
            )

    def _read_isolation_settings(self) -> tuple[bool, bool]:
        try:
            rows = self.read_rows(_READ_ISOLATION, action="reading sys.databases")
        except SourceError as error:
            self.notes.append(f"the isolation settings of the source are not known ({error.found})")
            return False, False
        if not rows:
            return False, False
        snapshot_state, read_committed_snapshot, self.number = rows[0]
        return snapshot_state == 1, bool(read_committed_snapshot)

    def _hear_in_english(self, error: Exception, statement: str, parameters: Sequence[object]) -> Exception:
        """Return the same failure in English, as ``failures`` reads it; as it came where it cannot be had.

        Only for the moment of asking again: months' names and the order of day and month in what a session
        converts are its language's, so rows are read in the log-in's own.
        """
        if read_state(error) != "42000":
            return error
        with suppress(Exception), self.bounded(_AGAIN_SECONDS), closing(self._connection.cursor()) as cursor:
            language = str(cursor.execute(_READ_LANGUAGE).fetchone()[0])
            if language.lower() != "us_english":
                cursor.execute(_SET_ENGLISH)
                try:
                    cursor.execute(statement, tuple(parameters))
                except Exception as again:  # noqa: BLE001  it is what is asked for
                    return again
                finally:
                    cursor.execute("SET LANGUAGE N'{}'".format(language.replace("'", "''")))
        return error

    def _build_failure(self, error: Exception, subject: str | None, action: str) -> SourceError:
        if isinstance(error, SourceError):
            return error
        return build_statement_failure(error, subject or self.subject, f"{action} failed")

    @property
    def is_reusable(self) -> bool:
        """Whether nothing of its last use is left: no snapshot, no cursor that could not be closed."""
        is_cut = self.line is not None and self.line.is_cut
        return self.isolation != "snapshot" and self._open_cursors == 0 and not is_cut

    def is_alive(self) -> bool:
        """Whether the server still answers it: asked, unless it has just done so and its line is quiet."""
        was_heard = time.monotonic() - self._spoke_at < FRESH_SECONDS
        if was_heard and self.line is not None and self.line.is_quiet():
            return True
        try:
            return bool(self.read_rows(_ARE_YOU_THERE, action="asking whether the session is alive"))
        except SourceError:
            return False

    def close(self) -> None:
        """End the session at once, also in the middle of a large result."""
        if self._socket is not None:
            self._socket.cut()
        with suppress(Exception):  # the server may be gone; there is nothing left to lose
            self._connection.close()
        if self.line is not None:
            self.line.release()


class SourceConnector(SessionConnector[SourceSession]):
    """Opens sessions with one source database; may be shared between threads, and pickled.

    It holds a connection only while one is in use, or within ``keeping_sessions``.
    """

    def __init__(self, settings: SourceSettings, *, isolation: WantedIsolation | None = None) -> None:
        """Without ``isolation`` the environment says it. Raises ConfigurationError."""
        super().__init__()
        self.settings = settings
        self.isolation: WantedIsolation = isolation or SourceVariables.read().source_isolation

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), isolation=self.isolation), (self.settings,)  # it arrives with no sessions

    @contextmanager
    def connect(self) -> Iterator[SourceSession]:
        """Yield a session, new or kept, closed on leaving unless it is kept.

        Raises SourceUnreachable saying whether host, log-in, database, encryption or time was the cause, or
        ConfigurationError when no driver can be loaded.
        """
        self._cancellation.check()
        with self._lend(self._open_session, SourceSession.is_alive, self._cancellation) as session:
            yield session

    def _is_reusable(self, session: SourceSession) -> bool:
        return session.is_reusable

    def _cancel(self, session: SourceSession) -> None:
        session.cancel_running()

    def _close(self, session: SourceSession) -> None:
        session.close()

    def _open_session(self) -> SourceSession:
        driver = load_driver(self.settings.driver, self.settings.needs_microsoft_driver)
        session = self._open_connection(driver)
        session.explain = self._explain_wait
        try:
            session.use_isolation(self.isolation)
        except BaseException:
            session.close()
            raise
        return session

    def _explain_wait(self, number: int) -> str | None:
        """Ask by a session of its own, for a few seconds, what the session of this number waits for."""
        settings = self.settings
        session = _connect(settings, load_driver(settings.driver, settings.needs_microsoft_driver))
        with closing(session), session.bounded(EXPLAIN_SECONDS):
            return describe_wait(session, number)

    def _open_connection(self, driver: LoadedDriver) -> SourceSession:
        with connecting:
            refuse_closed_port(self.settings)
        settings = self.settings
        try:
            return retry(lambda: _connect(settings, driver), is_worth_a_retry, RETRY_PAUSES_SECONDS)
        except Exception as error:
            self._refuse_missing_database(error, driver)
            raise build_connection_failure(
                error, settings.masked_url, settings.username, settings.login_timeout_seconds
            ) from error

    def _refuse_missing_database(self, error: Exception, driver: LoadedDriver) -> None:
        """Tell a wrong database from a wrong password: the same log-in can then open master."""
        if not is_refused_log_in(error):
            return
        try:
            session = _connect(replace(self.settings, database="master"), driver)
        except Exception:  # noqa: BLE001  the log-in itself is refused; the first error says it
            return
        with closing(session):
            told = session.read_if_told(READ_DATABASES, what="its databases")
        settings = self.settings
        raise build_database_failure(settings.masked_url, settings.database, told or (), error) from error


def _connect(settings: SourceSettings, driver: LoadedDriver) -> SourceSession:
    import mssql_python

    # A pooled connection would carry one session's isolation level into the next.
    mssql_python.pooling(enabled=False)
    connect = partial(
        mssql_python.connect,
        settings.connection_string,
        autocommit=True,
        timeout=settings.login_timeout_seconds,
    )
    port = settings.tcp_address[1] if settings.tcp_address else None

    def log_in() -> Any:
        what = f"{settings.masked_url}: logging in"
        with watching_source(what, settings.login_timeout_seconds, lambda: None, None):
            return connect()

    connection, found = connect_and_find_socket(log_in, port)
    is_cut_to_cancel = driver.name == RUST_DRIVER
    session = SourceSession(connection, settings.masked_url, driver, found if is_cut_to_cancel else None)
    session.line = found
    session.address = str(settings.identity)
    return session
