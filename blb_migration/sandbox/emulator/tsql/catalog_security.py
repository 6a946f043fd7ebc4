"""The ``sys`` views about masked columns and row-level security, as a database's attributes declare them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.sandbox.emulator.tsql.catalog_views import (
    COLUMN_COLUMNS,
    OBJECT_COLUMNS,
    CatalogView,
    Row,
    column_head,
    object_row,
    sorted_tables,
)
from blb_migration.sandbox.emulator.tsql.databases import Database

_FIRST_POLICY_ID = 2000000000


def _masked_columns(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for stored in sorted_tables(database):
        table = stored.table.name
        for position, column in enumerate(stored.table.columns, 1):
            mask = database.masks.get((table.schema.lower(), table.name.lower(), column.name.lower()))
            if mask is not None:
                yield *column_head(stored, position, column), True, mask


def _security_policies(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    for number, name in enumerate(sorted(set(database.row_filters.values())), _FIRST_POLICY_ID):
        yield *object_row(name, number, 1, 0, "SP", "SECURITY_POLICY"), True, False, True


def _security_predicates(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    policies = sorted(set(database.row_filters.values()))
    for (schema, name), policy in sorted(database.row_filters.items()):
        target = database.tables[schema, name].object_id
        text = "([dbo].[is_visible]([tenant]))"
        yield _FIRST_POLICY_ID + policies.index(policy), 1, target, text, 0, "FILTER", None, None


VIEWS: dict[str, CatalogView] = {
    "masked_columns": CatalogView(
        f"{COLUMN_COLUMNS}, is_masked bit, masking_function nvarchar(4000)?", _masked_columns
    ),
    "security_policies": CatalogView(
        f"{OBJECT_COLUMNS}, is_enabled bit, is_not_for_replication bit, is_schema_bound bit?",
        _security_policies,
    ),
    "security_predicates": CatalogView(
        "object_id int, security_predicate_id int, target_object_id int, predicate_definition "
        "nvarchar(max)?, predicate_type int?, predicate_type_desc nvarchar(60)?, operation int?, "
        "operation_desc nvarchar(60)?",
        _security_predicates,
    ),
}
