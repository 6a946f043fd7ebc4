"""Which database this is, as its server says of itself: a restored copy is another."""

from __future__ import annotations

from blb_migration.errors import SourceError
from blb_migration.source_marker import SourceOrigin
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.signs import Sign, of_database, read_signs

ORIGIN_SIGNS = {
    "server": Sign("its name", "CAST(SERVERPROPERTY('ServerName') AS nvarchar(256))"),
    "database": Sign("its database's name", "DB_NAME()"),
    "created_at": of_database("when its database was created", "CONVERT(nvarchar(40), d.create_date, 126)"),
    # Not every log-in may see it, and not every server has it.
    "recovery_fork": Sign(
        "its recovery fork",
        "(SELECT CONVERT(nvarchar(60), r.recovery_fork_guid) FROM sys.database_recovery_status AS r"
        " WHERE r.database_id = DB_ID())",
    ),
}


def read_origin(session: SourceSession) -> SourceOrigin:
    """Read which database this is; None for what the server hides.

    Asked once in a session: none survives that its database is restored. Raises SourceError only when the
    connection is lost.
    """
    if session.origin is None:
        session.origin = SourceOrigin(session.address, **read_signs(session, ORIGIN_SIGNS))
    return session.origin


def read_session_id(session: SourceSession) -> int | None:
    """Read the session's number, @@SPID; on Babelfish, PostgreSQL's process. None if the server hides it."""
    try:
        rows = session.read_rows("SELECT CAST(@@SPID AS int)", action="asking for the session's number")
    except SourceError as error:
        if error.is_transient:
            raise
        return None
    return int(rows[0][0]) if rows and rows[0][0] is not None else None
