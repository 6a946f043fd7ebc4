"""How many more sessions the target has room for, and which limit that is."""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, identifier_text

# The kind of a session is hidden from other roles, so those without one count; -1 is no limit. The limits of
# databases and roles do not hold superusers, nor does what is reserved for them.
_FREE = """
WITH own AS (SELECT r.* FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
SELECT 'server', current_setting('max_connections')::int
       - CASE WHEN own.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
              + coalesce(current_setting('reserved_connections', true)::int, 0) END
       - (SELECT count(*) FROM pg_catalog.pg_stat_activity
          WHERE coalesce(backend_type, 'client backend') = 'client backend')
FROM own
UNION ALL
SELECT 'database', datconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
FROM pg_catalog.pg_database d, own
WHERE d.datname = current_database() AND d.datconnlimit >= 0 AND NOT own.rolsuper
UNION ALL
SELECT 'role', own.rolconnlimit
       - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = own.oid)
FROM own WHERE own.rolconnlimit >= 0 AND NOT own.rolsuper
ORDER BY 2
"""


@dataclass(frozen=True)
class SessionRoom:
    """Sessions that may still be opened, whose limit that is, and what raises it to ``needed`` more."""

    free: int
    limited_by: str
    raised_by: str


def read_session_room(connection: TargetConnection, needed: int) -> SessionRoom:
    """Read how many more sessions this role may open, by the server's, database's and role's limits.

    Others may take them meanwhile. Raises TargetError.
    """
    with target_errors("the target's sessions"):
        row = connection.execute(_FREE).fetchone()
    limited_by, free = row or ("server", 0)
    info, more = connection.info, max(0, needed - int(free))
    statements = {
        "server": f"raise max_connections of the target server by {more}, or close other sessions",
        "database": f"as its owner, run: ALTER DATABASE {identifier_text(info.dbname)} CONNECTION LIMIT -1",
        "role": f"as a role that may, run: ALTER ROLE {identifier_text(info.user)} CONNECTION LIMIT -1",
    }
    return SessionRoom(int(free), str(limited_by), statements[str(limited_by)])


def read_free_sessions(connection: TargetConnection) -> int:
    """How many sessions this role may still open here. Raises TargetError."""
    return read_session_room(connection, 0).free
