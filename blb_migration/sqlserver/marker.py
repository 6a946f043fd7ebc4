"""Reads the source marker: what SQL Server tells, without being written to, of whether somebody writes to it.

All signs are asked for together; where that fails, each alone: a view that a server lacks or a log-in may
not see costs that sign and leaves a note. Nothing that is read here is a proof by itself:
``source_marker.compare_markers`` says what two are.

| sign | documented | what else moves or resets it |
| --- | --- | --- |
| is_read_only, source_database_id | sys.databases | ALTER DATABASE; a standby database is no proof |
| Change Tracking's version | CHANGE_TRACKING_CURRENT_VERSION | TRUNCATE TABLE moves begin_version alone |
| log_end_lsn (2016 SP2) | sys.dm_db_log_stats | checkpoints, statistics, ghost clean-up |
| the last rowversion | @@DBTS | a restart may skip values; deletes do not move it |
| user_updates | sys.dm_db_index_usage_stats | begins anew with the server, with a detached database |
| modification_counter (2008 R2 SP2) | sys.dm_db_stats_properties | 0 again when the statistics are updated |
| rows | sys.partitions | nothing |
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any

from blb_migration.model import TableName
from blb_migration.source_marker import SourceMarker, TableMarker
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.names import quote_table
from blb_migration.sqlserver.origin import read_origin
from blb_migration.sqlserver.signs import Sign, of_database, read_signs, read_signs_by_key


def _of_statistics(what: str, value: str) -> Sign:
    return Sign(
        what,
        f"(SELECT {value} FROM sys.stats AS t CROSS APPLY sys.dm_db_stats_properties(t.object_id, t.stats_id)"
        " AS p WHERE t.object_id = o.object_id)",
    )


_DATABASE_SIGNS = {
    "is_read_only": of_database("whether its database is READ_ONLY", "CAST(d.is_read_only AS int)"),
    "is_standby": of_database("whether its database is a standby", "CAST(d.is_in_standby AS int)"),
    "source_database_id": of_database("whether it is a snapshot", "CAST(d.source_database_id AS int)"),
    "snapshot_of": of_database(
        "whose snapshot it is",
        "(SELECT s.name FROM sys.databases AS s WHERE s.database_id = d.source_database_id)",
    ),
    "tracking_version": Sign("the version of Change Tracking", "CHANGE_TRACKING_CURRENT_VERSION()"),
    "last_rowversion": Sign("@@DBTS", "CAST(@@DBTS AS bigint)"),
    "log_end": Sign(
        "the end of its log",
        "(SELECT CAST(l.log_end_lsn AS nvarchar(48)) FROM sys.dm_db_log_stats(DB_ID()) AS l)",
    ),
    "started_at": Sign(
        "when it started",
        "(SELECT CONVERT(nvarchar(40), i.sqlserver_start_time, 126) FROM sys.dm_os_sys_info AS i)",
    ),
}
_TABLE_SIGNS = {
    "row_count": Sign(
        "its tables' numbers of rows",
        "(SELECT CAST(SUM(p.rows) AS bigint) FROM sys.partitions AS p"
        " WHERE p.object_id = o.object_id AND p.index_id IN (0, 1))",
    ),
    "user_updates": Sign(
        "its tables' counts of writing statements",
        "(SELECT CAST(SUM(u.user_updates) AS bigint) FROM sys.dm_db_index_usage_stats AS u"
        " WHERE u.object_id = o.object_id AND u.database_id = DB_ID() AND u.index_id IN (0, 1))",
    ),
    "modifications": _of_statistics(
        "its tables' counts of modifications", "CAST(SUM(p.modification_counter) AS bigint)"
    ),
    "statistics_at": _of_statistics(
        "when its tables' statistics were taken", "CONVERT(nvarchar(40), MAX(p.last_updated), 126)"
    ),
    "tracked_since": Sign(
        "which tables have Change Tracking",
        "(SELECT CAST(MAX(t.begin_version) AS bigint) FROM sys.change_tracking_tables AS t"
        " WHERE t.object_id = o.object_id)",
    ),
}
_FROM_TABLES = (
    " FROM sys.tables AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id WHERE o.is_ms_shipped = 0"
)
# One row in any case: the database's signs are wanted of a table that is gone, too.
_FROM_ONE_TABLE = (
    " FROM (SELECT 1 AS one) AS asked LEFT JOIN (sys.tables AS o JOIN sys.schemas AS s"
    " ON s.schema_id = o.schema_id) ON o.object_id = OBJECT_ID(?) AND o.is_ms_shipped = 0"
)


_TABLE_KEY = ("s.name", "o.name")
_NO_TABLE = (None, None)
_Told = Mapping[tuple[Any, ...], dict[str, Any]]


def read_marker(session: SourceSession, tables: Collection[TableName]) -> SourceMarker:
    """Read the marker of this moment for ``tables`` of the source; a single table's in one statement.

    Raises SourceError only when the connection is lost: what the server hides is in the marker's notes.
    """
    taken_at = datetime.datetime.now(datetime.UTC)
    origin = read_origin(session)
    if len(tables) == 1:
        database, told = _read_with_table(session, *tables)
    else:
        database = read_signs(session, _DATABASE_SIGNS)
        told = read_signs_by_key(session, _TABLE_SIGNS, _TABLE_KEY, _FROM_TABLES)
    is_snapshot = database.get("source_database_id") is not None
    snapshot_of = (database.get("snapshot_of") or "a database it does not name") if is_snapshot else None
    return SourceMarker(
        taken_at=taken_at,
        origin=origin,
        tables={str(table): _build_table(session, told.get((table.schema, table.name))) for table in tables},
        is_immutable=bool(database.get("is_read_only") or is_snapshot) and not database.get("is_standby"),
        snapshot_of=snapshot_of,
        tracking_version=database.get("tracking_version"),
        log_end=database.get("log_end"),
        last_rowversion=database.get("last_rowversion"),
        server_started_at=database.get("started_at"),
        notes=tuple(session.refused.values()),
    )


def _read_with_table(session: SourceSession, table: TableName) -> tuple[dict[str, Any], _Told]:
    """Read the database's signs and one table's; that one is missing where the source has no such table."""
    told = read_signs_by_key(
        session, _DATABASE_SIGNS | _TABLE_SIGNS, _TABLE_KEY, _FROM_ONE_TABLE, [quote_table(table)]
    )
    database: dict[str, Any] = {}
    tables: dict[tuple[Any, ...], dict[str, Any]] = {}
    for key, values in told.items():
        database |= {name: value for name, value in values.items() if name in _DATABASE_SIGNS}
        if key != _NO_TABLE:
            tables[key] = {name: value for name, value in values.items() if name in _TABLE_SIGNS}
    return database, tables


def _build_table(session: SourceSession, signs: Mapping[str, Any] | None) -> TableMarker:
    if signs is None:
        return TableMarker()
    counts_updates = _TABLE_SIGNS["user_updates"].expression not in session.refused
    if counts_updates and signs.get("user_updates") is None:
        return TableMarker(**{**signs, "user_updates": 0})  # nobody has used it since the server started
    return TableMarker(**signs)
