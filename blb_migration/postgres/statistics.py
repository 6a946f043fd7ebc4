"""The planner's statistics and the visibility map after a load, as after a fresh VACUUM ANALYZE.

ANALYZE takes a fraction of a millisecond for a hundred rows, a tenth of a second for ten columns of a
million (the sample does not grow with the table) and a second for sixty; columns' statistics targets and
extended statistics are the server's own doing. VACUUM is not needed where COPY FREEZE has set the
visibility map (PostgreSQL 14 and newer, no partitions). Nothing here changes rows, so nothing here may
fail a load: what the server refuses is left to its autovacuum.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from blb_migration.model import TableName
from blb_migration.postgres.connect import server_version
from blb_migration.postgres.failures import build_target_error, is_transient, target_errors
from blb_migration.postgres.names import TargetConnection, qualified_name, qualified_text

_QUERY_CANCELED = "57014"
_PROCESS_TOAST_SINCE = 140000
# COPY extends a table by up to this many pages at once; those it leaves empty are no one's to see.
_EMPTY_PAGES = 64
_INVISIBLE = """
WITH RECURSIVE family AS (
    SELECT to_regclass(name)::oid AS oid, position AS own
    FROM unnest(%s::text[]) WITH ORDINALITY t (name, position)
    UNION ALL
    SELECT h.inhrelid, family.own FROM family JOIN pg_catalog.pg_inherits h ON h.inhparent = family.oid
    JOIN pg_catalog.pg_class child ON child.oid = h.inhrelid AND child.relispartition
)
SELECT DISTINCT own FROM family JOIN pg_catalog.pg_class t USING (oid)
WHERE t.relkind = 'r' AND (t.relpages > 0 AND t.relallvisible = 0 OR t.relpages - t.relallvisible > %s)
ORDER BY own
"""


def analyze_table(connection: TargetConnection, table: TableName) -> bool:
    """ANALYZE the table and its partitions, within the open transaction if there is one.

    False when the server could not, as when a statistics object's expression fails for some row. Raises
    TargetError for a lost session or a cancelled statement. For a role that neither owns the table nor
    has MAINTAIN on it, the server skips it with a WARNING.
    """
    try:
        with connection.transaction():
            connection.execute(sql.SQL("ANALYZE {}").format(qualified_name(table)))
    except psycopg.Error as error:
        if is_transient(error) or error.sqlstate == _QUERY_CANCELED:
            raise build_target_error(error, f"table {table}") from error
        return False
    return True


def find_invisible(connection: TargetConnection, tables: Sequence[TableName]) -> tuple[TableName, ...]:
    """Those of ``tables`` whose visibility map is not filled, so that index-only scans visit the rows.

    Decided by the catalog's metrics, which ANALYZE, VACUUM and index builds bring up to date. Loaded
    without FREEZE, in partitions, or on PostgreSQL 13. Raises TargetError.
    """
    with target_errors("the target's catalog"):
        rows = connection.execute(_INVISIBLE, ([qualified_text(table) for table in tables], _EMPTY_PAGES))
        return tuple(tables[own - 1] for (own,) in rows)


def vacuum_table(connection: TargetConnection, table: TableName) -> bool:
    """VACUUM ANALYZE the table and its partitions; outside any transaction, and once no other load runs.

    Rows only count as visible to all when no older snapshot is left, and a COPY holds one for as long as it
    runs. Rows are not frozen beyond what the server finds worthwhile: where a checkpoint has passed since the
    load that would write the whole table to the WAL again. False when the server could not or the
    table is in use. Raises TargetError for a lost session.
    """
    options = "ANALYZE, SKIP_LOCKED"
    if server_version(connection) >= _PROCESS_TOAST_SINCE:
        options += ", PROCESS_TOAST FALSE"  # large values have no index-only scans; it would read them all
    try:
        connection.execute(sql.SQL("VACUUM ({}) {}").format(sql.SQL(options), qualified_name(table)))
    except psycopg.Error as error:
        if is_transient(error):
            raise build_target_error(error, f"table {table}") from error
        return False
    return True
