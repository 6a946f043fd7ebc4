"""Comparing values: which type both become, how text compares, and LIKE."""

from __future__ import annotations

from sqlglot import exp

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.arithmetic import stronger_type
from blb_migration.sandbox.emulator.tsql.collation_rules import comparison_key, winning_collation
from blb_migration.sandbox.emulator.tsql.conversions import convert, convert_implicitly
from blb_migration.sandbox.emulator.tsql.datatypes import NVARCHAR_MAX, decimal_digits, family, is_text
from blb_migration.sandbox.emulator.tsql.patterns import build_like_regex
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.surrogates import UNITS_FUNCTION, has_hidden_surrogates
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_text

OPERATORS: dict[type[object], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
}  # fmt: skip
_UNCOMPARABLE = frozenset({"text", "ntext", "image", "xml"})
_WORDS = {"=": "equal to", "<>": "not equal to", ">": "greater than", "<": "less than",
          ">=": "greater than or equal to", "<=": "less than or equal to"}  # fmt: skip


def compare(operator: str, left: Typed, right: Typed, default_collation: str) -> str:
    """Return the condition ``left operator right`` in DuckDB's terms."""
    for value in (left, right):
        if value.type.name in _UNCOMPARABLE:
            raise SqlServerError(
                402,
                f"The data types {left.type.name} and {right.type.name} are incompatible in the "
                f"{_WORDS[operator]} operator.",
            )
    first, second = comparable(left, right, default_collation, _WORDS[operator])
    if operator not in ("=", "<>") and family(stronger_type(left, right)) == "guid":
        first, second = f"tsql_guid_key({first})", f"tsql_guid_key({second})"
    return f"({first} {operator} {second})"


def comparable(
    left: Typed, right: Typed, default_collation: str, operation: str = "equal to"
) -> tuple[str, str]:
    """Both sides as DuckDB texts whose plain comparison is SQL Server's."""
    target = stronger_type(left, right)
    if is_text(target) and is_text(left.type) and is_text(right.type):
        collation = winning_collation(left, right, default_collation, operation)
        return comparison_key(left.sql, collation), comparison_key(right.sql, collation)
    if family(target) == "exact" and {family(left.type), family(right.type)} <= {"exact", "integer"}:
        scales = [decimal_digits(each.type)[1] for each in (left, right)]
        if max(scales) > decimal_digits(target)[1]:
            return _split_number(left, max(scales)), _split_number(right, max(scales))
    first, second = convert_implicitly(left, target).sql, convert_implicitly(right, target).sql
    match family(target):
        case "text":
            return comparison_key(first, default_collation), comparison_key(second, default_collation)
        case "datetimeoffset":
            return f"({first}).ticks", f"({second}).ticks"
        case "binary":
            return f"rtrim(hex({first}), '0')", f"rtrim(hex({second}), '0')"
    return first, second


def _split_number(value: Typed, scale: int) -> str:
    """Whole part and fraction, for numbers whose common type would need more than 38 digits."""
    parts = (
        f"{{'whole': CAST(floor({value.sql}) AS HUGEINT), 'rest': CAST({value.sql} - floor({value.sql}) AS "
        f"DECIMAL(38,{scale}))}}"
    )
    return f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE {parts} END"


def sort_key(value: Typed, default_collation: str) -> str:
    """DuckDB text by which values order, group and stay distinct as in SQL Server."""
    match family(value.type):
        case "text":
            return comparison_key(value.sql, value.collation or default_collation)
        case "guid":
            return f"tsql_guid_key({value.sql})"
        case "datetimeoffset":
            return f"({value.sql}).ticks"
    return value.sql


def like(operand: Typed, pattern: Typed, escape: str | None, default_collation: str) -> str:
    """``operand LIKE pattern`` for a pattern that is known when compiling."""
    subject, regex = matching(operand, pattern, escape, default_collation, "like")
    return f"regexp_full_match({subject}, {regex})"


def matching(
    operand: Typed, pattern: Typed, escape: str | None, default_collation: str, operation: str
) -> tuple[str, str]:
    """Return the text to search and the regular expression, both as DuckDB text."""
    text = operand if is_text(operand.type) else convert(operand, NVARCHAR_MAX)
    if pattern.is_untyped_null or (pattern.is_constant and pattern.constant is None):
        return text.sql, "NULL"
    if not pattern.is_constant:
        raise unsupported("LIKE or PATINDEX with a pattern that is not constant")
    collation = winning_collation(text, pattern, default_collation, operation)
    pattern_text = str(pattern.constant)
    regex = quote_text(build_like_regex(pattern_text, escape, collation))
    subject = f"{UNITS_FUNCTION}({text.sql})" if has_hidden_surrogates(pattern_text) else text.sql
    return subject, regex
