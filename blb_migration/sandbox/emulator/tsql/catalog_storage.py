"""The ``sys`` views about storage, principals and the server, and those that are empty here.

The emulator has no views, procedures, triggers, sequences or synonyms; asking for them is fine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from blb_migration.sandbox.emulator.tsql.catalog_views import OBJECT_COLUMNS, CatalogView, Row, sorted_tables
from blb_migration.sandbox.emulator.tsql.databases import CREATED_AT, Database, StoredTable


def _partitions(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for index_id in partitioned_index_ids(stored):
            partition_id = 72057594000000000 + stored.object_id * 100 + index_id
            yield partition_id, stored.object_id, index_id, 1, partition_id, stored.row_count, 0, 0, "NONE"


def partitioned_index_ids(stored: StoredTable) -> list[int]:
    """Index ids with a partition: the heap or the clustered index, then the others."""
    table = stored.table
    first = 1 if table.primary_key is not None else 0
    return [first, *range(2, 2 + len(table.unique_keys) + len(table.indexes))]


def _page_count(stored: StoredTable) -> int:
    return 0 if stored.row_count == 0 else 2 + stored.row_count * len(stored.table.columns) // 500


def _allocation_units(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for row in _partitions(database, everything):
        stored = next(each for each in database.tables.values() if each.object_id == row[1])
        pages = _page_count(stored)
        yield row[0], 1, "IN_ROW_DATA", row[0], 1, pages, pages, pages


def _partition_stats(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for row in _partitions(database, everything):
        stored = next(each for each in database.tables.values() if each.object_id == row[1])
        pages = _page_count(stored)
        yield row[0], row[1], row[2], 1, pages, pages, pages, pages, pages, stored.row_count


def _principals(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    yield "public", 0, "R", "DATABASE_ROLE", None, CREATED_AT
    yield "dbo", 1, "S", "SQL_USER", "dbo", CREATED_AT


def _nothing(database: Database, everything: Sequence[Database]) -> Iterable[Row]:
    return ()


def _server_principals(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    yield "sa", 1, "S", "SQL_LOGIN", False, CREATED_AT, "master"
    yield "public", 2, "R", "SERVER_ROLE", False, CREATED_AT, None


def _configurations(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    options = ((1544, "max server memory (MB)", 2147483647), (1539, "max degree of parallelism", 0))
    for number, name, value in options:
        variant = {"base_type": "int", "value": str(value)}
        yield number, name, variant, variant, True


VIEWS: dict[str, CatalogView] = {
    "partitions": CatalogView(
        "partition_id bigint, object_id int, index_id int, partition_number int, hobt_id bigint, rows "
        "bigint?, "
        "filestream_filegroup_id smallint, data_compression tinyint, data_compression_desc nvarchar(60)?",
        _partitions,
    ),
    "allocation_units": CatalogView(
        "allocation_unit_id bigint, type tinyint, type_desc nvarchar(60)?, container_id bigint, "
        "data_space_id int?, "
        "total_pages bigint, used_pages bigint, data_pages bigint",
        _allocation_units,
    ),
    "dm_db_partition_stats": CatalogView(
        "partition_id bigint, object_id int, index_id int, partition_number int, in_row_data_page_count "
        "bigint, "
        "in_row_used_page_count bigint, in_row_reserved_page_count bigint, used_page_count bigint, "
        "reserved_page_count bigint, row_count bigint",
        _partition_stats,
    ),
    "database_principals": CatalogView(
        "name sysname, principal_id int, type char(1), type_desc nvarchar(60)?, default_schema_name "
        "sysname?, "
        "create_date datetime",
        _principals,
    ),
    "views": CatalogView(OBJECT_COLUMNS, _nothing),
    "procedures": CatalogView(OBJECT_COLUMNS, _nothing),
    "synonyms": CatalogView(f"{OBJECT_COLUMNS}, base_object_name nvarchar(1035)?", _nothing),
    "sequences": CatalogView(
        f"{OBJECT_COLUMNS}, start_value sql_variant, increment sql_variant, minimum_value sql_variant?, "
        "maximum_value sql_variant?, is_cycling bit?, current_value sql_variant, system_type_id tinyint, "
        "user_type_id int",
        _nothing,
    ),
    "triggers": CatalogView(
        "name sysname, object_id int, parent_class tinyint, parent_class_desc nvarchar(60)?, parent_id "
        "int, type char(2), "
        "type_desc nvarchar(60)?, create_date datetime, modify_date datetime, is_ms_shipped bit, "
        "is_disabled bit, "
        "is_instead_of_trigger bit",
        _nothing,
    ),
    "fulltext_indexes": CatalogView("object_id int, unique_index_id int, is_enabled bit", _nothing),
    "sql_modules": CatalogView(
        "object_id int, definition nvarchar(max)?, uses_ansi_nulls bit?, is_schema_bound bit?", _nothing
    ),
    "server_principals": CatalogView(
        "name sysname, principal_id int, type char(1), type_desc nvarchar(60)?, is_disabled bit?, "
        "create_date datetime, default_database_name sysname?",
        _server_principals,
    ),
    "configurations": CatalogView(
        "configuration_id int, name nvarchar(35), value sql_variant?, value_in_use sql_variant?, "
        "is_dynamic bit",
        _configurations,
    ),
}
