"""Which copy of a database this is, as far as the server tells: a restored one is another."""

from __future__ import annotations

from blb_migration.errors import SourceError
from blb_migration.sqlserver.connect import SourceSession

_CREATED = "SELECT CONVERT(nvarchar(40), d.create_date, 126) FROM sys.databases AS d WHERE d.name = DB_NAME()"
# Not every log-in may see it, and not every server has it.
_RECOVERY_FORK = """
SELECT CONVERT(nvarchar(60), r.recovery_fork_guid)
FROM sys.database_recovery_status AS r
WHERE r.database_id = DB_ID()
"""


def read_origin(session: SourceSession) -> tuple[str | None, ...]:
    """When the database was created or restored, and its recovery fork; None for what the server hides.

    Raises SourceError only when the connection is lost.
    """
    return tuple(_read_if_possible(session, statement) for statement in (_CREATED, _RECOVERY_FORK))


def _read_if_possible(session: SourceSession, statement: str) -> str | None:
    try:
        rows = session.read_rows(statement, action="asking which database this is")
    except SourceError as error:
        if error.is_transient:
            raise
        return None
    return rows[0][0] if rows else None


def read_session_id(session: SourceSession) -> int | None:
    """Read the session's number, @@SPID; on Babelfish, PostgreSQL's process. None if the server hides it."""
    answer = _read_if_possible(session, "SELECT CAST(@@SPID AS int)")
    return None if answer is None else int(answer)
