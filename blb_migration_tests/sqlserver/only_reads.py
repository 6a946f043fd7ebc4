"""The rule for every statement that reaches the source: it reads, or sets an option of its own session."""

from __future__ import annotations

import re
from collections.abc import Iterable

import sqlglot
from sqlglot import exp

# Each ends with its session; the last is how a driver asks to begin and to end a transaction.
_OPTION = re.compile(
    r"SET TRANSACTION ISOLATION LEVEL (READ COMMITTED|READ UNCOMMITTED|REPEATABLE READ|SERIALIZABLE|SNAPSHOT)"
    r"|SET (LOCK_TIMEOUT|TEXTSIZE) -?[0-9]+"
    r"|SET LANGUAGE (us_english|N'[^']+')"
    r"|(BEGIN|COMMIT|ROLLBACK) TRANSACTION"
)
_WRITES = (exp.DML, exp.DDL, exp.Drop, exp.Alter, exp.Command, exp.Into, exp.TruncateTable, exp.NextValueFor)
_OPENS_ANOTHER_SOURCE = frozenset({"openquery", "openrowset", "opendatasource"})


def find_writes(statements: Iterable[str]) -> list[str]:
    """List the statements that are not proven to read only; what cannot be parsed is one of them."""
    return [statement for statement in dict.fromkeys(statements) if not only_reads(statement)]


def only_reads(statement: str) -> bool:
    """Whether the statement leaves no trace: no table, temporary table, procedure or sequence's number."""
    if is_option(statement):
        return True
    try:
        trees = sqlglot.parse(statement, read="tsql")
    except sqlglot.errors.SqlglotError:
        return False
    return len(trees) == 1 and trees[0] is not None and _only_queries(trees[0])


def is_option(statement: str) -> bool:
    """Whether the statement sets an option of its session, and nothing else."""
    return _OPTION.fullmatch(statement.strip().rstrip(";")) is not None


def _only_queries(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Query) and not any(_leaves_a_trace(node) for node in tree.walk())


def _leaves_a_trace(node: exp.Expr) -> bool:
    if isinstance(node, exp.Query):
        return False
    if isinstance(node, exp.Table):
        return any(node.this.args.get(kind) for kind in ("temporary", "global_")) or "#" in node.name[:1]
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in _OPENS_ANOTHER_SOURCE
    return isinstance(node, _WRITES)
