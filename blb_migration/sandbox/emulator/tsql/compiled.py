"""A compiled query, and what can be done with its columns: name them, find them, make them distinct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.comparisons import sort_key
from blb_migration.sandbox.emulator.tsql.context import StatementContext
from blb_migration.sandbox.emulator.tsql.datatypes import is_text
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue


@dataclass(frozen=True)
class CompiledQuery:
    """A DuckDB query whose columns are ``c1``...; ``columns`` carry T-SQL names and types."""

    sql: str
    columns: tuple[NamedValue, ...]


def output_columns(columns: Sequence[NamedValue]) -> tuple[NamedValue, ...]:
    """Return the columns as seen from outside the query, where they are ``c1``..."""
    return tuple(
        NamedValue(column.name, replace(column.value, sql=f'"c{index}"', is_constant=False, constant=None))
        for index, column in enumerate(columns, 1)
    )


def order_position(node: exp.Expr, columns: Sequence[NamedValue]) -> int | None:
    """Which output column an ORDER BY item names by number or alias; None if it is an expression."""
    if isinstance(node, exp.Literal) and not node.is_string:
        position = int(node.this)
        if not 1 <= position <= len(columns):
            raise SqlServerError(
                108,
                f"The ORDER BY position number {position} is out of range of the number of items in the "
                "select list.",
                severity=15,
            )
        return position - 1
    if isinstance(node, exp.Column) and not node.args.get("table"):
        matches = [index for index, each in enumerate(columns) if each.name.lower() == node.name.lower()]
        if matches:
            return matches[0]
    return None


def distinct_rows(sql: str, columns: Sequence[NamedValue], context: StatementContext) -> str:
    """One row of each kind, equal as the columns' collations see it."""
    keys = [
        sort_key(column.value.with_sql(f'"c{index}"'), context.collation)
        if is_text(column.value.type) or column.value.type.name == "datetimeoffset"
        else f'"c{index}"'
        for index, column in enumerate(columns, 1)
    ]
    return f"SELECT DISTINCT ON ({', '.join(keys)}) * FROM ({sql}) AS {context.new_alias()}"
