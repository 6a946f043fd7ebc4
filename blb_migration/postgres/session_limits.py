"""How many more sessions the target has room for."""

from __future__ import annotations

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

# The kind of a session is hidden from other roles, so those without one count; -1 is no limit.
_FREE = """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)
        - (SELECT count(*) FROM pg_catalog.pg_stat_activity
           WHERE coalesce(backend_type, 'client backend') = 'client backend'),
    (SELECT datconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
     FROM pg_catalog.pg_database d WHERE d.datname = current_database() AND d.datconnlimit >= 0),
    (SELECT rolconnlimit - (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid)
     FROM pg_catalog.pg_roles r WHERE r.rolname = current_user AND r.rolconnlimit >= 0)
)
"""


def read_free_sessions(connection: TargetConnection) -> int:
    """How many sessions this role may still open here, by the server's, database's and role's limits.

    Others may take them meanwhile. Raises TargetError.
    """
    with target_errors("the target's sessions"):
        row = connection.execute(_FREE).fetchone()
    return int(row[0]) if row else 0
