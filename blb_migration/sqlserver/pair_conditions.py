"""Conditions for values whose kind changes on the way: texts into words, local times, floats.

``feed/convert_pairs.py`` refuses the same values; what is asked here is found before the load.
"""

from __future__ import annotations

import datetime as dt

from blb_migration.local_times import find_affected
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

_TEXT = ColumnType("nvarchar")
_DIGIT = "[0-9A-Fa-f]"
_GUID = "-".join(_DIGIT * count for count in (8, 4, 4, 4, 12))


def build_word_condition(column: Column, question: Question) -> str:
    """Build the condition for a text that is no GUID, or none of some words; blanks that pad it aside."""
    is_padded = look_up_source(column.type).is_padded
    text = f"RTRIM({text_expression(column)})" if is_padded else text_expression(column)
    if question.kind == "not_uuid":
        # The mark at the end, since LIKE passes over blanks there.
        return f"NOT (({text} + N'.') COLLATE {CODE_UNIT_COLLATION} LIKE N'{_GUID}.')"
    words = [exact_expression(literal(str(word), _TEXT)) for word in question.arguments]
    return f"{exact_expression(text)} NOT IN ({', '.join(words)})"


def build_time_condition(column: Column, question: Question) -> str:
    """Build the condition for a timestamp not at midnight, or that a zone's clocks showed twice or never."""
    name = quote_name(column.name)
    if question.kind == "has_time_of_day":
        return f"CAST(CAST({name} AS date) AS datetime2(7)) <> CAST({name} AS datetime2(7))"
    spans = find_affected(str(question.arguments[0]), skipped=question.kind == "skipped_local_time")
    value = f"CAST({name} AS datetime2(7))"
    conditions = [f"({value} >= {_moment(low)} AND {value} < {_moment(high)})" for low, high in spans]
    return f"({' OR '.join(conditions)})" if conditions else "1 = 0"


def build_float_condition(column: Column, question: Question) -> str:
    """Build the condition for a number that does not survive the way into or out of a float."""
    value = read_expression(column)
    if question.kind == "inexact_as_float":
        shape = "decimal({}, {})".format(*decimal_shape(column.type))
        return f"TRY_CAST(CAST({value} AS float) AS {shape}) IS NULL AND {value} IS NOT NULL OR " + (
            f"TRY_CAST(CAST({value} AS float) AS {shape}) <> {value}"
        )
    digits = int(question.arguments[0])
    if question.kind == "float_outside":
        return f"ABS(CAST({value} AS float)) >= 1E{digits}"
    return f"CAST(TRY_CAST({value} AS decimal(38, {digits})) AS {column.type.name}) <> {value}"


def _moment(value: dt.datetime) -> str:
    return f"CAST(N'{value.isoformat()}' AS datetime2(7))"
