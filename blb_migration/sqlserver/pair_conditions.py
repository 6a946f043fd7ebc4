"""Conditions for values whose kind changes on the way: texts into words, local times, floats.

``feed/convert_pairs.py`` refuses the same values; what is asked here is found before the load.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Set as AbstractSet

from blb_migration.local_times import find_affected, find_instants_shown_twice
from blb_migration.model import Column, ColumnType
from blb_migration.questions import Question
from blb_migration.sqlserver.expressions import (
    CODE_UNIT_COLLATION,
    exact_expression,
    literal,
    read_expression,
    text_expression,
)
from blb_migration.sqlserver.names import quote_name
from blb_migration.types import decimal_shape, look_up_source

_SOURCE_INTEGERS = {"smallint": "smallint", "integer": "int", "bigint": "bigint"}
_SOURCE_FLOATS = {"real": "real", "double precision": "float"}
# Halfway from the largest real to what would come after it: what is not below it is near to no real.
_NO_REAL = "3.4028235677973366E38"
_TEXT = ColumnType("nvarchar")
_DIGIT = "[0-9A-Fa-f]"
_GUID = "-".join(_DIGIT * count for count in (8, 4, 4, 4, 12))


def build_word_condition(column: Column, question: Question) -> str:
    """Build the condition for a text that is no GUID, number or date, or none of some words.

    Blanks that pad it are put aside.
    """
    is_padded = look_up_source(column.type).is_padded
    text = f"RTRIM({text_expression(column)})" if is_padded else text_expression(column)
    if question.kind == "not_uuid":
        # The mark at the end, since LIKE passes over blanks there.
        return f"NOT (({text} + N'.') COLLATE {CODE_UNIT_COLLATION} LIKE N'{_GUID}.')"
    if question.kind in ("not_the_number", "not_the_date"):
        return _build_spelling_condition(text, question)
    words = [exact_expression(literal(str(word), _TEXT)) for word in question.arguments]
    return f"{exact_expression(text)} NOT IN ({', '.join(words)})"


def _build_spelling_condition(text: str, question: Question) -> str:
    """Build the condition for a text that SQL Server itself would not write of the value it reads in it."""
    if question.kind == "not_the_date":
        value = f"TRY_CONVERT(date, {text}, 23)"
        spelled = f"CONVERT(nvarchar(10), {value}, 23)"
    else:
        value = f"TRY_CAST({text} AS {_SOURCE_INTEGERS[str(question.arguments[0])]})"
        spelled = f"CAST({value} AS nvarchar(20))"
    is_other = f"{exact_expression(spelled)} <> {exact_expression(text)}"
    return f"({value} IS NULL AND {text} IS NOT NULL OR {is_other})"


def moment_expression(column: Column) -> str:
    """Return a moment without a zone: of an instant its time in UTC."""
    name = quote_name(column.name)
    if column.type.name == "datetimeoffset":
        return f"CAST(SWITCHOFFSET({name}, '+00:00') AS datetime2(7))"
    return f"CAST({name} AS datetime2(7))"


def build_time_condition(column: Column, question: Question, years: AbstractSet[int] | None = None) -> str:
    """Build the condition for a timestamp not at midnight, or that a zone's clocks showed twice or never.

    ``years`` are those that the column's moments lie in, None where that is not known: a zone has hundreds of
    changes, of which a table's rows see a few.
    """
    name = quote_name(column.name)
    if question.kind == "has_time_of_day":
        return f"CAST(CAST({name} AS date) AS datetime2(7)) <> CAST({name} AS datetime2(7))"
    zone, value = str(question.arguments[0]), moment_expression(column)
    if question.kind == "instant_shown_twice":
        spans = find_instants_shown_twice(zone)
    else:
        spans = find_affected(zone, skipped=question.kind == "skipped_local_time")
    if years is not None:
        spans = tuple(span for span in spans if not years.isdisjoint(range(span[0].year, span[1].year + 1)))
    conditions = [f"({value} >= {_moment(low)} AND {value} < {_moment(high)})" for low, high in spans]
    return f"({' OR '.join(conditions)})" if conditions else "1 = 0"


def build_float_condition(column: Column, question: Question) -> str:
    """Build the condition for a number that does not survive the way into or out of a float."""
    value = read_expression(column)
    if question.kind == "real_outside":
        return f"ABS({value}) >= {_NO_REAL}"
    if question.kind == "inexact_as_float":
        is_float = column.type.name == "float"
        shape = "float" if is_float else "decimal({}, {})".format(*decimal_shape(column.type))
        given_back = f"TRY_CAST(TRY_CAST({value} AS {_SOURCE_FLOATS[str(question.arguments[0])]}) AS {shape})"
        return f"{given_back} IS NULL AND {value} IS NOT NULL OR {given_back} <> {value}"
    digits = int(question.arguments[0])
    if question.kind == "float_outside":
        return f"ABS(CAST({value} AS float)) >= 1E{digits}"
    return f"CAST(TRY_CAST({value} AS decimal(38, {digits})) AS {column.type.name}) <> {value}"


def _moment(value: dt.datetime) -> str:
    return f"CAST(N'{value.isoformat()}' AS datetime2(7))"
