"""How one column is written in a SELECT: for reading its values, and as a text to ask questions about.

Source of the conversions: "CAST and CONVERT (Transact-SQL)", its tables of styles. Reader, totals and
probes use the same expressions, so that they speak of the same values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from blb_migration.model import Column, ColumnType
from blb_migration.questions import TextEquality
from blb_migration.sqlserver.names import quote_name
from blb_migration.types import EXACT_NUMBERS, Family, decimal_shape, name_source_types
from blb_migration.value_decisions import DecidedColumn, ValueDecision

# Half a surrogate pair is one character, a whole one is one too: so LEN counts code points, as PostgreSQL
# does.
CODE_POINT_COLLATION = "Latin1_General_100_CI_AS_SC"

# Compares UTF-16 code units one by one: in other collations U+0000 and half surrogates weigh nothing.
CODE_UNIT_COLLATION = "Latin1_General_100_BIN2"

# Of SQL Server's collations those that come closest to ICU's levels 2 and 1: case, width and kana are nothing
# to either.
_ICU_LIKE = {"any case": "Latin1_General_100_CI_AS", "any case or accent": "Latin1_General_100_CI_AI"}

# A name in brackets (group 1), or a literal, in which brackets mean nothing.
BRACKETED_NAME = re.compile(r"\[((?:[^\]]|\]\])*)\]|'(?:[^']|'')*'")

TEXT_TYPES = frozenset(name_source_types(Family.TEXT, Family.DOCUMENT))
_READ_FORMS = {
    "hierarchyid": "{0}.ToString()",
    "geography": "{0}.AsBinaryZM()",
    "geometry": "{0}.AsBinaryZM()",
    "text": "CAST({0} AS varchar(max))",
    "ntext": "CAST({0} AS nvarchar(max))",
    "json": "CAST({0} AS nvarchar(max))",
    "vector": "CAST({0} AS nvarchar(max))",
    "image": "CAST({0} AS varbinary(max))",
}
BINARY_TYPES = frozenset(name_source_types(Family.BINARY))


def read_expression(column: Column) -> str:
    """Read the T-SQL that reads a column's values exactly, in a type the driver can stream.

    sql_variant becomes text in ISO form or with all digits, hierarchyid its path, geography and geometry
    their well-known binary with Z and M (the SRID is not in it), the outdated large types their (max)
    successors, json and vector their JSON text. Everything else is read as it is.
    """
    name = quote_name(column.name)
    if column.type.name == "sql_variant":
        return _variant_as_text(name)
    if column.type.name == "varchar" and column.type.length is None and is_utf8(column):
        # mssql-python 1.16 drops characters beyond U+FFFF from the first such value of an Arrow batch.
        return f"CAST({name} AS nvarchar(max))"
    return _READ_FORMS.get(column.type.name, "{0}").format(name)


READ_AS_TEXT = frozenset(("sql_variant", "text", "ntext"))
"""Types whose values are other texts at the target, or that the source does not compare at all."""


def read_as_text(column: Column, expression: str) -> str:
    """Return the ``expression`` of the column's value as the target will compare it."""
    if column.type.name == "sql_variant":
        return _variant_as_text(expression)
    return (
        _READ_FORMS[column.type.name].format(expression) if column.type.name in READ_AS_TEXT else expression
    )


def is_utf8(column: Column) -> bool:
    """Whether a varchar column holds UTF-8 rather than a code page."""
    return column.collation is not None and column.collation.upper().endswith("_UTF8")


def text_expression(column: Column) -> str:
    """Return a column's value as nvarchar(max), to measure and search it."""
    return f"CAST({read_expression(column)} AS nvarchar(max))"


def code_point_count(column: Column, decisions: Sequence[ValueDecision] = ()) -> str:
    """Return the number of characters of a text, trailing spaces included, as PostgreSQL's char_length
    counts."""
    text = decided_expression(column, decisions, text_expression(column))
    return f"LEN({text} COLLATE {CODE_POINT_COLLATION} + N'.') - 1"


def exact_expression(expression: str) -> str:
    """Return a text as one that is equal only to the very same characters, trailing spaces included.

    Comparisons pad the shorter side with spaces, in binary collations too: hence the mark at the end.
    """
    return f"({expression} COLLATE {CODE_UNIT_COLLATION} + N'.')"


def equal_expression(expression: str, equality: TextEquality) -> str:
    """Return a text as one that is equal to what the target takes for equal to it, and to nothing else."""
    value = f"RTRIM({expression})" if equality.pads else expression
    if equality.letters == "lower case":
        value = f"LOWER({value})"
    collation = _ICU_LIKE.get(equality.letters)
    return exact_expression(value) if collation is None else f"({value} COLLATE {collation} + N'.')"


def decided_expression(
    column: Column, decisions: Sequence[ValueDecision], expression: str | None = None
) -> str:
    """Return a column's value after a person's decisions, as the load writes it: what both sides are
    compared by.

    ``expression`` is how the value is read before them, ``read_expression`` if not given. Half surrogate
    pairs stay as they are: the driver hands each over as U+FFFD, and both are one character.
    """
    value = read_expression(column) if expression is None else expression
    for decision in decisions:
        value = _apply(decision, value, column.type)
    return value


def computed_expression(column: Column, inputs: Sequence[DecidedColumn]) -> str:
    """Return a computed column's value as it follows from its inputs after their decisions.

    SQL Server keeps a computed column's text with every column name in brackets.
    """
    assert column.computed is not None
    decided = {item.column.name.lower(): item for item in inputs}

    def replace_name(match: re.Match[str]) -> str:
        item = decided.get((match[1] or "").replace("]]", "]").lower())
        return match[0] if item is None else f"({decided_expression(item.column, item.decisions)})"

    return f"({BRACKETED_NAME.sub(replace_name, column.computed.expression)})"


def _apply(decision: ValueDecision, value: str, column_type: ColumnType) -> str:  # noqa: PLR0911  # one case after the other
    match decision.covers:
        case "is_null":
            return f"COALESCE({value}, {literal(decision.value or '', column_type)})"
        case "contains_nul":
            by = literal(decision.value or "", _TEXT)
            zero = f"NCHAR(0) COLLATE {CODE_UNIT_COLLATION}"
            return f"REPLACE(CAST({value} AS nvarchar(max)) COLLATE {CODE_UNIT_COLLATION}, {zero}, {by})"
        case "text_longer_than":
            return f"LEFT({value} COLLATE {CODE_POINT_COLLATION}, {decision.limit})"
        case "decimal_finer_than":
            # Cast first: ROUND keeps its argument's precision, and 9.99 of decimal(3,2) would overflow.
            cut = ", 1" if decision.action == "truncate" else ""
            return (
                f"ROUND(CAST({value} AS decimal(38, {decimal_shape(column_type)[1]})), {decision.limit}{cut})"
            )
        case "fraction_finer_than":
            step = 10 ** (9 - (decision.limit or 0))
            return f"DATEADD(nanosecond, -(DATEPART(nanosecond, {value}) % {step}), {value})"
        case "has_time_of_day":
            return f"CAST({value} AS date)"
        case (
            "lone_surrogate"
            | "json_nul"
            | "json_lone_surrogate"
            | "meaning"
            | "float_finer_than"
            | "inexact_as_float"
        ):
            return value  # compared by content alone


_TEXT = ColumnType("nvarchar")
_NUMBERS = frozenset(name_source_types(*EXACT_NUMBERS, Family.FLOAT))


def literal(value: str, column_type: ColumnType) -> str:
    """Return a decided value in T-SQL, of the column's type. Texts are written as their bytes: nothing to
    quote."""
    if column_type.name in TEXT_TYPES or column_type.name in ("sql_variant", "hierarchyid"):
        encoded = value.encode("utf-16-le")
        if not encoded:
            return "N''"
        length = len(encoded) // 2 if len(encoded) <= 8000 else "max"
        return f"CAST(0x{encoded.hex().upper()} AS nvarchar({length}))"
    if column_type.name == "bit":
        return f"CAST({int(value == 'true')} AS bit)"
    if column_type.name in _NUMBERS:
        return f"CAST({value} AS {column_type})"
    if not set(value) <= set("0123456789abcdefABCDEF-:.+T"):
        raise ValueError(f"{value!r} is no value of {column_type}")
    return f"CAST(N'{value}' AS {column_type})"


def _variant_as_text(name: str) -> str:
    # Plain CAST would cut datetime to minutes, floats to 6 digits, money to 2, and reread bytes as letters.
    return (
        f"CASE CAST(SQL_VARIANT_PROPERTY({name}, 'BaseType') AS nvarchar(128)) "
        f"WHEN N'datetime' THEN CONVERT(nvarchar(max), CAST({name} AS datetime), 121) "
        f"WHEN N'smalldatetime' THEN CONVERT(nvarchar(max), CAST({name} AS smalldatetime), 120) "
        f"WHEN N'float' THEN CONVERT(nvarchar(max), CAST({name} AS float), 3) "
        f"WHEN N'real' THEN CONVERT(nvarchar(max), CAST({name} AS real), 3) "
        f"WHEN N'money' THEN CONVERT(nvarchar(max), CAST({name} AS money), 2) "
        f"WHEN N'smallmoney' THEN CONVERT(nvarchar(max), CAST({name} AS smallmoney), 2) "
        f"WHEN N'binary' THEN CONVERT(nvarchar(max), CAST({name} AS varbinary(8000)), 1) "
        f"WHEN N'varbinary' THEN CONVERT(nvarchar(max), CAST({name} AS varbinary(8000)), 1) "
        f"ELSE CAST({name} AS nvarchar(max)) END"
    )
