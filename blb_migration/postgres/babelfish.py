"""Whether this PostgreSQL database is also served over TDS, by the Babelfish extension. Only reads."""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

_IS_BABELFISH = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_class t
               JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
               WHERE n.nspname = 'sys' AND t.relname = 'babelfish_sysdatabases')
"""
_SESSIONS = """
SELECT a.pid FROM pg_catalog.pg_stat_activity a
WHERE a.datname = current_database() AND a.pid = ANY (%s::int[])
"""


def is_served_over_tds(connection: TargetConnection) -> bool:
    """Whether Babelfish was set up in this database. Raises TargetError."""
    with target_errors("the target's catalog"):
        row = connection.execute(_IS_BABELFISH).fetchone()
    return bool(row and row[0])


def has_sessions(connection: TargetConnection, session_ids: Sequence[int]) -> bool:
    """Whether each of these processes is a session of this very database now. Raises TargetError."""
    with target_errors("the target's sessions"):
        rows = connection.execute(_SESSIONS, (list(session_ids),)).fetchall()
    return {pid for (pid,) in rows} == set(session_ids)
