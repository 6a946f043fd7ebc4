"""The ``sys`` views that tell of writes: which copy a database is, Change Tracking, counters, the log.

``TABLE_FUNCTIONS`` are views that are called: their arguments are compared with the columns named there.
Those of ``NEEDS_SERVER_STATE`` are refused to a log-in without VIEW SERVER STATE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.sandbox.emulator.tsql.catalog_views import CatalogView, Row, sorted_tables
from blb_migration.sandbox.emulator.tsql.databases import CREATED_AT, FIRST_LOG_FILE, Database


def _recovery_status(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for each in everything:
        yield each.database_id, each.recovery_fork, each.recovery_fork


def _tracked_databases(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for each in everything:
        if each.tracking_version is not None:
            yield each.database_id, True, 2, 3, "DAYS"


def _tracked_tables(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        if stored.tracked_since is not None:
            yield stored.object_id, False, stored.tracked_since, stored.tracked_since, 0


def _usage_stats(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        if stored.user_updates:  # nobody has used the others since the server started
            first = 1 if stored.table.primary_key is not None else 0
            yield database.database_id, stored.object_id, first, 0, 0, 0, stored.user_updates, None


def _stats(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        if stored.table.primary_key is not None:
            yield stored.object_id, stored.table.primary_key.name, 1, False, False


def _stats_properties(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        if stored.table.primary_key is not None:
            yield stored.object_id, 1, CREATED_AT, stored.row_count, stored.row_count, stored.modifications


def _sys_info(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    yield 4, everything[0].created_at


def _log_stats(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    end = f"{FIRST_LOG_FILE:08x}:{database.data_version + 1:08x}:0001"
    yield database.database_id, "SIMPLE", f"{FIRST_LOG_FILE:08x}:00000001:0001", end


VIEWS: dict[str, CatalogView] = {
    "database_recovery_status": CatalogView(
        "database_id int, database_guid uniqueidentifier?, recovery_fork_guid uniqueidentifier?",
        _recovery_status,
    ),
    "change_tracking_databases": CatalogView(
        "database_id int, is_auto_cleanup_on bit?, retention_period int?, retention_period_units tinyint?, "
        "retention_period_units_desc nvarchar(60)?",
        _tracked_databases,
    ),
    "change_tracking_tables": CatalogView(
        "object_id int, is_track_columns_updated_on bit, min_valid_version bigint?, begin_version bigint?, "
        "cleanup_version bigint?",
        _tracked_tables,
    ),
    "dm_db_index_usage_stats": CatalogView(
        "database_id smallint, object_id int, index_id int, user_seeks bigint, user_scans bigint, "
        "user_lookups bigint, user_updates bigint, last_user_update datetime?",
        _usage_stats,
    ),
    "stats": CatalogView(
        "object_id int, name sysname?, stats_id int, auto_created bit?, user_created bit?", _stats
    ),
    "dm_os_sys_info": CatalogView("cpu_count int, sqlserver_start_time datetime", _sys_info),
    "dm_db_stats_properties": CatalogView(
        "object_id int, stats_id int, last_updated datetime?, rows bigint?, rows_sampled bigint?, "
        "modification_counter bigint?",
        _stats_properties,
    ),
    "dm_db_log_stats": CatalogView(
        "database_id int, recovery_model nvarchar(60), log_min_lsn nvarchar(24), log_end_lsn nvarchar(24)",
        _log_stats,
    ),
}
TABLE_FUNCTIONS = {
    "dm_db_stats_properties": ("object_id", "stats_id"),
    "dm_db_log_stats": ("database_id",),
}
NEEDS_SERVER_STATE = frozenset({"dm_db_index_usage_stats", "dm_os_sys_info", "dm_db_log_stats"})
