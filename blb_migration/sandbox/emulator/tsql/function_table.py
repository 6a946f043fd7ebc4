"""Which function is compiled where. A name that is not here is SQL Server's error 195."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql import (
    functions_catalog,
    functions_dates,
    functions_numbers,
    functions_system,
    functions_text,
)
from blb_migration.sandbox.emulator.tsql.aggregates import AGGREGATES, compile_aggregate, compile_window
from blb_migration.sandbox.emulator.tsql.calls import Call, Compiler, FunctionCompiler
from blb_migration.sandbox.emulator.tsql.server_errors import unknown_function
from blb_migration.sandbox.emulator.tsql.typed import Typed

_FUNCTIONS: dict[str, FunctionCompiler] = {
    **functions_text.FUNCTIONS,
    **functions_numbers.FUNCTIONS,
    **functions_dates.FUNCTIONS,
    **functions_system.FUNCTIONS,
    **functions_catalog.FUNCTIONS,
}
_WINDOW_ONLY = frozenset(
    {"ROW_NUMBER", "RANK", "DENSE_RANK", "NTILE", "LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE"}
)


def is_aggregate_call(node: exp.Expr) -> bool:
    """Whether the node itself is a call of an aggregate."""
    if isinstance(node, exp.GroupConcat):
        return True
    return isinstance(node, exp.Anonymous) and str(node.this).upper() in AGGREGATES


def call_function(compiler: Compiler, name: str, arguments: Sequence[exp.Expr], node: exp.Expr) -> Typed:
    """Return the call's value; raises errors 174, 195 and what the function itself refuses."""
    if isinstance(node, exp.Window):
        return compile_window(compiler, node)
    if name in AGGREGATES:
        if compiler.groups is None:
            raise SqlServerError(
                147,
                "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a "
                "HAVING clause or a select list, and the column being aggregated is an outer reference.",
                severity=15,
            )
        return compile_aggregate(compiler, name, arguments)
    if name in _WINDOW_ONLY:
        raise SqlServerError(10753, f"The function '{name}' must have an OVER clause.", severity=15)
    function = _FUNCTIONS.get(name)
    if function is None:
        raise unknown_function(str(node.this) if isinstance(node, exp.Anonymous) else name)
    return function(Call(compiler, name, tuple(arguments)))
