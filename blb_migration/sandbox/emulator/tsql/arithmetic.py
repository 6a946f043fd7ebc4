"""Operators between numbers, texts and dates: result types by SQL Server's rules, spelled for DuckDB.

Decimal precision and scale follow
https://learn.microsoft.com/sql/t-sql/data-types/precision-scale-and-length-transact-sql.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.conversions import convert, convert_implicitly, text_constant
from blb_migration.sandbox.emulator.tsql.datatypes import (
    UNICODE_TYPES,
    base_type,
    decimal_digits,
    duckdb_type,
    family,
    is_max,
)
from blb_migration.sandbox.emulator.tsql.server_errors import type_clash
from blb_migration.sandbox.emulator.tsql.typed import Typed

_MAX_DIGITS = 38
_OPERATOR_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}


def stronger_type(left: Typed, right: Typed) -> ColumnType:  # noqa: PLR0911  # one family of types each
    """Return the type both sides convert to before they are compared or united."""
    if left.is_untyped_null or right.is_untyped_null:
        return right.type if left.is_untyped_null else left.type
    first, second = sorted((left.type, right.type), key=lambda each: base_type(each).precedence)
    kind, other = family(first), family(second)
    if kind == other == "exact" or (kind == "exact" and other == "integer"):
        if first.name in ("decimal", "numeric"):
            return _covering_decimal(first.name, _digits_of(left), _digits_of(right))
        return first
    if kind == other == "text":
        name = "nvarchar" if "n" in (first.name[0], second.name[0]) else "varchar"
        if {first.name, second.name} <= {"char", "nchar"}:
            name = name.replace("varchar", "char")
        if "xml" in (first.name, second.name):
            return first
        if is_max(first) or is_max(second):
            return ColumnType(name.replace("nchar", "nvarchar"))
        return ColumnType(name, max(first.length or 1, second.length or 1))
    if kind == other == "binary" and first.name != "rowversion":
        if is_max(first) or is_max(second):
            return ColumnType("varbinary")
        length = max(first.length or 8, second.length or 8)
        return ColumnType("binary" if first.name == second.name == "binary" else "varbinary", length)
    if first.name == second.name and first.scale is not None:
        return ColumnType(first.name, scale=max(first.scale, second.scale or 0))
    return first


def _digits_of(value: Typed) -> tuple[int, int]:
    if value.is_constant and isinstance(value.constant, int) and not isinstance(value.constant, bool):
        return len(str(abs(value.constant))), 0
    if family(value.type) not in ("integer", "exact"):
        return 18, 0
    return decimal_digits(value.type)


def _covering_decimal(name: str, left: tuple[int, int], right: tuple[int, int]) -> ColumnType:
    scale = max(left[1], right[1])
    whole = max(left[0] - left[1], right[0] - right[1])
    scale = min(scale, max(_MAX_DIGITS - whole, 0))
    return ColumnType(name, precision=min(whole + scale, _MAX_DIGITS), scale=scale)


def binary_operation(operator: str, left: Typed, right: Typed) -> Typed:
    """``left operator right`` for + - * / %; raises error 402 or 8117 for types that do not go together."""
    if left.is_untyped_null:
        left = convert(left, right.type)
    elif right.is_untyped_null:
        right = convert(right, left.type)
    families = (family(left.type), family(right.type))
    if operator == "+" and families in (("text", "text"), ("binary", "binary")):
        return _concatenate(left, right)
    if "datetime" in families and operator in ("+", "-"):
        return _shift_date(operator, left, right)
    target = stronger_type(left, right)
    kind = family(target)
    if kind == "text" or left.type.name == right.type.name == "bit":
        name = target.name
        if kind == "text" and operator != "+":
            raise SqlServerError(
                402,
                f"The data types {left.type.name} and {right.type.name} are incompatible in the "
                f"{_OPERATOR_NAMES[operator]} operator.",
            )
        raise SqlServerError(
            8117, f"Operand data type {name} is invalid for {_OPERATOR_NAMES[operator]} operator."
        )
    if kind not in ("integer", "exact", "approximate"):
        raise type_clash(left.type.name, right.type.name)
    if target.name in ("decimal", "numeric"):
        return _decimal_operation(operator, left, right)
    if kind == "exact":
        return _money_operation(operator, left, right, target)
    nullable = left.nullable or right.nullable
    first, second = (_plain(convert_implicitly(each, target), target) for each in (left, right))
    if kind == "integer" and operator == "/":
        return Typed(f"({first} // {second})", target, nullable)
    if kind == "approximate" and operator == "/":
        second = (
            f"CASE WHEN {second} = 0 THEN error('TSQL|8134|Divide by zero error encountered.') ELSE "
            f"{second} END"
        )
    sql = f"({first} {operator} {second})"
    if kind == "approximate" and operator == "%":
        raise SqlServerError(402, "The data types float and float are incompatible in the modulo operator.")
    return Typed(f"CAST({sql} AS {duckdb_type(target)})", target, nullable)


def _plain(value: Typed, target: ColumnType) -> str:
    return f"CAST({value.sql} AS {duckdb_type(target)})" if value.is_constant else f"({value.sql})"


def _concatenate(left: Typed, right: Typed) -> Typed:
    if (
        left.is_constant
        and right.is_constant
        and isinstance(left.constant, str)
        and isinstance(right.constant, str)
    ):
        text = left.constant + right.constant
        wide = left.type.name in UNICODE_TYPES or right.type.name in UNICODE_TYPES
        return text_constant(text, ColumnType("nvarchar" if wide else "varchar", length=max(len(text), 1)))
    is_binary = family(left.type) == "binary"
    wide = left.type.name in UNICODE_TYPES or right.type.name in UNICODE_TYPES
    name = "varbinary" if is_binary else "nvarchar" if wide else "varchar"
    length: int | None = None
    if not is_max(left.type) and not is_max(right.type):
        length = min((left.type.length or 1) + (right.type.length or 1), 4000 if wide else 8000)
    strong = left if left.has_explicit_collation or not right.has_explicit_collation else right
    return Typed(
        f"({left.sql} || {right.sql})",
        ColumnType(name, length),
        left.nullable or right.nullable,
        collation=strong.collation or left.collation or right.collation,
        has_explicit_collation=strong.has_explicit_collation,
        hides_surrogates=left.hides_surrogates or right.hides_surrogates,
    )


def _shift_date(operator: str, left: Typed, right: Typed) -> Typed:
    target = next(each.type for each in (left, right) if family(each.type) == "datetime")
    if target.name == "datetime2":
        raise type_clash(left.type.name, right.type.name)
    first, second = (convert(each, ColumnType("datetime")) for each in (left, right))
    sql = f"({first.sql} {operator} ({second.sql} - 599266080000000000))"
    return Typed(sql, target, left.nullable or right.nullable)


def _money_operation(operator: str, left: Typed, right: Typed, target: ColumnType) -> Typed:
    first, second = (
        f"CAST({convert_implicitly(each, target).sql} AS {duckdb_type(target)})" for each in (left, right)
    )
    storage = duckdb_type(target)
    if operator == "/":
        one = f"tsql_unscaled({first}) * 10000 // tsql_unscaled({second})"
        sql = f"CAST(({one}) * 0.0001::DECIMAL(4,4) AS {storage})"
    elif operator == "*":
        sql = f"CAST({first} * CAST({second} AS DECIMAL(19,4)) AS {storage})"
    else:
        sql = f"CAST({first} {operator} {second} AS {storage})"
    return Typed(sql, target, left.nullable or right.nullable)


def _decimal_operation(operator: str, left: Typed, right: Typed) -> Typed:
    (p1, s1), (p2, s2) = _digits_of(left), _digits_of(right)
    match operator:
        case "+" | "-":
            whole = max(p1 - s1, p2 - s2)
            scale, precision = max(s1, s2), whole + max(s1, s2) + 1
            scale = min(scale, _MAX_DIGITS - whole)
        case "*":
            scale, precision = s1 + s2, p1 + p2 + 1
            scale = _fit_scale(precision, scale)
        case "/":
            scale = max(6, s1 + p2 + 1)
            precision = p1 - s1 + s2 + scale
            scale = _fit_scale(precision, scale)
        case _:
            scale = max(s1, s2)
            precision = min(p1 - s1, p2 - s2) + scale
    result = ColumnType("numeric", precision=max(min(precision, _MAX_DIGITS), 1), scale=scale)
    storage, nullable = duckdb_type(result), left.nullable or right.nullable
    first = _as_decimal(left, p1, s1)
    second = _as_decimal(right, p2, s2)
    if operator == "/":
        power = scale - s1 + s2
        # The whole quotient and the remainder by themselves, so that 38 digits are not multiplied.
        dividend, more = f"tsql_unscaled({first})", 10 ** max(power, 0)
        divisor = f"(tsql_unscaled({second}) * {10 ** max(-power, 0)})"
        quotient = f"({dividend} // {divisor} * {more} + {dividend} % {divisor} * {more} // {divisor})"
        unit = f"0.{'0' * (scale - 1)}1::DECIMAL({scale},{scale})" if scale else "1"
        return Typed(f"CAST(CAST({quotient} AS DECIMAL(38,0)) * {unit} AS {storage})", result, nullable)
    if operator == "*":
        # DuckDB multiplies in 64 bits, and may overflow, unless an operand has more than 18 digits.
        first = _as_decimal(left, max(p1, 19), s1)
        return Typed(f"CAST({first} * {second} AS {storage})", result, nullable)
    common = f"DECIMAL({min(max(p1 - s1, p2 - s2) + max(s1, s2) + 1, 38)},{max(s1, s2)})"
    sql = f"CAST({first} AS {common}) {operator} CAST({second} AS {common})"
    return Typed(f"CAST({sql} AS {storage})", result, nullable)


def _as_decimal(value: Typed, precision: int, scale: int) -> str:
    target = ColumnType("decimal", precision=max(precision, 1), scale=scale)
    return f"CAST({convert_implicitly(value, target).sql} AS {duckdb_type(target)})"


def _fit_scale(precision: int, scale: int) -> int:
    if precision <= _MAX_DIGITS:
        return scale
    return max(scale - (precision - _MAX_DIGITS), min(scale, 6))


def unite(values: Sequence[Typed]) -> Typed:
    """Return what CASE, COALESCE or UNION of these values is: type, nullability, collation; SQL of the
    first."""
    typed = [each for each in values if not each.is_untyped_null] or list(values)
    common = typed[0]
    for each in typed[1:]:
        common = replace(
            common,
            type=stronger_type(common, each),
            collation=common.collation or each.collation,
            has_explicit_collation=common.has_explicit_collation or each.has_explicit_collation,
            hides_surrogates=common.hides_surrogates or each.hides_surrogates,
            is_constant=False,
            constant=None,
        )
    nullable = any(each.nullable for each in values)
    return replace(common, nullable=nullable, identity=False)
