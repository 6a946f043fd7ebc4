"""What stands between a session and the server: nothing, or a connection pooler, and in which mode.

A load sets its session up once, holds advisory locks, and keeps both from transaction to transaction. A
pooler in session mode (PgBouncer, Odyssey, pgcat, Supavisor) keeps a server session for each of ours; in
transaction mode it lends one for a transaction, so that settings and locks stay with whoever comes next.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable

from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from blb_migration.errors import MigrationError, TargetError, TargetUnreachable
from blb_migration.postgres.names import TargetConnection

PATIENCE_SECONDS = 5.0  # for a pooler to open one more server session
_TRIES = (
    3  # a pooler that hands its server sessions out in turn shows another one at the second at the latest
)
_BEGIN = b"BEGIN; SELECT pg_catalog.pg_backend_pid()"
_STATEMENT_MODE = "statement pooling"


def read_server_pid(connection: TargetConnection) -> int:
    """Read the process that answers; not the one that the log-in named where a pooler is in between."""
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0


def refuse_lent_sessions(
    connection: TargetConnection, subject: str, open_other: Callable[[], TargetConnection]
) -> None:
    """Refuse a pooler that lends ``connection``'s server session to others while it is open.

    Proven, not guessed: a second session's transaction is answered by the first one's process, or makes the
    first one be answered by another process. ``open_other`` opens that second session. Raises TargetError,
    or TargetUnreachable where the pooler has no second server session to give.
    """
    server_pid = read_server_pid(connection)
    if server_pid == connection.info.backend_pid:
        return
    other = open_other()
    try:
        if _begin(other, subject) == server_pid or any(
            read_server_pid(connection) != server_pid for _ in range(_TRIES)
        ):
            raise _build_refusal(subject, "transaction")
    finally:
        other.close()


def _begin(connection: TargetConnection, subject: str) -> int:
    """Begin a transaction and return the process that holds it, without waiting for ever in a queue."""
    link = connection.pgconn
    link.send_query(_BEGIN)
    deadline = time.monotonic() + PATIENCE_SECONDS
    pid = 0
    while (result := _await_result(link, deadline, subject)) is not None:
        if result.status == ExecStatus.FATAL_ERROR:
            text = result.error_message.decode(errors="replace")
            if _STATEMENT_MODE in text:
                raise _build_refusal(subject, "statement")
            raise TargetError(subject, found=" ".join(text.split()), next_act="Read the pooler's log")
        if result.status == ExecStatus.TUPLES_OK:
            pid = int(result.get_value(0, 0) or 0)
    return pid


def _await_result(link: PGconn, deadline: float, subject: str) -> PGresult | None:
    """Return the next result, None after the last.

    Never asked for before it is there: libpq would wait without end, and psycopg lets no other thread run
    meanwhile.
    """
    with selectors.DefaultSelector() as selector:
        selector.register(link.socket, selectors.EVENT_READ)
        while link.is_busy():
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _build_shortage(subject)
            link.consume_input()
    return link.get_result()


def _build_refusal(subject: str, mode: str) -> MigrationError:
    return TargetError(
        subject,
        found=f"a connection pooler (such as PgBouncer) in {mode} mode is in between: it lends a session of "
        f"the server for one {mode} only",
        expected="the server itself, or a pooler in session mode, since settings and locks must last",
        next_act="Name the server's own host and port in the URL, or a pool with pool_mode=session",
    )


def _build_shortage(subject: str) -> MigrationError:
    return TargetUnreachable(
        subject,
        found=f"the connection pooler before the server gave out no second session in {PATIENCE_SECONDS:g} s",
        expected="a session for each table that is loaded at once, and one for the ledger",
        next_act="Raise the pool's size, or name the server's own host and port in the URL",
    )
