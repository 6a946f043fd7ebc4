"""The ``sys`` views about databases, schemas, tables, columns and types.

Each view is a column list, written as in SQL Server's documentation, and a function giving its rows
for one database. Constraints and indexes are in ``catalog_keys``, the ANSI views in
``information_schema``; ``view_tables`` turns them into Arrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from blb_migration.model import Column
from blb_migration.sandbox.emulator.tsql.databases import CREATED_AT, Database, StoredTable
from blb_migration.sandbox.emulator.tsql.datatypes import (
    BASE_TYPES,
    base_type,
    byte_length,
    catalog_digits,
    is_text,
)

Row = Sequence[object]


@dataclass(frozen=True)
class CatalogView:
    """``columns`` is ``name type`` pairs separated by commas; a type ending in ``?`` may be NULL."""

    columns: str
    rows: Callable[[Database, Sequence[Database]], Iterable[Row]]


OBJECT_COLUMNS = (
    "name sysname, object_id int, principal_id int?, schema_id int, parent_object_id int, type char(2)?, "
    "type_desc nvarchar(60)?, create_date datetime, modify_date datetime, is_ms_shipped bit, is_published "
    "bit, "
    "is_schema_published bit"
)


def object_row(  # noqa: PLR0917  # in the order of the view's columns
    name: str, object_id: int, schema_id: int, parent_id: int, kind: str, description: str
) -> tuple[object, ...]:
    """Return a row of ``sys.objects``, the head of every view of objects."""
    return (
        name,
        object_id,
        None,
        schema_id,
        parent_id,
        kind,
        description,
        CREATED_AT,
        CREATED_AT,
        False,
        False,
        False,
    )


def sorted_tables(database: Database) -> list[StoredTable]:
    """Return the tables by object id, as SQL Server lists them."""
    return sorted(database.tables.values(), key=lambda stored: stored.object_id)


def default_name(stored: StoredTable, column: Column) -> str:
    """Return the name SQL Server makes up for a default without one."""
    number = stored.part_ids[f"default:{column.name}"]
    return f"DF__{stored.table.name.name[:9]}__{column.name[:5]}__{number:08X}"


def in_parentheses(expression: str) -> str:
    """Return an expression as the catalog shows it, which is always in parentheses."""
    text = expression.strip()
    return text if text.startswith("(") and text.endswith(")") else f"({text})"


def _databases(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for each in everything:
        yield (
            each.name,
            each.database_id,
            each.source_database_id,
            each.created_at,
            150,
            each.collation,
            0,
            "MULTI_USER",
            each.is_read_only,
            False,
            False,
            0,
            "ONLINE",
            int(each.allows_snapshot),
            "ON" if each.allows_snapshot else "OFF",
            each.is_read_committed_snapshot,
            3,
            "SIMPLE",
            False,
            False,
        )


def _schemas(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for name, schema_id in database.schemas.items():
        yield name, schema_id, 1 if schema_id not in (2, 3, 4) else schema_id


def object_rows(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    """All of ``sys.objects``: tables and their constraints."""
    for stored in sorted_tables(database):
        table, parent = stored.table, stored.object_id
        yield object_row(table.name.name, parent, stored.schema_id, 0, "U ", "USER_TABLE")
        if table.primary_key is not None:
            name = table.primary_key.name
            yield object_row(
                name, stored.part_ids[f"key:{name}"], stored.schema_id, parent, "PK", "PRIMARY_KEY_CONSTRAINT"
            )
        for key in table.unique_keys:
            yield object_row(
                key.name,
                stored.part_ids[f"key:{key.name}"],
                stored.schema_id,
                parent,
                "UQ",
                "UNIQUE_CONSTRAINT",
            )
        for foreign in table.foreign_keys:
            number = stored.part_ids[f"foreign key:{foreign.name}"]
            yield object_row(foreign.name, number, stored.schema_id, parent, "F ", "FOREIGN_KEY_CONSTRAINT")
        for check in table.checks:
            yield object_row(
                check.name,
                stored.part_ids[f"check:{check.name}"],
                stored.schema_id,
                parent,
                "C ",
                "CHECK_CONSTRAINT",
            )
        for column in table.columns:
            if column.default is not None:
                number = stored.part_ids[f"default:{column.name}"]
                yield object_row(
                    default_name(stored, column), number, stored.schema_id, parent, "D ", "DEFAULT_CONSTRAINT"
                )


def _tables(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        head = object_row(stored.table.name.name, stored.object_id, stored.schema_id, 0, "U ", "USER_TABLE")
        row = (
            *head,
            0,
            None,
            len(stored.table.columns),
            False,
            False,
            False,
            False,
            0,
            False,
            0,
            "NON_TEMPORAL_TABLE",
            None,
            False,
            False,
            0,
        )
        name = stored.table.name
        flags = database.table_flags.get((name.schema.lower(), name.name.lower()), {})
        yield tuple(flags.get(each, value) for each, value in zip(_TABLE_NAMES, row, strict=True))


def column_head(stored: StoredTable, position: int, column: Column) -> tuple[object, ...]:
    """Return a row of ``sys.columns``."""
    base = base_type(column.type)
    precision, scale = catalog_digits(column.type)
    default_id = 0 if column.default is None else stored.part_ids[f"default:{column.name}"]
    collation = column.collation if is_text(column.type) and base.name != "xml" else None
    length = byte_length(column.type)
    return (
        stored.object_id,
        column.name,
        position,
        base.system_type_id,
        _user_type_id(column, base.user_type_id),
        length,
        precision,
        scale,
        collation,
        column.nullable,
        True,
        False,
        column.identity is not None,
        False,
        False,
        column.computed is not None,
        False,
        default_id,
        0,
        False,
        0,
        "NOT_APPLICABLE",
        False,
        None,
        None,
    )


def _user_type_id(column: Column, own: int) -> int:
    return own if column.type.alias is None else 257 + sum(map(ord, column.type.alias)) % 1000


COLUMN_COLUMNS = (
    "object_id int, name sysname?, column_id int, system_type_id tinyint, user_type_id int, max_length "
    "smallint, "
    "precision tinyint, scale tinyint, collation_name sysname?, is_nullable bit?, is_ansi_padded bit, "
    "is_rowguidcol bit, "
    "is_identity bit, is_filestream bit, is_xml_document bit, is_computed bit, is_sparse bit?, "
    "default_object_id int, "
    "rule_object_id int, is_column_set bit?, generated_always_type tinyint?, generated_always_type_desc "
    "nvarchar(60)?, "
    "is_hidden bit, encryption_type int?, graph_type int?"
)


def _columns(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for position, column in enumerate(stored.table.columns, 1):
            row = _with_collation(database, column_head(stored, position, column), column)
            table = stored.table.name
            flags = database.column_flags.get(
                (table.schema.lower(), table.name.lower(), column.name.lower()), {}
            )
            yield tuple(flags.get(name, value) for name, value in zip(_COLUMN_NAMES, row, strict=True))


def _names(columns: str) -> tuple[str, ...]:
    return tuple(each.split(" ", 1)[0] for each in columns.split(", "))


_COLUMN_NAMES = _names(COLUMN_COLUMNS)


def _with_collation(database: Database, row: tuple[object, ...], column: Column) -> tuple[object, ...]:
    if row[8] is None and is_text(column.type) and column.type.name != "xml":
        return (*row[:8], database.collation, *row[9:])
    return row


def _identity_columns(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for position, column in enumerate(stored.table.columns, 1):
            head = _with_collation(database, column_head(stored, position, column), column)
            if database.identity_view == "every column":
                for other in sorted_tables(database):
                    if other.identity is not None:
                        yield *head, None, None, *_numbers(other.identity[0], other.last_identity), False
            elif column.identity is not None:
                numbers = column.identity.seed, column.identity.increment, stored.last_identity
                is_silent = database.identity_view == "no numbers"
                yield *head, *_numbers(column, *((None,) * 3 if is_silent else numbers)), False


def _numbers(column: Column, *numbers: int | None) -> list[dict[str, str] | None]:
    kind = "numeric" if column.type.name == "decimal" else column.type.name
    return [None if each is None else {"base_type": kind, "value": str(each)} for each in numbers]


def _computed_columns(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        for position, column in enumerate(stored.table.columns, 1):
            if column.computed is not None:
                head = _with_collation(database, column_head(stored, position, column), column)
                yield (*head, in_parentheses(column.computed.expression), True, column.computed.persisted)


def _types(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for base in BASE_TYPES:
        collation = database.collation if base.family == "text" and base.name != "xml" else None
        nullable = base.name not in ("timestamp", "sysname")
        is_clr = base.system_type_id == 240
        yield (
            base.name,
            base.system_type_id,
            base.user_type_id,
            4,
            None,
            base.max_length,
            base.precision,
            base.scale,
            collation,
            nullable,
            False,
            is_clr,
            0,
            0,
            False,
        )
    aliases = {
        column.type.alias: column
        for stored in sorted_tables(database)
        for column in stored.table.columns
        if column.type.alias
    }
    for alias, column in sorted(aliases.items()):
        base = base_type(column.type)
        precision, scale = catalog_digits(column.type)
        yield (
            alias,
            base.system_type_id,
            _user_type_id(column, 0),
            1,
            None,
            byte_length(column.type),
            precision,
            scale,
            database.collation if is_text(column.type) else None,
            True,
            True,
            False,
            0,
            0,
            False,
        )


def _comments(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        remarks = [
            (0, stored.table.comment),
            *((at, each.comment) for at, each in enumerate(stored.table.columns, 1)),
        ]
        for position, remark in remarks:
            if remark is not None:
                value = {"base_type": "nvarchar", "value": remark}
                yield 1, "OBJECT_OR_COLUMN", stored.object_id, position, "MS_Description", value


_OBJECT_TABLE = (
    f"{OBJECT_COLUMNS}, lob_data_space_id int, filestream_data_space_id int?, max_column_id_used int, "
    "lock_on_bulk_load bit, uses_ansi_nulls bit?, is_replicated bit?, is_memory_optimized bit?, durability "
    "tinyint?, "
    "is_tracked_by_cdc bit?, temporal_type tinyint?, temporal_type_desc nvarchar(60)?, history_table_id "
    "int?, "
    "is_external bit, is_node bit, ledger_type tinyint?"
)
_TABLE_NAMES = _names(_OBJECT_TABLE)

VIEWS: dict[str, CatalogView] = {
    "databases": CatalogView(
        "name sysname, database_id int, source_database_id int?, create_date datetime, compatibility_level "
        "tinyint, "
        "collation_name sysname?, user_access tinyint?, user_access_desc nvarchar(60)?, is_read_only bit?, "
        "is_auto_close_on bit, is_auto_shrink_on bit?, state tinyint?, state_desc nvarchar(60)?, "
        "snapshot_isolation_state tinyint?, snapshot_isolation_state_desc nvarchar(60)?, "
        "is_read_committed_snapshot_on bit?, recovery_model tinyint?, recovery_model_desc nvarchar(60)?, "
        "is_in_standby bit?, is_encrypted bit?",
        _databases,
    ),
    "schemas": CatalogView("name sysname, schema_id int, principal_id int?", _schemas),
    "objects": CatalogView(OBJECT_COLUMNS, object_rows),
    "all_objects": CatalogView(OBJECT_COLUMNS, object_rows),
    "tables": CatalogView(_OBJECT_TABLE, _tables),
    "columns": CatalogView(COLUMN_COLUMNS, _columns),
    "all_columns": CatalogView(COLUMN_COLUMNS, _columns),
    "identity_columns": CatalogView(
        f"{COLUMN_COLUMNS}, seed_value sql_variant?, increment_value sql_variant?, last_value sql_variant?, "
        "is_not_for_replication bit?",
        _identity_columns,
    ),
    "computed_columns": CatalogView(
        f"{COLUMN_COLUMNS}, definition nvarchar(max)?, uses_database_collation bit, is_persisted bit",
        _computed_columns,
    ),
    "types": CatalogView(
        "name sysname, system_type_id tinyint, user_type_id int, schema_id int, principal_id int?, "
        "max_length smallint, "
        "precision tinyint, scale tinyint, collation_name sysname?, is_nullable bit?, is_user_defined bit, "
        "is_assembly_type bit, default_object_id int, rule_object_id int, is_table_type bit",
        _types,
    ),
    "extended_properties": CatalogView(
        "class tinyint, class_desc nvarchar(60)?, major_id int, minor_id int, name sysname, value "
        "sql_variant?",
        _comments,
    ),
}
