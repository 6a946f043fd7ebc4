"""The same plan onto a copy of the target's tables in other schemas: what a dry run loads into."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from blb_migration.model import Column, Table, TableName
from blb_migration.plan.table_plans import Plan, TablePlan


def relocate_plan(plan: Plan, schema_prefix: str) -> Plan:
    """``plan`` with every target table, and the sequences of its columns, in ``schema_prefix + schema``.

    Foreign keys onto planned tables follow them; keys onto other tables stay as they are.
    """
    planned = frozenset(plan.target_tables)
    tables = tuple(_relocate_table_plan(table, schema_prefix, planned) for table in plan.tables)
    return replace(plan, tables=tables)


def _relocate_table_plan(table: TablePlan, schema_prefix: str, planned: Collection[TableName]) -> TablePlan:
    target = relocate_table(table.target, schema_prefix, planned)
    by_name = target.columns_by_name
    return replace(
        table,
        target=target,
        columns=tuple(replace(column, target=by_name[column.target.name]) for column in table.columns),
        computed=tuple(replace(pair, target=by_name[pair.target.name]) for pair in table.computed),
    )


def relocate_table(table: Table, schema_prefix: str, planned: Collection[TableName]) -> Table:
    """One target table as its copy will be."""
    return replace(
        table,
        name=_move(table.name, schema_prefix),
        columns=tuple(_relocate_column(column, table.name, schema_prefix) for column in table.columns),
        foreign_keys=tuple(
            replace(key, referred_table=_move(key.referred_table, schema_prefix))
            if key.referred_table in planned
            else key
            for key in table.foreign_keys
        ),
    )


def _relocate_column(column: Column, table: TableName, schema_prefix: str) -> Column:
    if column.identity is None or column.identity.sequence is None:
        return column
    # A sequence may live in another schema than its table; its copy lives with the table's copy.
    sequence = _move(TableName(table.schema, column.identity.sequence.name), schema_prefix)
    return replace(column, identity=replace(column.identity, sequence=sequence))


def _move(name: TableName, schema_prefix: str) -> TableName:
    return TableName(schema_prefix + name.schema, name.name)
