"""Aggregates and window functions, with SQL Server's result types."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.calls import Compiler
from blb_migration.sandbox.emulator.tsql.comparisons import sort_key
from blb_migration.sandbox.emulator.tsql.conversions import convert
from blb_migration.sandbox.emulator.tsql.datatypes import (
    BIGINT,
    FLOAT,
    INT,
    MONEY,
    NVARCHAR_MAX,
    UNICODE_TYPES,
    VARCHAR_MAX,
    decimal_digits,
    duckdb_type,
    family,
)
from blb_migration.sandbox.emulator.tsql.server_errors import argument_count, unknown_function, unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed

AGGREGATES = frozenset(
    {"COUNT", "COUNT_BIG", "SUM", "AVG", "MIN", "MAX", "STDEV", "STDEVP", "VAR", "VARP", "STRING_AGG"}
)
_RANKINGS = {"ROW_NUMBER": "row_number", "RANK": "rank", "DENSE_RANK": "dense_rank", "NTILE": "ntile"}
_OFFSETS = {"LAG": "lag", "LEAD": "lead", "FIRST_VALUE": "first_value", "LAST_VALUE": "last_value"}
_DEVIATIONS = {"STDEV": "stddev_samp", "STDEVP": "stddev_pop", "VAR": "var_samp", "VARP": "var_pop"}


def compile_aggregate(compiler: Compiler, name: str, arguments: Sequence[exp.Expr], over: str = "") -> Typed:
    """Compile an aggregate over the rows before grouping; ``over`` is DuckDB's OVER clause, if any."""
    rows = compiler.before_grouping() if not over else compiler
    if not arguments:
        raise argument_count(name, "1")
    argument = arguments[0]
    is_distinct = isinstance(argument, exp.Distinct)
    if isinstance(argument, exp.Distinct):
        argument = argument.expressions[0]
    if name in ("COUNT", "COUNT_BIG"):
        return _count(compiler, rows, name, argument, is_distinct=is_distinct, over=over)
    if name == "STRING_AGG":
        return _string_agg(rows, argument, arguments, over)
    value = rows.value(argument)
    is_number = family(value.type) in ("integer", "exact", "approximate")
    is_refused = value.type.name == "bit" or not (is_number or name in ("MIN", "MAX"))
    if is_refused and not value.is_untyped_null:
        raise SqlServerError(
            8117, f"Operand data type {value.type.name} is invalid for {name.lower()} operator."
        )
    if name in ("MIN", "MAX"):
        return _extreme(compiler, name, value, over)
    distinct = "DISTINCT " if is_distinct else ""
    if name in _DEVIATIONS:
        return Typed(f"{_DEVIATIONS[name]}({distinct}CAST({value.sql} AS DOUBLE)){over}", FLOAT)
    return _sum(value, distinct, over) if name == "SUM" else _average(value, distinct, over)


def _count(
    compiler: Compiler,
    rows: Compiler,
    name: str,
    argument: exp.Expr,
    *,
    is_distinct: bool,
    over: str,
) -> Typed:
    if isinstance(argument, exp.Star):
        counted = "*"
    else:
        value = rows.value(argument)
        counted = f"DISTINCT {sort_key(value, compiler.context.collation)}" if is_distinct else value.sql
    if name == "COUNT_BIG":
        return Typed(f"count({counted}){over}", BIGINT, nullable=True)
    return Typed(f"CAST(count({counted}){over} AS INTEGER)", INT, nullable=True)


def _sum_type(value: Typed) -> ColumnType:
    name = value.type.name
    if name in ("tinyint", "smallint", "int"):
        return INT
    if name in ("money", "smallmoney"):
        return MONEY
    if family(value.type) == "approximate":
        return FLOAT
    if family(value.type) == "exact":
        return ColumnType(name, precision=38, scale=decimal_digits(value.type)[1])
    return BIGINT


def _sum(value: Typed, distinct: str, over: str) -> Typed:
    target = _sum_type(value)
    storage = duckdb_type(target)
    inner = f"CAST({value.sql} AS DOUBLE)" if target == FLOAT else value.sql
    return Typed(f"CAST(sum({distinct}{inner}){over} AS {storage})", target)


def _average(value: Typed, distinct: str, over: str) -> Typed:
    target = _sum_type(value)
    if target == FLOAT:
        return Typed(f"avg({distinct}CAST({value.sql} AS DOUBLE)){over}", FLOAT)
    total = f"sum({distinct}{value.sql}){over}"
    count = f"nullif(count({distinct}{value.sql}){over}, 0)"
    if family(target) == "integer":
        return Typed(f"CAST({total} // {count} AS {duckdb_type(target)})", target)
    scale = max(decimal_digits(value.type)[1], 6) if target != MONEY else 4
    shift = 10 ** (scale - decimal_digits(value.type)[1])
    result = MONEY if target == MONEY else ColumnType(target.name, precision=38, scale=scale)
    unit = f"0.{'0' * (scale - 1)}1::DECIMAL({scale},{scale})"
    quotient = f"CAST(tsql_unscaled({total}) * {shift} // {count} AS DECIMAL(38,0))"
    return Typed(f"CAST({quotient} * {unit} AS {duckdb_type(result)})", result)


def _extreme(compiler: Compiler, name: str, value: Typed, over: str) -> Typed:
    function = name.lower()
    key = sort_key(value, compiler.context.collation)
    if key == value.sql:
        sql = f"{function}({value.sql}){over}"
    else:
        sql = f"arg_{function}({value.sql}, {key}){over}"
    return value.derive(sql, value.type, nullable=True)


def _string_agg(rows: Compiler, argument: exp.Expr, arguments: Sequence[exp.Expr], over: str) -> Typed:
    if len(arguments) != 2 or over:
        raise argument_count("STRING_AGG", "2")
    order = ""
    if isinstance(argument, (exp.Order, exp.WithinGroup)):
        ordering = argument if isinstance(argument, exp.Order) else argument.expression
        keys = [
            sort_key(rows.value(each.this), rows.context.collation)
            + (" DESC NULLS LAST" if each.args.get("desc") else " ASC NULLS FIRST")
            for each in ordering.expressions
        ]
        order = f" ORDER BY {', '.join(keys)}"
        argument = argument.this
    value = rows.value(argument)
    wide = value.type.name in UNICODE_TYPES
    text = convert(value, NVARCHAR_MAX if wide else VARCHAR_MAX)
    separator = rows.value(arguments[1])
    length = 4000 if wide else 8000
    result = text.type if value.type.length is None else ColumnType(text.type.name, length=length)
    return text.derive(f"string_agg({text.sql}, {separator.sql}{order})", result, nullable=True)


def compile_window(compiler: Compiler, node: exp.Window) -> Typed:
    """Compile ``function OVER (...)``; raises error 10753 or 4112 where ORDER BY is missing."""
    inner = node.this
    if not isinstance(inner, (exp.Anonymous, exp.GroupConcat)):
        raise unsupported(f"OVER after {inner.key}")
    name = str(inner.this).upper()
    partition = [
        sort_key(compiler.value(each), compiler.context.collation)
        for each in node.args.get("partition_by") or ()
    ]
    keys: list[str] = []
    order = node.args.get("order")
    for ordered in order.expressions if order is not None else ():
        if isinstance(ordered.this, exp.Subquery):
            continue
        direction = "DESC NULLS LAST" if ordered.args.get("desc") else "ASC NULLS FIRST"
        keys.append(f"{sort_key(compiler.value(ordered.this), compiler.context.collation)} {direction}")
    clauses = [f"PARTITION BY {', '.join(partition)}"] if partition else []
    clauses += [f"ORDER BY {', '.join(keys)}"] if keys else []
    frame = node.args.get("spec")
    if frame is not None:
        clauses.append(_frame(frame))
    over = f" OVER ({' '.join(clauses)})"
    arguments = inner.expressions
    if name in AGGREGATES:
        return compile_aggregate(compiler, name, arguments, over)
    if (name in _RANKINGS or name in _OFFSETS) and order is None:
        raise SqlServerError(
            4112, f"The function '{name}' must have an OVER clause with ORDER BY.", severity=15
        )
    if name in _RANKINGS:
        compiler.context.is_deterministic = compiler.context.is_deterministic and bool(keys)
        argument = f"CAST({compiler.value(arguments[0]).sql} AS BIGINT)" if arguments else ""
        return Typed(f"{_RANKINGS[name]}({argument}){over}", BIGINT, nullable=name == "NTILE")
    if name in _OFFSETS:
        value = compiler.value(arguments[0])
        rest = "".join(f", {compiler.value(each).sql}" for each in arguments[1:])
        return value.derive(f"{_OFFSETS[name]}({value.sql}{rest}){over}", value.type, nullable=True)
    raise unknown_function(name)


def _frame(frame: exp.Expr) -> str:
    def bound(which: str) -> str:
        value, side = frame.args.get(which), frame.args.get(f"{which}_side")
        shown = value if isinstance(value, str) else value.sql() if value is not None else "CURRENT ROW"
        return f"{shown} {side}" if side else str(shown)

    kind = frame.args.get("kind") or "ROWS"
    end = bound("end") if frame.args.get("end") is not None else "CURRENT ROW"
    return f"{kind} BETWEEN {bound('start')} AND {end}"
