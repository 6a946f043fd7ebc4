"""Opening sessions with the target, and refusing targets that nothing should be loaded into.

Knows the driver; what sessions are set to is in ``session_settings``, why no session came about in
``connect_failures``, what may stand in between in ``pooling``, limits that end them at once in
``short_limits``. Does not parse URLs (``settings`` does) and reads no tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from blb_migration.cancellation import NEVER
from blb_migration.errors import MigrationError, TargetError, TargetForbids
from blb_migration.kept_sessions import SessionConnector
from blb_migration.postgres.answer_waits import AnswerWatcher
from blb_migration.postgres.cancellable import CancellableConnection
from blb_migration.postgres.connect_failures import explain_failure
from blb_migration.postgres.failures import build_target_error, is_transient, target_errors
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.pooling import refuse_lent_sessions
from blb_migration.postgres.session_settings import build_reset, pin_settings
from blb_migration.postgres.short_limits import build_refusal, find_short_limit, lift_limits
from blb_migration.retries import retry
from blb_migration.settings import TargetSettings
from blb_migration.settings.urls import name_place, normalise_host
from blb_migration.settings.variables import WaitingVariables

OLDEST_SERVER_VERSION = 130000  # 12 and older get no more fixes, and are untested here
CANCEL_TIMEOUT_SECONDS = 2
RETRY_PAUSES_SECONDS = (0.5, 2.0)  # between three attempts: a restart or a full pool passes in these

_READ_FITNESS = """
SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', s.source,
       current_setting('server_encoding'), pg_backend_pid()
FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only'
"""


class TargetConnector(SessionConnector[CancellableConnection]):
    """Opens sessions with one PostgreSQL database.

    Sessions are in autocommit mode: whatever belongs together is wrapped in
    ``connection.transaction()`` by its caller, so that the outermost block is a real transaction
    and not a savepoint (COPY ... FREEZE and the recorded transaction ids depend on it). Whoever sets
    something for a session sets it back, or for a transaction only. ``is_expendable``: nothing is lost with
    its sessions, so the server ends those of a machine that is cut off within seconds.
    """

    def __init__(self, settings: TargetSettings, *, is_expendable: bool = False) -> None:
        super().__init__()
        self.settings = settings
        self._is_expendable = is_expendable
        self._watcher = AnswerWatcher(self._open_plain)
        self._answered: str | None = None  # which of several hosts
        self._conninfo = settings.conninfo
        self._lifts_limits = False  # those of role and database were too short
        self._is_session_ours = False  # no pooler lends it to others; known after the first session

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled one arrives with no sessions.
        return partial(type(self), is_expendable=self._is_expendable), (self.settings,)

    def __repr__(self) -> str:
        return f"TargetConnector({self.settings.masked_url})"

    @property
    def place(self) -> str:
        """The database for people: of several hosts the one that answered last, before that all of them."""
        if not self.settings.has_several_hosts:
            return str(self.settings.identity)
        return self._answered or name_place(self.settings.masked_url)

    @contextmanager
    def connect(
        self, *, lock_timeout_seconds: float | None = None, outlives_cancel: bool = False
    ) -> Iterator[TargetConnection]:
        """Yield a checked session, new or kept, closed at the end of the block unless it is kept.

        ``lock_timeout_seconds`` bounds the wait for any lock; None: as BLB_LOCK_WAIT says.
        ``outlives_cancel``: the session notes down how things ended, so it goes on when the run is asked to
        end.

        Raises
        TargetUnreachable when no session can be opened, after three attempts where waiting can
        help, ConfigurationError when the URL asks for what libpq cannot do, TargetForbids when sessions are
        read-only, and TargetError for a server that is too old, a standby, behind a pooler in transaction
        mode, or not in UTF-8. A session that is lost within the block, wherever that shows, is a TargetError.
        """
        cancellation = NEVER if outlives_cancel else self._cancellation
        is_alive = partial(_set_if_alive, lock_timeout_seconds=lock_timeout_seconds)
        open_session = partial(self._open_checked, lock_timeout_seconds)
        with self._lend(open_session, is_alive, cancellation) as connection:
            try:
                yield connection
            except psycopg.Error as error:  # of a BEGIN or COMMIT, say, which no statement's words are about
                if is_transient(error):
                    raise build_target_error(error, f"target {self.place}") from error
                raise

    def _is_reusable(self, session: CancellableConnection) -> bool:
        return session.info.transaction_status is TransactionStatus.IDLE

    def _cancel(self, session: CancellableConnection) -> None:
        if session.info.transaction_status is TransactionStatus.ACTIVE:
            with suppress(psycopg.Error):  # it is broken off anyhow, or the server is gone
                session.cancel_safe(timeout=CANCEL_TIMEOUT_SECONDS)

    def _close(self, session: CancellableConnection) -> None:
        with suppress(psycopg.Error):  # the server may be gone; it rolls back what is open by itself
            session.close()

    def _open_checked(self, lock_timeout_seconds: float | None) -> CancellableConnection:
        connection = self._open()
        info = connection.info  # of one that is closed nothing can be read
        version, names = info.server_version, (info.user, info.dbname)
        try:
            return self._check(connection, lock_timeout_seconds)
        except TargetError as error:
            first = error
            limit = None if self._lifts_limits else find_short_limit(error.__cause__)
            if limit is None:
                raise
        self._conninfo = lift_limits(self._conninfo, version)
        self._lifts_limits = True
        try:
            return self._check(self._open(), lock_timeout_seconds)
        except MigrationError as other:
            self._conninfo, self._lifts_limits = self.settings.conninfo, False
            raise build_refusal(limit, names, self.settings.masked_url, first, other) from None

    def _check(
        self, connection: CancellableConnection, lock_timeout_seconds: float | None
    ) -> CancellableConnection:
        try:
            with target_errors(self.settings.masked_url):
                self._prepare(connection, lock_timeout_seconds)
        except BaseException:
            self._close(connection)
            raise
        return connection

    def _open(self) -> CancellableConnection:
        with self._watcher.opening():
            connection = retry(self._open_once, _is_transient, RETRY_PAUSES_SECONDS)
        connection.watcher = self._watcher
        return connection

    def _open_once(self) -> CancellableConnection:
        try:
            connection = CancellableConnection.connect(
                self._conninfo,
                autocommit=True,
                prepare_threshold=None,  # prepared statements do not survive a pooler
            )
            info = connection.info
            self._answered = f"{normalise_host(info.host)}:{info.port}/{info.dbname}"
            return connection
        except psycopg.Error as error:
            failure = explain_failure(str(error), self.settings.masked_url, self._list_secrets())
        # Not chained: libpq's own texts may repeat parts of the connection string.
        raise failure

    def _list_secrets(self) -> tuple[str | None, ...]:
        return (
            self.settings.password,
            os.environ.get("PGPASSWORD"),
            *(value for _, value in self.settings.secrets),
        )

    def _open_plain(self) -> psycopg.Connection[Any]:
        """Open a session for the watcher, which asks what others wait for. Raises psycopg.Error."""
        session = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        session.execute("SET search_path = pg_catalog")
        return session

    def _prepare(self, connection: CancellableConnection, lock_timeout_seconds: float | None) -> None:
        subject = self.settings.masked_url
        if connection.info.server_version < OLDEST_SERVER_VERSION:
            raise TargetError(
                subject,
                found=f"the server is PostgreSQL {_format_version(connection.info.server_version)}",
                expected=f"PostgreSQL {OLDEST_SERVER_VERSION // 10000} or newer",
                next_act="Upgrade the target server",
            )
        if not self._is_session_ours:  # asked before anything is set: it would be set for others
            refuse_lent_sessions(connection, subject, self._open)
            self._is_session_ours = True
        pin_settings(connection, subject, is_expendable=self._is_expendable)
        set_lock_timeout(connection, lock_timeout_seconds)
        row = connection.execute(_READ_FITNESS).fetchone()
        is_standby, is_read_only, set_by, encoding, server_pid = row or (False, False, "", "UTF8", 0)
        if is_standby:
            raise TargetError(
                subject,
                found="it is a standby in recovery (hot standby), which takes no writes",
                expected="a primary server that accepts writes",
                next_act="Connect to the primary; where the URL names several hosts, "
                "target_session_attrs=read-write finds it",
            )
        if is_read_only:
            raise TargetForbids(
                subject,
                found=f"its sessions are read-only (default_transaction_read_only, set by: {set_by})",
                expected="a user that may write",
                next_act=build_reset(connection, "default_transaction_read_only", "off", set_by),
            )
        connection.server_pid = server_pid
        if encoding != "UTF8":
            raise TargetError(
                subject,
                found=f"the database's encoding is {encoding}",
                expected="UTF8, the only one that can hold all of nvarchar",
                next_act="Create the database with ENCODING 'UTF8' TEMPLATE template0",
            )


def set_lock_timeout(
    connection: TargetConnection, seconds: float | None, *, in_transaction: bool = False
) -> None:
    """Bound the wait for any lock; None: as BLB_LOCK_WAIT says. 0 is no limit.

    ``in_transaction`` limits it to the open transaction. A wait that is cut short raises SQLSTATE
    55P03, which ``failures`` counts as transient.
    """
    seconds = WaitingVariables.read().lock_wait if seconds is None else seconds
    milliseconds = max(1, round(seconds * 1000)) if seconds else 0  # to the server 0 is no limit, too
    connection.execute("SELECT set_config('lock_timeout', %s, %s)", (str(milliseconds), in_transaction))


def _set_if_alive(connection: TargetConnection, lock_timeout_seconds: float | None) -> bool:
    try:
        set_lock_timeout(connection, lock_timeout_seconds)
    except psycopg.Error:  # the server restarted, or ended the session
        return False
    return True


def server_version(connection: TargetConnection) -> int:
    """Return the server's version as libpq counts it: 180001 is 18.1."""
    return connection.info.server_version


def _format_version(version: int) -> str:
    return f"{version // 10000}.{version % 10000}"


def _is_transient(error: Exception) -> bool:
    return isinstance(error, MigrationError) and error.is_transient
