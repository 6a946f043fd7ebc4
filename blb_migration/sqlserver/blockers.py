"""For whom a statement of ours waits at SQL Server: the session that holds the lock, in words.

Asked by a second session while the first one waits (``stalls``). Needs VIEW SERVER STATE; only reads.
"""

from __future__ import annotations

from blb_migration.errors import SourceError
from blb_migration.masking import mask_literals
from blb_migration.sqlserver.server_state import GRANT, Asked, may_see_sessions

_WAIT = """
SELECT r.blocking_session_id, r.wait_type, b.login_name, b.host_name, b.program_name, b.status,
       COALESCE(b.last_request_start_time, b.login_time), b.open_transaction_count
FROM sys.dm_exec_requests AS r
LEFT JOIN sys.dm_exec_sessions AS b ON b.session_id = r.blocking_session_id
WHERE r.session_id = ? AND r.blocking_session_id <> 0
"""
_LOCK = """
SELECT l.request_mode, l.resource_type, OBJECT_NAME(l.resource_associated_entity_id)
FROM sys.dm_tran_locks AS l
WHERE l.request_session_id = ? AND l.request_status = N'WAIT'
"""
_LAST_STATEMENT = """
SELECT t.text FROM sys.dm_exec_connections AS c
CROSS APPLY sys.dm_exec_sql_text(c.most_recent_sql_handle) AS t
WHERE c.session_id = ?
"""
# The kinds of sessions that hold what no session of a number does: sys.dm_exec_requests' documentation.
_NOBODY_KNOWN = {-2: "an orphaned distributed transaction", -3: "a deferred recovery"}
_STATEMENT_CHARACTERS = 60


def describe_wait(session: Asked, number: int) -> str | None:
    """Say in words what the session of this number waits for; None where nobody is in its way.

    Raises SourceError.
    """
    if not may_see_sessions(session):
        return f"whether somebody's lock is in the way is not known, since the log-in may not see it: {GRANT}"
    rows = session.read_rows(_WAIT, (number,), action="reading sys.dm_exec_requests")
    if not rows:
        return None
    blocker, wait_type, login, host, program, status, since, open_count = rows[0]
    who = _NOBODY_KNOWN.get(int(blocker), f"session {blocker} of {login or 'somebody'}")
    if program:
        who += f" ({program})"
    if host:
        who += f" from {host}"
    if since is not None:
        who += f", since {since:%Y-%m-%d %H:%M:%S} by the server's clock"
    if open_count:
        who += f", {open_count} open transactions"
    statement = _read_or_nothing(session, _LAST_STATEMENT, int(blocker))
    last = f": {mask_literals(statement[0][0])[:_STATEMENT_CHARACTERS]}" if statement else ""
    return f"it waits for {_name_lock(session, number, wait_type)}, which {who} holds, {status}{last}"


def _name_lock(session: Asked, number: int, wait_type: str | None) -> str:
    rows = _read_or_nothing(session, _LOCK, number)
    if not rows:
        return f"a lock ({wait_type})" if wait_type else "a lock"
    mode, kind, name = rows[0]
    return f"a lock ({mode} of {kind.lower()}{f' {name}' if name else ''})"


def _read_or_nothing(session: Asked, statement: str, number: int) -> list[tuple[str, ...]]:
    """Read what makes the sentence better, and what a server may refuse."""
    try:
        return session.read_rows(statement, (number,), action="reading who holds a lock")
    except SourceError:
        return []
