"""The ``sys`` views about keys, indexes, foreign keys, checks and defaults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blb_migration.model import IndexColumn
from blb_migration.sandbox.emulator.tsql.catalog_views import (
    OBJECT_COLUMNS,
    CatalogView,
    Row,
    default_name,
    in_parentheses,
    object_row,
    sorted_tables,
)
from blb_migration.sandbox.emulator.tsql.databases import Database, StoredTable

_ACTIONS = {"NO ACTION": 0, "RESTRICT": 0, "CASCADE": 1, "SET NULL": 2, "SET DEFAULT": 3}


@dataclass(frozen=True)
class PhysicalIndex:
    """An index as ``sys.indexes`` sees it: heap, primary key, unique constraint or plain index."""

    index_id: int
    name: str | None
    columns: tuple[IndexColumn, ...]
    included: tuple[str, ...] = ()
    is_unique: bool = False
    is_primary_key: bool = False
    is_unique_constraint: bool = False
    filter: str | None = None


def physical_indexes(stored: StoredTable) -> list[PhysicalIndex]:
    """Return the table's indexes in index id order; the primary key is the clustered one."""
    table = stored.table
    indexes: list[PhysicalIndex] = []
    if table.primary_key is None:
        indexes.append(PhysicalIndex(0, None, ()))
    else:
        key = table.primary_key
        indexes.append(
            PhysicalIndex(1, key.name, _key_columns(key.columns), is_unique=True, is_primary_key=True)
        )
    for key in table.unique_keys:
        columns = _key_columns(key.columns)
        indexes.append(
            PhysicalIndex(len(indexes) + 1, key.name, columns, is_unique=True, is_unique_constraint=True)
        )
    for index in table.indexes:
        indexes.append(
            PhysicalIndex(
                len(indexes) + 1, index.name, index.columns, index.included, index.unique, filter=index.filter
            )
        )
    return indexes


def _key_columns(names: Sequence[str]) -> tuple[IndexColumn, ...]:
    return tuple(IndexColumn(name) for name in names)


def column_id(stored: StoredTable, name: str) -> int:
    """Return a column's position from 1; raises KeyError for a name the table has not."""
    for position, column in enumerate(stored.table.columns, 1):
        if column.name.lower() == name.lower():
            return position
    raise KeyError(f"{stored.table.name} has no column {name}")


def _indexes(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for index in physical_indexes(stored):
            kind = min(index.index_id, 2)
            yield (
                stored.object_id,
                index.name,
                index.index_id,
                kind,
                ("HEAP", "CLUSTERED", "NONCLUSTERED")[kind],
                index.is_unique,
                1,
                False,
                index.is_primary_key,
                index.is_unique_constraint,
                0,
                False,
                False,
                False,
                True,
                True,
                index.filter is not None,
                None if index.filter is None else in_parentheses(index.filter),
            )


def _index_columns(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for index in physical_indexes(stored):
            position = 0
            for position, column in enumerate(index.columns, 1):
                number = column_id(stored, column.name)
                yield (
                    stored.object_id,
                    index.index_id,
                    position,
                    number,
                    position,
                    0,
                    column.descending,
                    False,
                )
            for offset, name in enumerate(index.included, position + 1):
                yield stored.object_id, index.index_id, offset, column_id(stored, name), 0, 0, False, True


def _key_constraints(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for index in physical_indexes(stored):
            if index.name is not None and (index.is_primary_key or index.is_unique_constraint):
                kind = (
                    ("PK", "PRIMARY_KEY_CONSTRAINT") if index.is_primary_key else ("UQ", "UNIQUE_CONSTRAINT")
                )
                number = stored.part_ids[f"key:{index.name}"]
                head = object_row(index.name, number, stored.schema_id, stored.object_id, *kind)
                yield (*head, index.index_id, False, True)


def _foreign_keys(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for key in stored.table.foreign_keys:
            referred = _referred_table(database, key.referred_table.schema, key.referred_table.name)
            number = stored.part_ids[f"foreign key:{key.name}"]
            head = object_row(
                key.name, number, stored.schema_id, stored.object_id, "F ", "FOREIGN_KEY_CONSTRAINT"
            )
            actions = [(_ACTIONS[each], each.replace(" ", "_")) for each in (key.on_delete, key.on_update)]
            yield (
                *head,
                None if referred is None else referred.object_id,
                _key_index_id(referred, key.referred_columns),
                not key.enabled,
                False,
                not key.trusted,
                *actions[0],
                *actions[1],
                False,
            )


def _referred_table(database: Database, schema: str, name: str) -> StoredTable | None:
    return database.tables.get((schema.lower(), name.lower()))


def _key_index_id(referred: StoredTable | None, columns: Sequence[str]) -> int | None:
    wanted = {name.lower() for name in columns}
    for index in physical_indexes(referred) if referred is not None else ():
        if index.is_unique and {column.name.lower() for column in index.columns} == wanted:
            return index.index_id
    return None


def _foreign_key_columns(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for key in stored.table.foreign_keys:
            referred = _referred_table(database, key.referred_table.schema, key.referred_table.name)
            if referred is None:
                continue
            number = stored.part_ids[f"foreign key:{key.name}"]
            pairs = zip(key.columns, key.referred_columns, strict=True)
            for position, (own, other) in enumerate(pairs, 1):
                yield (
                    number,
                    position,
                    stored.object_id,
                    column_id(stored, own),
                    referred.object_id,
                    column_id(referred, other),
                )


def _checks(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for check in stored.table.checks:
            number = stored.part_ids[f"check:{check.name}"]
            head = object_row(
                check.name, number, stored.schema_id, stored.object_id, "C ", "CHECK_CONSTRAINT"
            )
            yield (*head, False, False, not check.trusted, 0, in_parentheses(check.expression), True, False)


def _defaults(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for position, column in enumerate(stored.table.columns, 1):
            if column.default is not None:
                number = stored.part_ids[f"default:{column.name}"]
                name = default_name(stored, column)
                head = object_row(
                    name, number, stored.schema_id, stored.object_id, "D ", "DEFAULT_CONSTRAINT"
                )
                yield (*head, position, in_parentheses(column.default), True)


VIEWS: dict[str, CatalogView] = {
    "indexes": CatalogView(
        "object_id int, name sysname?, index_id int, type tinyint, type_desc nvarchar(60)?, is_unique bit?, "
        "data_space_id int?, ignore_dup_key bit?, is_primary_key bit?, is_unique_constraint bit?, "
        "fill_factor tinyint, "
        "is_padded bit?, is_disabled bit?, is_hypothetical bit?, allow_row_locks bit?, allow_page_locks "
        "bit?, "
        "has_filter bit?, filter_definition nvarchar(max)?",
        _indexes,
    ),
    "index_columns": CatalogView(
        "object_id int, index_id int, index_column_id int, column_id int, key_ordinal tinyint, "
        "partition_ordinal tinyint, "
        "is_descending_key bit?, is_included_column bit?",
        _index_columns,
    ),
    "key_constraints": CatalogView(
        f"{OBJECT_COLUMNS}, unique_index_id int?, is_system_named bit, is_enforced bit", _key_constraints
    ),
    "foreign_keys": CatalogView(
        f"{OBJECT_COLUMNS}, referenced_object_id int?, key_index_id int?, is_disabled bit, "
        "is_not_for_replication bit, "
        "is_not_trusted bit, delete_referential_action tinyint?, delete_referential_action_desc "
        "nvarchar(60)?, "
        "update_referential_action tinyint?, update_referential_action_desc nvarchar(60)?, is_system_named "
        "bit",
        _foreign_keys,
    ),
    "foreign_key_columns": CatalogView(
        "constraint_object_id int, constraint_column_id int, parent_object_id int, parent_column_id int, "
        "referenced_object_id int, referenced_column_id int",
        _foreign_key_columns,
    ),
    "check_constraints": CatalogView(
        f"{OBJECT_COLUMNS}, is_disabled bit, is_not_for_replication bit, is_not_trusted bit, "
        "parent_column_id int, "
        "definition nvarchar(max)?, uses_database_collation bit?, is_system_named bit",
        _checks,
    ),
    "default_constraints": CatalogView(
        f"{OBJECT_COLUMNS}, parent_column_id int, definition nvarchar(max)?, is_system_named bit", _defaults
    ),
}
