"""SELECT @a = expression, ...: which variables a SELECT sets, and the query that gives their values."""

from __future__ import annotations

from sqlglot import exp

from blb_migration.sandbox.emulator.results import SqlServerError


def assigned_variables(tree: exp.Expr) -> list[str]:
    """Return the variables of SELECT @a = ..., in order; empty for a SELECT that returns rows."""
    names = ["@" + item.this.name.lower() for item in tree.expressions if _is_assignment(item)]
    if names and len(names) != len(tree.expressions):
        raise SqlServerError(
            141,
            "A SELECT statement that assigns a value to a variable must not be combined with "
            "data-retrieval operations.",
            severity=15,
        )
    return names


def _is_assignment(item: exp.Expr) -> bool:
    return isinstance(item, (exp.EQ, exp.PropertyEQ)) and isinstance(item.this, exp.Parameter)


def without_assignments(tree: exp.Expr) -> exp.Expr:
    """Return the SELECT that gives the assigned values as columns; the tree itself stays as it is."""
    plain = tree.copy()
    plain.set("expressions", [item.expression for item in plain.expressions])
    return plain
