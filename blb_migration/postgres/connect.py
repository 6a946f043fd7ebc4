"""Opening sessions with the target, and refusing targets that nothing should be loaded into.

Knows the driver, the session's settings and what can go wrong while connecting. Does not parse
URLs (``settings.py`` does) and reads no tables.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg.pq import TransactionStatus

from blb_migration.errors import TargetError, TargetUnreachable
from blb_migration.kept_sessions import SessionKeeper
from blb_migration.postgres.names import TargetConnection
from blb_migration.settings import TargetSettings

OLDEST_SERVER_VERSION = 130000  # 12 and older get no more fixes, and are untested here
CANCEL_TIMEOUT_SECONDS = 5
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
        self._keeper: SessionKeeper[TargetConnection] = SessionKeeper(_close)
        self._in_use: set[TargetConnection] = set()

    def __reduce__(self) -> tuple[type[TargetConnector], tuple[TargetSettings]]:
        return type(self), (self.settings,)  # a pickled one arrives with no sessions

    def __repr__(self) -> str:
        return f"TargetConnector({self.settings.masked_url})"

    @contextmanager
    def connect(self, *, lock_timeout_seconds: float | None = None) -> Iterator[TargetConnection]:
        """A checked session, new or kept, closed at the end of the block unless it is kept.

        ``lock_timeout_seconds`` bounds the wait for any lock; None waits for ever. Raises
        TargetUnreachable when no session can be opened, after three attempts where waiting can
        help, and TargetError for a server that is too old, read-only, or not in UTF-8.
        """
        connection = self._take_kept(lock_timeout_seconds) or self._open_checked(lock_timeout_seconds)
        self._in_use.add(connection)
        try:
            yield connection
        except BaseException:
            _close(connection)
            raise
        finally:
            self._in_use.discard(connection)
        if connection.info.transaction_status is TransactionStatus.IDLE:
            self._keeper.give_back(connection)
        else:
            _close(connection)

    def keeping_sessions(self) -> AbstractContextManager[None]:
        """Within the block, sessions are kept for the next ``connect`` instead of being closed."""
        return self._keeper.keeping()

    def cancel_running(self) -> None:
        """Ask the server to break off what any session of this connector is busy with; from any thread."""
        for connection in list(self._in_use):
            with suppress(psycopg.Error):  # it is broken off anyhow, or the server is gone
                connection.cancel_safe(timeout=CANCEL_TIMEOUT_SECONDS)

    def _take_kept(self, lock_timeout_seconds: float | None) -> TargetConnection | None:
        while (connection := self._keeper.take()) is not None:
            try:
                set_lock_timeout(connection, lock_timeout_seconds)
            except psycopg.Error:  # the server restarted, or ended the session
                _close(connection)
            else:
                return connection
        return None

    def _open_checked(self, lock_timeout_seconds: float | None) -> TargetConnection:
        connection = self._open()
        try:
            self._prepare(connection, lock_timeout_seconds)
        except BaseException:
            _close(connection)
            raise
        return connection

    def _open(self) -> TargetConnection:
        for pause_seconds in (*RETRY_PAUSES_SECONDS, None):
            try:
                return psycopg.connect(
                    self.settings.conninfo,
                    autocommit=True,
                    prepare_threshold=None,  # prepared statements do not survive a pooler
                )
            except psycopg.Error as error:
                unreachable = self._explain(error)
            if pause_seconds is None or not unreachable.is_transient:
                break
            time.sleep(pause_seconds)
        # Not chained: libpq's own texts may repeat parts of the connection string.
        raise unreachable

    def _explain(self, error: psycopg.Error) -> TargetUnreachable:
        text = " ".join(str(error).split())
        for secret in (self.settings.password, *dict(self.settings.secrets).values()):
            text = text.replace(secret, "***") if secret else text
        reason = next((reason for reason in _REASONS if reason.matches(text)), _UNKNOWN_REASON)
        unreachable = TargetUnreachable(
            self.settings.masked_url, found=reason.found.format(text=text), next_act=reason.next_act
        )
        unreachable.is_transient = reason.is_transient
        return unreachable

    def _prepare(self, connection: TargetConnection, lock_timeout_seconds: float | None) -> None:
        subject = self.settings.masked_url
        if connection.info.server_version < OLDEST_SERVER_VERSION:
            raise TargetError(
                subject,
                found=f"the server is PostgreSQL {_format_version(connection.info.server_version)}",
                expected=f"PostgreSQL {OLDEST_SERVER_VERSION // 10000} or newer",
                next_act="Upgrade the target server",
            )
        connection.execute(_SET_SESSION, (list(SESSION_SETTINGS), list(SESSION_SETTINGS.values())))
        set_lock_timeout(connection, lock_timeout_seconds)
        row = connection.execute(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',"
            " current_setting('server_encoding')"
        ).fetchone()
        is_standby, is_read_only, encoding = row or (False, False, "UTF8")
        if is_standby or is_read_only:
            raise TargetError(
                subject,
                found="it is a standby in recovery" if is_standby else "its sessions are read-only",
                expected="a primary server that accepts writes",
                next_act="Connect to the primary, or reset default_transaction_read_only",
            )
        if encoding != "UTF8":
            raise TargetError(
                subject,
                found=f"the database's encoding is {encoding}",
                expected="UTF8, the only one that can hold all of nvarchar",
                next_act="Create the database with ENCODING 'UTF8' TEMPLATE template0",
            )


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
    """The server's version as libpq counts it: 180001 is 18.1."""
    return connection.info.server_version


def _format_version(version: int) -> str:
    return f"{version // 10000}.{version % 10000}"


@dataclass(frozen=True)
class _Reason:
    """Why no session came about: how libpq's text shows it, and what to tell the user."""

    pattern: str
    found: str
    next_act: str
    is_transient: bool = False

    def matches(self, text: str) -> bool:
        return re.search(self.pattern, text, re.IGNORECASE) is not None


_UNKNOWN_REASON = _Reason("", "{text}", "Check host, port, database and user in the URL")

# libpq gives no SQLSTATE for a failed connection, and servers answer in their own language: the
# German texts stand beside the English ones, and what is not recognised is shown as it came.
_REASONS = (
    _Reason(
        r"password authentication failed|Passwort-Authentifizierung|no password supplied|fe_sendauth",
        "the log-in was refused: user or password is wrong",
        "Check user and password in the URL; special characters must be percent-encoded",
    ),
    _Reason(
        r"database \S+ does not exist|Datenbank \S+ existiert nicht",
        "the database does not exist on this server",
        "Create it and run the application's schema migrations, or correct the name in the URL",
    ),
    _Reason(
        r"role \S+ does not exist|Rolle \S+ existiert nicht",
        "the user does not exist on this server",
        "Create the user, or correct the name in the URL",
    ),
    _Reason(
        r"no pg_hba\.conf entry|pg_hba\.conf",
        "the server does not let this user in from this machine: {text}",
        "Add an entry to the server's pg_hba.conf, or set sslmode in the URL",
    ),
    _Reason(
        r"SSL|TLS|certificate",
        "no encrypted session could be agreed: {text}",
        "Set sslmode (and sslrootcert) in the URL to what the server offers",
    ),
    _Reason(
        r"could not translate host name|getaddrinfo|failed to resolve|Name or service not known",
        "the host name cannot be resolved",
        "Correct the host in the URL",
    ),
    _Reason(
        r"Connection refused|0x0000274D|10061",
        "nothing listens there: the connection was refused",
        "Start PostgreSQL, or correct host and port in the URL",
        is_transient=True,
    ),
    _Reason(
        r"timeout expired|timed out",
        "the host did not answer in time",
        "Check host, port and firewalls",
        is_transient=True,
    ),
    _Reason(
        r"too many clients|too many connections|remaining connection slots",
        "the server has no free connection",
        "Close other sessions, or raise max_connections",
        is_transient=True,
    ),
    _Reason(
        r"starting up|shutting down|server closed the connection|Connection reset",
        "the server is starting or stopping: {text}",
        "Run again when the server is up",
        is_transient=True,
    ),
)
