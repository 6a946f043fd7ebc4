"""T-SQL that makes a table of the model. Text only; nothing is sent from here.

Sources: "CREATE TABLE", "ALTER TABLE table_constraint", "CREATE INDEX", "CREATE TYPE" and
"sp_addextendedproperty" in SQL Server's documentation. Every name is quoted; expressions are as ``sys``
shows them, which SQL Server takes back as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.model import CheckConstraint, Column, ForeignKey, Index, Table, TableName, UniqueKey
from blb_migration.sqlserver.names import quote_columns, quote_name, quote_table


def build_create_table(table: Table) -> str:
    """Build CREATE TABLE with its columns, primary key and unique constraints."""
    keys = [(table.primary_key, "PRIMARY KEY"), *((key, "UNIQUE") for key in table.unique_keys)]
    lines = [_build_column(table, column) for column in table.columns]
    lines += [_build_key(key, kind) for key, kind in keys if key is not None]
    return f"CREATE TABLE {quote_table(table.name)} (" + ", ".join(lines) + ")"


def build_types(table: Table) -> dict[str, str]:
    """Build CREATE TYPE for each alias type that the columns use, by its name."""
    return {
        column.type.alias: f"CREATE TYPE {_name_type(column)} FROM {_without_alias(column)}"
        for column in table.columns
        if column.type.alias is not None
    }


def build_index(table: TableName, index: Index) -> str:
    """Build CREATE INDEX, with INCLUDE and WHERE."""
    keys = ", ".join(
        quote_name(column.name) + (" DESC" if column.descending else "") for column in index.columns
    )
    unique = "UNIQUE " if index.unique else ""
    statement = f"CREATE {unique}INDEX {quote_name(index.name)} ON {quote_table(table)} ({keys})"
    if index.included:
        statement += f" INCLUDE ({quote_columns(index.included)})"
    return statement + (f" WHERE {index.filter}" if index.filter else "")


def build_check(table: TableName, check: CheckConstraint) -> str:
    """Build the ALTER TABLE that adds a CHECK; WITH NOCHECK leaves it untrusted."""
    name, condition = quote_name(check.name), _wrap(check.expression)
    return f"{_alter(table, check.trusted)} ADD CONSTRAINT {name} CHECK {condition}"


def build_foreign_key(table: TableName, key: ForeignKey) -> str:
    """Build the ALTER TABLE that adds a foreign key; WITH NOCHECK leaves it untrusted."""
    statement = (
        f"{_alter(table, key.trusted)} ADD CONSTRAINT {quote_name(key.name)} FOREIGN KEY "
        f"({quote_columns(key.columns)}) REFERENCES {quote_table(key.referred_table)} "
        f"({quote_columns(key.referred_columns)})"
    )
    for event, action in (("DELETE", key.on_delete), ("UPDATE", key.on_update)):
        statement += "" if action == "NO ACTION" else f" ON {event} {action}"
    return statement


def build_switch(table: TableName, constraint: str, *, on: bool, trusted: bool = False) -> str:
    """Build the ALTER TABLE that disables a constraint, or enables it, looking at the rows if trusted."""
    if not on:
        return f"ALTER TABLE {quote_table(table)} NOCHECK CONSTRAINT {quote_name(constraint)}"
    return f"{_alter(table, trusted)} CHECK CONSTRAINT {quote_name(constraint)}"


def build_comments(table: Table) -> Iterator[str]:
    """Build the calls that write descriptions where SQL Server's tools keep them."""
    where = (
        f"@level0type = N'SCHEMA', @level0name = {quote_text(table.name.schema)}, "
        f"@level1type = N'TABLE', @level1name = {quote_text(table.name.name)}"
    )
    begin = "EXEC sys.sp_addextendedproperty @name = N'MS_Description', @value ="
    if table.comment is not None:
        yield f"{begin} {quote_text(table.comment)}, {where}"
    for column in table.columns:
        if column.comment is not None:
            level = f"@level2type = N'COLUMN', @level2name = {quote_text(column.name)}"
            yield f"{begin} {quote_text(column.comment)}, {where}, {level}"


def quote_text(text: str) -> str:
    """Write a short text as a Unicode constant."""
    return "N'" + text.replace("'", "''") + "'"


def _build_column(table: Table, column: Column) -> str:
    name = quote_name(column.name)
    if column.computed is not None:
        persisted = " PERSISTED" + ("" if column.nullable else " NOT NULL")
        return (
            f"{name} AS {_wrap(column.computed.expression)}{persisted if column.computed.persisted else ''}"
        )
    parts = [name, _name_type(column) if column.type.alias else str(column.type)]
    if column.collation is not None and column.type.alias is None:
        parts.append(f"COLLATE {column.collation}")
    if column.identity is not None:
        parts.append(f"IDENTITY({column.identity.seed},{column.identity.increment})")
    parts.append("NULL" if column.nullable else "NOT NULL")
    if column.default is not None:
        constraint = quote_name(f"DF_{table.name.name}_{column.name}"[:128])
        parts.append(f"CONSTRAINT {constraint} DEFAULT {_wrap(column.default)}")
    return " ".join(parts)


def _build_key(key: UniqueKey, kind: str) -> str:
    return f"CONSTRAINT {quote_name(key.name)} {kind} ({quote_columns(key.columns)})"


def _alter(table: TableName, trusted: bool) -> str:
    return f"ALTER TABLE {quote_table(table)} WITH {'CHECK' if trusted else 'NOCHECK'}"


def _name_type(column: Column) -> str:
    return f"[dbo].{quote_name(column.type.alias or '')}"


def _without_alias(column: Column) -> str:
    return f"{column.type} {'NULL' if column.nullable else 'NOT NULL'}"


def _wrap(expression: str) -> str:
    return expression if expression.startswith("(") else f"({expression})"
