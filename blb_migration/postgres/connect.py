"""Opening sessions with the target, and refusing targets that nothing should be loaded into.

Knows the driver and the session's settings; why no session came about is in ``connect_failures``, what
may stand in between in ``pooling``. Does not parse URLs (``settings`` does) and reads no tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from blb_migration.cancellation import NEVER, Cancellation
from blb_migration.errors import MigrationError, TargetError, TargetForbids
from blb_migration.kept_sessions import SessionKeeper
from blb_migration.postgres.cancellable import CancellableConnection
from blb_migration.postgres.connect_failures import explain_failure
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.pooling import refuse_lent_sessions
from blb_migration.retries import retry
from blb_migration.settings import TargetSettings

OLDEST_SERVER_VERSION = 130000  # 12 and older get no more fixes, and are untested here
CANCEL_TIMEOUT_SECONDS = 2
RETRY_PAUSES_SECONDS = (0.5, 2.0)  # between three attempts: a restart or a full pool passes in these

# Sessions must not depend on what a role or a database sets for its own clients.
SESSION_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "statement_timeout": "0",  # a COPY takes as long as the table is large
    "transaction_timeout": "0",  # since PostgreSQL 17
    "idle_in_transaction_session_timeout": "0",  # the load waits for the source inside a transaction
    "idle_session_timeout": "0",  # since PostgreSQL 14; the ledger's session waits for the loads
}
_SET_SESSION = """
SELECT set_config(name, value, false)
FROM unnest(%s::text[], %s::text[]) wanted (name, value) JOIN pg_catalog.pg_settings USING (name)
"""
_READ_FITNESS = """
SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', s.source,
       current_setting('server_encoding')
FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only'
"""


class TargetConnector:
    """Opens sessions with one PostgreSQL database.

    Sessions are in autocommit mode: whatever belongs together is wrapped in
    ``connection.transaction()`` by its caller, so that the outermost block is a real transaction
    and not a savepoint (COPY ... FREEZE and the recorded transaction ids depend on it). Within
    ``keeping_sessions`` a session outlives its block and serves the next one, unless the block failed.
    Whoever sets something for a session sets it back, or for a transaction only.
    """

    def __init__(self, settings: TargetSettings) -> None:
        self.settings = settings
        self._keeper: SessionKeeper[CancellableConnection] = SessionKeeper(_close)
        self._in_use: set[CancellableConnection] = set()
        self._cancellation = NEVER
        self._is_session_ours = False  # no pooler lends it to others; known after the first session

    def __reduce__(self) -> tuple[type[TargetConnector], tuple[TargetSettings]]:
        return type(self), (self.settings,)  # a pickled one arrives with no sessions

    def __repr__(self) -> str:
        return f"TargetConnector({self.settings.masked_url})"

    @contextmanager
    def connect(
        self, *, lock_timeout_seconds: float | None = None, outlives_cancel: bool = False
    ) -> Iterator[TargetConnection]:
        """Yield a checked session, new or kept, closed at the end of the block unless it is kept.

        ``lock_timeout_seconds`` bounds the wait for any lock; None waits for ever. ``outlives_cancel``: the
        session notes down how things ended, so it goes on when the run is asked to end. Raises
        TargetUnreachable when no session can be opened, after three attempts where waiting can
        help, ConfigurationError when the URL asks for what libpq cannot do, TargetForbids when sessions are
        read-only, and TargetError for a server that is too old, a standby, behind a pooler in transaction
        mode, or not in UTF-8.
        """
        connection = self._take_kept(lock_timeout_seconds) or self._open_checked(lock_timeout_seconds)
        connection.cancellation = NEVER if outlives_cancel else self._cancellation
        self._in_use.add(connection)
        try:
            yield connection
        except BaseException:
            _close(connection)
            raise
        finally:
            self._in_use.discard(connection)
            connection.cancellation = NEVER
        if connection.info.transaction_status is TransactionStatus.IDLE:
            self._keeper.give_back(connection)
        else:
            _close(connection)

    def keeping_sessions(self) -> AbstractContextManager[None]:
        """Within the block, sessions are kept for the next ``connect`` instead of being closed."""
        return self._keeper.keeping()

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
        """Ask the server to break off what sessions are busy with now; from any thread."""
        for connection in list(self._in_use):
            is_busy = connection.info.transaction_status is TransactionStatus.ACTIVE
            if is_busy and connection.cancellation is not NEVER:
                with suppress(psycopg.Error):  # it is broken off anyhow, or the server is gone
                    connection.cancel_safe(timeout=CANCEL_TIMEOUT_SECONDS)

    def _take_kept(self, lock_timeout_seconds: float | None) -> CancellableConnection | None:
        while (connection := self._keeper.take()) is not None:
            try:
                set_lock_timeout(connection, lock_timeout_seconds)
            except psycopg.Error:  # the server restarted, or ended the session
                _close(connection)
            else:
                return connection
        return None

    def _open_checked(self, lock_timeout_seconds: float | None) -> CancellableConnection:
        connection = self._open()
        try:
            self._prepare(connection, lock_timeout_seconds)
        except BaseException:
            _close(connection)
            raise
        return connection

    def _open(self) -> CancellableConnection:
        return retry(self._open_once, _is_transient, RETRY_PAUSES_SECONDS)

    def _open_once(self) -> CancellableConnection:
        try:
            return CancellableConnection.connect(
                self.settings.conninfo,
                autocommit=True,
                prepare_threshold=None,  # prepared statements do not survive a pooler
            )
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

    def _prepare(self, connection: TargetConnection, lock_timeout_seconds: float | None) -> None:
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
        connection.execute("SET statement_timeout = 0")  # a role's may be too short even for what follows
        connection.execute(_SET_SESSION, (list(SESSION_SETTINGS), list(SESSION_SETTINGS.values())))
        set_lock_timeout(connection, lock_timeout_seconds)
        row = connection.execute(_READ_FITNESS).fetchone()
        is_standby, is_read_only, set_by, encoding = row or (False, False, "", "UTF8")
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
                next_act=_build_reset(set_by, connection.info.user, connection.info.dbname),
            )
        if encoding != "UTF8":
            raise TargetError(
                subject,
                found=f"the database's encoding is {encoding}",
                expected="UTF8, the only one that can hold all of nvarchar",
                next_act="Create the database with ENCODING 'UTF8' TEMPLATE template0",
            )


def _build_reset(set_by: str, user: str, database: str) -> str:
    """Return what takes default_transaction_read_only away, by where pg_settings says that it comes from."""
    role, name = sql.Identifier(user).as_string(), sql.Identifier(database).as_string()
    owners = {"database": f"DATABASE {name}", "user": f"ROLE {role}"}
    owners["database user"] = f"ROLE {role} IN DATABASE {name}"
    if set_by in owners:
        return f"Run: ALTER {owners[set_by]} RESET default_transaction_read_only"
    if set_by == "client":
        return "Take it out of the URL's options, or of PGOPTIONS in the environment"
    return "Set default_transaction_read_only = off in the server's configuration, and reload it"


def _close(connection: TargetConnection) -> None:
    with suppress(psycopg.Error):  # the server may be gone; it rolls back what is open by itself
        connection.close()


def set_lock_timeout(
    connection: TargetConnection, seconds: float | None, *, in_transaction: bool = False
) -> None:
    """Bound the wait for any lock; None waits for ever.

    ``in_transaction`` limits it to the open transaction. A wait that is cut short raises SQLSTATE
    55P03, which ``failures`` counts as transient.
    """
    milliseconds = 0 if seconds is None else max(1, round(seconds * 1000))  # to the server 0 is no limit
    connection.execute("SELECT set_config('lock_timeout', %s, %s)", (str(milliseconds), in_transaction))


def server_version(connection: TargetConnection) -> int:
    """Return the server's version as libpq counts it: 180001 is 18.1."""
    return connection.info.server_version


def _format_version(version: int) -> str:
    return f"{version // 10000}.{version % 10000}"


def _is_transient(error: Exception) -> bool:
    return isinstance(error, MigrationError) and error.is_transient
