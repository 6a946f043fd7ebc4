"""Expressions that stand alone, as catalogs keep them: computed columns, defaults, PRINT, DECLARE."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from blb_migration.sandbox.emulator.tsql.context import OpenedTable, SessionFacts, StatementContext
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.sandbox.emulator.tsql.expression_compiler import ExpressionCompiler
from blb_migration.sandbox.emulator.tsql.queries import compile_query
from blb_migration.sandbox.emulator.tsql.scopes import Scope
from blb_migration.sandbox.emulator.tsql.server_errors import invalid_object
from blb_migration.sandbox.emulator.tsql.syntax import parse_expression
from blb_migration.sandbox.emulator.tsql.typed import Typed

NOBODY = SessionFacts(0, "sa", "", "", 0, 0, -1, -1, "READ COMMITTED")


class _NoTables:
    """A finder for expressions that may read no table."""

    def __init__(self, database: Database) -> None:
        self.databases = {database.name.lower(): database}

    def open_table(self, context: StatementContext, parts: Sequence[str]) -> OpenedTable:
        raise invalid_object(".".join(parts))


def compile_standalone(
    text: str, database: Database, scope: Scope | None = None, context: StatementContext | None = None
) -> Typed:
    """Compile the expression's value over the scope's columns; raises SqlServerError as a SELECT would."""
    context = context or StatementContext(_NoTables(database), database, NOBODY)
    return compile_tree(parse_expression(text), context, scope or Scope())


def compile_tree(tree: exp.Expr, context: StatementContext, scope: Scope) -> Typed:
    """Compile the same from a tree that is already parsed."""
    return ExpressionCompiler(context, scope, _compile_subquery).value(tree)


def compile_condition(tree: exp.Expr, context: StatementContext, scope: Scope) -> str:
    """Compile a condition over the scope's columns, as DuckDB text."""
    return ExpressionCompiler(context, scope, _compile_subquery).predicate(tree)


def _compile_subquery(
    node: exp.Expr, around: Scope, context: StatementContext
) -> tuple[str, tuple[Typed, ...]]:
    query = compile_query(node, context, around)
    return query.sql, tuple(column.value for column in query.columns)
